// Runs: the list, curves laid over each other, what differs, and training from a form.
import { ask, guarded } from "../api.js";
import { lineChart } from "../charts.js";
import { card, choice, field, h, number, percent, put } from "../dom.js";
import { codePanel } from "../parts/code.js";
import * as selection from "../parts/selection.js";
import * as state from "../state.js";
import { sortableTable } from "../table.js";
import { t } from "../words.js";

const CURVES = [
  ["validation_accuracy", "Validation accuracy"], ["validation_loss", "Validation loss"], ["train_loss", "Training loss"], ["train_accuracy", "Training accuracy"],
  ["learning_rate", "Learning rate"], ["images_per_second", "Images per second"],
];

function mount(root) {
  const list = h("div", {}), curves = h("div", { class: "cards" }), differences = h("div", {}), form = h("div", {}), one = h("div", { class: "stack" });
  const search = h("input", { type: "search", placeholder: t("name, network, data, status"), value: state.get("q") ?? "", oninput: () => { state.set({ q: search.value }, { replace: true }); drawList(); } });
  const code = h("div", {});
  put(root, h("div", { class: "stack" },
    h("section", { class: "card", "aria-label": t("Runs") }, h("header", {}, h("h2", {}, t("Runs")), h("span", { class: "quiet small" }, selection.folder())),
      field(t("Search"), search), list, code),
    form, one, curves, differences));
  const details = new Map();

  const chosen = () => {
    const given = state.get("runs");
    if (given !== null) return given.split(",").filter((each) => selection.runs().some((run) => run.name === each));
    const first = selection.currentRun() ?? selection.runs()[0];
    return first ? [first.name] : [];
  };

  function toggle(name) {
    const now = chosen();
    state.set({ runs: (now.includes(name) ? now.filter((each) => each !== name) : [...now, name]).join(",") || "," });
  }

  function drawList() {
    const words = (state.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const rows = selection.runs().filter((run) => words.every((word) => `${run.name} ${run.network} ${run.data} ${run.status} ${JSON.stringify(run.options ?? {})}`.toLowerCase().includes(word)));
    const now = chosen();
    put(list, sortableTable([
      { key: "picked", name: t("Curves"), plain: true, left: true, show: (_, run) => h("input", { type: "checkbox", checked: now.includes(run.name), "aria-label": t("curves of {name}", { name: run.name }), onclick: (event) => { event.stopPropagation(); toggle(run.name); } }) },
      { key: "name", name: t("Name"), left: true, show: (name) => h("button", { class: "plain", onclick: (event) => { event.stopPropagation(); state.set({ run: name, runs: name }); } }, name) },
      { key: "status", name: t("Status"), left: true, show: (status, run) => h("span", { class: `status ${status.split(" ")[0]}`, title: run.problem ?? "" }, t(status)) },
      { key: "network", name: t("Network"), left: true }, { key: "data", name: t("Data"), left: true },
      { key: "epochs", name: t("Epochs"), show: (epochs, run) => (run.of_epochs ? `${epochs}/${run.of_epochs}` : "–") },
      { key: "accuracy", name: t("Validation"), show: (value, run) => (run.measure && value !== null ? `${run.measure} ${number(value, 3)}` : percent(value, 2)) },
      { key: "test_accuracy", name: t("Test"), show: (value) => percent(value, 2) },
      { key: "parameters", name: t("Parameters"), show: (value) => number(value) },
      { key: "seconds", name: t("Time"), show: (value) => (value === undefined ? "–" : `${number(value, 3)} s`) },
      { key: "started", name: t("Started"), left: true, show: (value) => String(value).slice(0, 16).replace("T", " ") },
    ], rows, { name: t("Runs"), sorted: "started", pick: (run) => { if (run.status !== "damaged") state.set({ run: run.name, runs: run.name }); }, picked: (run) => run.name === state.get("run"),
      empty: selection.runs().length ? t("No run matches.") : t("There are no runs in {folder} yet.", { folder: selection.folder() }) }),
    ...rows.filter((run) => run.problem).map((run) => h("p", { class: "bad small" }, `${run.name}: ${run.problem}`)));
    put(code, codePanel(selection.answer()?.code));
  }

  async function drawCurves() {
    const names = chosen();
    if (!names.length) { put(curves); put(differences); return; }
    await guarded(curves, async () => {
      for (const name of names) {
        const run = selection.runs().find((each) => each.name === name);
        if (run && run.status !== "damaged" && (!details.has(name) || run.status === "running" || details.get(name).metrics.length !== run.epochs)) details.set(name, await ask(`/runs/${encodeURIComponent(name)}`, {}, { slot: `run ${name}` }));
      }
      const groups = grouped(names);
      put(curves, CURVES.map(([key, title]) => card(t(title), lineChart({
        title: t(title), x: t("epoch"), y: "", whole: true,
        series: groups.map((group) => seriesOf(group, key)).flat(),
      }))), names.some((name) => selection.runs().find((each) => each.name === name)?.measure) ? h("p", { class: "quiet small" }, t("Of runs that predict numbers, accuracy is R².")) : null);
    });
    if (names.length > 1) {
      await guarded(differences, async () => {
        const found = await ask("/compare", { runs: names.join(",") }, { slot: "compare" });
        put(differences, card(t("What differs"), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("{name}: table", { name: t("What differs") }) }, h("table", { "data-name": t("What differs") },
          h("thead", {}, h("tr", {}, found.head.map((each) => h("th", { scope: "col", class: "left" }, each)))),
          h("tbody", {}, found.rows.map((row) => h("tr", {}, row.map((each) => h("td", { class: "left" }, each))))))), codePanel(found.code)));
      });
    } else put(differences);
  }

  // Runs that differ in their seed alone are one band: mean, least and greatest.
  function grouped(names) {
    const groups = new Map();
    for (const name of names) {
      const run = selection.runs().find((each) => each.name === name);
      if (!run || !details.has(name)) continue;
      if (!groups.has(run.group)) groups.set(run.group, []);
      groups.get(run.group).push(name);
    }
    return [...groups.values()];
  }

  function seriesOf(names, key) {
    const all = names.map((name) => details.get(name).metrics.map((row) => [row.epoch, row[key]]).filter(([, value]) => value !== null));
    if (names.length === 1) return [{ name: names[0], points: all[0] }];
    const epochs = [...new Set(all.flat().map(([epoch]) => epoch))].sort((a, b) => a - b);
    const at = (epoch) => all.map((points) => points.find(([each]) => each === epoch)?.[1]).filter((value) => value !== undefined);
    return [{ name: t("{name} and {n} more seeds, mean", { name: names[0], n: names.length - 1 }),
      points: epochs.map((epoch) => [epoch, at(epoch).reduce((a, b) => a + b, 0) / at(epoch).length]),
      band: epochs.map((epoch) => [epoch, Math.min(...at(epoch)), Math.max(...at(epoch))]) }];
  }

  async function drawOne() {
    const name = state.get("run") ?? chosen()[0], run = selection.runs().find((each) => each.name === name);
    if (!run || run.status === "damaged") { put(one); return; }
    await guarded(one, async () => {
      const found = await ask(`/runs/${encodeURIComponent(name)}`, {}, { slot: "one run" });
      details.set(name, found);
      const batch = h("div", {});
      const position = (each) => each.epoch - 1 + each.step / each.steps;
      const steps = found.steps.filter((each) => each.steps);
      put(one, h("section", { class: "card", "aria-label": name }, h("header", {}, h("h2", {}, name), h("span", { class: `status ${found.status.split(" ")[0]}` }, t(found.status.split(":")[0]))),
        found.status.startsWith("failed") ? h("p", { class: "error" }, found.status) : null,
        found.notices.length ? h("details", {}, h("summary", {}, t("{n} notices", { n: found.notices.length })), h("ul", { class: "small" }, found.notices.map((each) => h("li", {}, each)))) : null,
        actions(run, found),
        h("div", { class: "split even" },
          h("dl", { class: "facts" }, Object.entries({ [t("Network")]: `${run.network}, ${number(run.parameters)} ${t("parameters")}`, [t("Data")]: run.source, [t("Options")]: Object.entries(run.options).map(([key, value]) => `${key} ${value}`).join(", ") || t("as they come"), [t("Hardware")]: found.environment.hardware ?? found.environment.processor ?? "–", [t("Command")]: Array.isArray(found.environment.command) ? found.environment.command.join(" ") : found.environment.command ?? "–" }).map(([key, value]) => [h("dt", {}, key), h("dd", {}, String(value))])),
          steps.length > 1 ? h("div", { class: "stack tight" }, h("h3", {}, t("Loss within the epochs")), lineChart({ title: t("Loss within the epochs"), x: t("epoch"), y: "", height: 180,
            series: [{ name: t("mean so far in its epoch"), points: steps.map((each) => [position(each), each.loss]) }],
            pick: run.examples !== "images" ? null : (point) => { const step = steps.reduce((best, each) => (Math.abs(position(each) - point[0]) < Math.abs(position(best) - point[0]) ? each : best)); showBatch(batch, name, step); } }),
          run.examples !== "images" ? null : [h("p", { class: "quiet small" }, t("Click a place of the curve for the images of that step, or choose:")),
          h("div", { class: "row" }, choice(t("Step"), steps.map((each, place) => [String(place), `${each.epoch} · ${each.step}`]), "0", (value) => showBatch(batch, name, steps[Number(value)]))),
          batch]) : null),
        found.health ? healthTable(found.health) : null, codePanel(found.code)));
    });
  }

  function actions(run, found) {
    if (selection.readOnly()) return null;
    const said = h("span", { class: "bad small", role: "alert" });
    const press = (words, path) => h("button", { onclick: async () => { await ask(path, {}, { method: "POST", slot: "train" }).catch((error) => put(said, error.message)); } }, words);
    const name = encodeURIComponent(run.name), mine = selection.states()[run.name];
    const epochs = [["", t("best weights")], ...found.kept.map((each) => [String(each), t("epoch {n}", { n: each })])];
    const from = h("select", { "aria-label": t("weights to branch from") }, epochs.map(([key, words]) => h("option", { value: key }, words)));
    return h("div", { class: "row" },
      run.status === "running" ? press(t("Stop"), `/runs/${name}/stop`) : null,
      !["finished", "running", "patience", "time budget"].includes(run.status) ? press(t("Go on"), `/runs/${name}/resume`) : null,
      run.has_model && run.examples === "images" ? h("div", { class: "row" }, from, h("button", { onclick: () => drawForm({ start: run.name, epoch: from.value === "" ? null : Number(from.value), network: run.network, data: run.source, options: run.options }) }, t("Branch with other options"))) : null,
      said, mine && !mine.alive && mine.status !== 0 && mine.said.length ? h("p", { class: "bad small" }, mine.said.at(-1)) : null);
  }

  async function showBatch(box, name, step) {
    await guarded(box, async () => {
      const found = await ask(`/runs/${encodeURIComponent(name)}/batch`, { epoch: step.epoch, step: step.step }, { slot: "batch" });
      const counts = new Map();
      for (const label of found.labels) counts.set(label, (counts.get(label) ?? 0) + 1);
      put(box, h("h3", {}, t("Step {step} of epoch {epoch}: {n} images", { step: step.step, epoch: step.epoch, n: found.indices.length })),
        h("img", { class: "map", style: { width: "100%" }, alt: t("the images of the step"), src: `/api/runs/${encodeURIComponent(name)}/batch.png?epoch=${step.epoch}&step=${step.step}` }),
        h("p", { class: "small quiet" }, [...counts].sort((a, b) => b[1] - a[1]).map(([label, count]) => `${label} ${count}`).join(" · ")), codePanel(found.code));
    });
  }

  function healthTable(health) {
    return h("details", {}, h("summary", {}, t("Health after epoch {n}", { n: health.epoch })),
      health.warnings.map((each) => h("p", { class: "note small" }, each)),
      sortableTable(Object.keys(health.layers[0] ?? {}).map((key) => ({ key, name: key.replaceAll("_", " "), left: typeof health.layers[0][key] === "string", show: (value) => (typeof value === "number" ? number(value) : Array.isArray(value) ? value.map((each) => number(each)).join(", ") : String(value ?? "–")) })), health.layers, { name: t("Health"), sorted: null }));
  }

  async function drawForm(given = null) {
    if (selection.readOnly()) { put(form); return; }
    await guarded(form, async () => {
      const found = await ask("/form", {}, { slot: "form" });
      const inputs = new Map(), said = h("p", { class: "bad", role: "alert" }), command = h("div", {});
      const control = (each) => {
        const value = given?.options?.[each.name] ?? null, shown = value ?? (each.default ?? "");
        const text = Array.isArray(shown) ? shown.join(",") : String(shown);
        const made = each.type === "bool" ? h("select", { value: text }, ["true", "false"].map((word) => h("option", { value: word }, t(word)))) : h("input", { type: each.type === "int" ? "number" : "text", step: "any", value: text, placeholder: each.optional ? t("as it comes") : "" });
        made.name = each.name;
        inputs.set(each.name, [each, made, text]);
        return h("label", { class: "field", title: each.help }, h("span", {}, each.name.replaceAll("_", " ")), made, h("span", { class: "small quiet", style: { "max-width": "32ch" } }, each.help));
      };
      const name = h("input", { type: "text", value: freeName(given), required: true });
      const network = h("select", { value: given?.network ?? "lenet_bn", disabled: Boolean(given?.start) }, found.networks.map((each) => h("option", { value: each }, each)));
      const data = h("input", { type: "text", list: "data-names", value: given?.data ?? "digits" });
      const parse = (field_, text) => {
        if (text === "") return null;
        if (field_.type === "bool") return text === "true";
        if (field_.type === "int" || field_.type === "float") { const value = Number(text); if (Number.isNaN(value)) throw new Error(t("{name} is {text}; give a number", { name: field_.name, text })); return value; }
        if (field_.type.startsWith("tuple")) return text.split(",").map((each) => each.trim()).filter(Boolean).map((each) => (field_.type.includes("int") ? Number(each) : each));
        return text;
      };
      const begin = async (event) => {
        event.preventDefault();
        put(said); put(command);
        try {
          const options = {};
          for (const [key, [field_, made, text]] of inputs) if (made.value !== text || given?.options?.[key] !== undefined) options[key] = parse(field_, made.value);
          const answer = await ask("/train", {}, { method: "POST", slot: "train", body: { name: name.value, network: given?.start ? null : network.value, data: data.value, options, start: given?.start ?? null, epoch: given?.epoch ?? null } });
          put(command, codePanel(answer.code));
          state.set({ run: answer.name, runs: answer.name });
        } catch (error) { put(said, error.message); }
      };
      const box = h("details", { open: given !== null }, h("summary", {}, given ? t("A run from {name}", { name: given.start }) : t("A new run")),
        h("form", { class: "stack", onsubmit: begin },
          h("div", { class: "row" }, field(t("Name"), name), field(t("Network"), network), field(t("Data"), data), h("datalist", { id: "data-names" }, found.data.map((each) => h("option", { value: each })))),
          h("div", { class: "options" }, found.fields.filter((each) => each.first).map(control)),
          h("details", {}, h("summary", {}, t("All options")), h("div", { class: "options" }, found.fields.filter((each) => !each.first).map(control))),
          h("div", { class: "row middle" }, h("button", { class: "main", type: "submit" }, t("Train")), said), command));
      put(form, h("section", { class: "card", "aria-label": t("A new run") }, box));
      if (given) box.scrollIntoView({ block: "nearest" });
    });
  }

  function freeName(given) {
    const base = given ? `${given.start}-branch` : "studio", taken = new Set(selection.runs().map((each) => each.name));
    let count = 1;
    while (taken.has(`${base}-${count}`)) count += 1;
    return `${base}-${count}`;
  }

  let began = false;
  return {
    async update(changed) {
      drawList();
      if (!began) { began = true; drawForm(); }
      if (changed === null || changed.some((key) => ["run", "runs"].includes(key))) { await drawCurves(); await drawOne(); }
    },
    async runsChanged() { drawList(); await drawCurves(); await drawOne(); },
    eventsCame({ run, events }) {
      const last = events.findLast((each) => each.event === "StepEnded"), cell = [...list.querySelectorAll("tr")].find((row) => row.innerText.includes(run))?.cells[5];
      if (cell && last) cell.textContent = `${last.epoch}: ${last.step}/${last.steps}, ${number(last.loss, 3)}`;
      if (events.some((each) => each.event === "EpochEnded")) selection.refreshRuns().then(() => { drawList(); drawCurves(); }, () => {});
    },
  };
}

export const runsView = { name: "runs", title: "Runs", bar: null, mount };
