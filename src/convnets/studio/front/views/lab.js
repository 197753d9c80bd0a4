// Lab: two small networks side by side from the same seed; and questions to be answered before one looks.
import { ask, guarded } from "../api.js";
import { lineChart } from "../charts.js";
import { LINES } from "../colors.js";
import { card, choice, field, h, number, put } from "../dom.js";
import { codePanel } from "../parts/code.js";
import { t } from "../words.js";

const SIDES = ["left", "right"];
const CURVES = [["validation_accuracy", "Validation accuracy"], ["train_loss", "Training loss"], ["validation_loss", "Validation loss"]];
const STRIPS = [["spread", "Spread of the outputs"], ["gradient", "Gradient norm"], ["dead", "Dead units"], ["saturated", "Saturated units"]];
const NAMES = { left: "Left", right: "Right" };

function mount(root) {
  const asked = h("div", { class: "stack" }), options = h("div", { class: "split even" }), actions = h("div", { class: "row middle" }), curves = h("div", { class: "cards" }), strips = h("div", { class: "split even" }), code = h("div", {}), said = h("p", { class: "bad", role: "alert" });
  put(root, h("div", { class: "stack" }, h("p", { class: "quiet" }, t("Small networks on the embedded digits, 8 × 8 pixels, 1,437 images: answers come in seconds.")),
    h("section", { class: "card", "aria-label": t("Predict, then look") }, h("h2", {}, t("Predict, then look")), asked),
    h("section", { class: "card", "aria-label": t("Experiment") }, h("h2", {}, t("Experiment")), options, actions, said, code), curves, strips));
  let facts = null, given = null, source = null, data = null, question = null, guess = null, running = false;

  const fresh = () => Object.fromEntries(SIDES.map((side) => [side, { epochs: [], health: [], reached: undefined }]));

  function drawOptions() {
    put(options, SIDES.map((side) => {
      const now = given[side], set = (key, value) => { now[key] = value; question = null; guess = null; drawQuestion(); };
      const numeric = (key, label, extra = {}) => field(label, h("input", { type: "number", step: "any", value: now[key], ...extra, onchange: (event) => set(key, Number(event.target.value)) }));
      return h("fieldset", { class: "options", style: { border: "1px solid var(--line)", "border-radius": "8px", padding: "8px 12px" } }, h("legend", { style: { color: `var(--lab-${side})`, "font-weight": 600 } }, t(NAMES[side])),
        numeric("learning_rate", t("Learning rate")), choice(t("Optimizer"), facts.optimizers, now.optimizer, (value) => set("optimizer", value)), choice(t("Schedule"), facts.schedules, now.schedule, (value) => set("schedule", value)),
        choice(t("Activation"), facts.activations, now.activation, (value) => set("activation", value)), choice(t("Initializer"), facts.initializers, now.initializer, (value) => set("initializer", value)),
        h("label", { class: "check" }, h("input", { type: "checkbox", checked: now.batch_norm, onchange: (event) => set("batch_norm", event.target.checked) }), t("batch norm")),
        numeric("depth", t("Convolutions"), { min: 1, max: 8, step: 1 }), numeric("width", t("Channels"), { min: 1, max: 64, step: 1 }), numeric("dropout", t("Dropout"), { min: 0, max: 0.9 }), numeric("weight_decay", t("Weight decay"), { min: 0 }), numeric("batch_size", t("Batch"), { min: 2, max: 512, step: 1 }), numeric("epochs", t("Epochs"), { min: 1, max: 40, step: 1 }));
    }));
  }

  function drawActions() {
    put(actions, h("button", { class: "main", disabled: running, onclick: () => start() }, t("Train both")), h("button", { disabled: !running, onclick: () => ask("/lab/stop", {}, { method: "POST", slot: "lab" }).catch(() => {}) }, t("Stop")),
      field(t("Seed of both"), h("input", { type: "number", min: 0, step: 1, value: given.left.seed, style: { width: "88px" }, onchange: (event) => { for (const side of SIDES) given[side].seed = Number(event.target.value); } })),
      h("span", { class: "quiet", role: "status" }, running ? t("training …") : data ? SIDES.map((side) => `${t(NAMES[side])}: ${data[side].reached === undefined ? "–" : data[side].reached === null ? t("never at 90 %") : t("at 90 % after {n} epochs", { n: number(data[side].reached, 3) })}`).join(" · ") : ""));
  }

  function drawCurves() {
    put(curves, CURVES.map(([key, title]) => card(t(title), lineChart({ title: t(title), x: t("epoch"), y: "", whole: true, height: 200,
      series: SIDES.map((side, place) => ({ name: t(NAMES[side]), color: LINES[place], marks: true, points: data[side].epochs.map((row) => [row.epoch, row[key]]) })) }))));
  }

  // One row for each layer, one column for each epoch, darker for more.
  function drawStrips() {
    put(strips, SIDES.map((side) => card(t("Health, {side}", { side: t(NAMES[side]).toLowerCase() }), STRIPS.map(([key, title]) => {
      const epochs = data[side].health, names = (epochs[0] ?? []).filter((row) => row[key] !== null && row[key] !== undefined).map((row) => row.name);
      if (!names.length) return null;
      const value = (layers, name) => layers.find((row) => row.name === name)?.[key] ?? null, share = key === "dead" || key === "saturated";
      const logs = epochs.flatMap((layers) => names.map((name) => value(layers, name))).filter((each) => each > 0).map(Math.log10), low = share ? 0 : Math.min(...logs), high = share ? 1 : Math.max(...logs);
      const strength = (each) => (each === null ? 0 : share ? each : each > 0 ? (Math.log10(each) - low) / (high - low || 1) : 0);
      const name = t("{title}, {side}", { title: t(title), side: t(NAMES[side]).toLowerCase() });
      return h("div", { class: "stack tight" }, h("h3", {}, t(title)), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, h("table", { class: "strip", "data-name": name },
        h("thead", {}, h("tr", {}, h("th", { class: "left", scope: "col" }, t("layer")), epochs.map((_, place) => h("th", { scope: "col" }, place)))),
        h("tbody", {}, names.map((layer) => h("tr", {}, h("th", { class: "left", scope: "row" }, `${layer} ${epochs[0].find((row) => row.name === layer).kind}`), epochs.map((layers) => { const each = value(layers, layer); return h("td", { style: { background: `color-mix(in srgb, var(--accent) ${Math.round(strength(each) * 32)}%, transparent)` } }, share ? `${Math.round((each ?? 0) * 100)} %` : number(each, 2)); })))))));
    }))));
  }

  async function start(wanted = null) {
    source?.close();
    put(said);
    data = fresh();
    try {
      const begun = await ask("/lab/start", {}, { method: "POST", body: wanted ?? given, slot: "lab" });
      put(code, codePanel(begun.code));
      running = true;
      drawActions();
      follow(begun.number);
    } catch (error) { put(said, error.message); }
  }

  function follow(id) {
    source = new EventSource(`/api/lab/events?number=${id}`);
    let waiting = false;
    const draw = () => { waiting = false; drawCurves(); drawStrips(); };
    source.onmessage = (message) => {
      const event = JSON.parse(message.data);
      if (event.event === "epoch") data[event.side].epochs.push(event);
      if (event.event === "health") data[event.side].health.push(event.layers);
      if (event.event === "ended") data[event.side].reached = event.reached;
      if (event.event === "done") {
        source.close();
        running = false;
        if (event.problem) put(said, event.problem);
        draw();
        drawActions();
        if (question && guess !== null && !event.stopped && !event.problem) reveal(id);
        root.dataset.done = id;
        return;
      }
      if (!waiting) { waiting = true; requestAnimationFrame(draw); }
    };
    source.onerror = () => { if (running) { running = false; put(said, t("The studio does not answer; is it still running?")); drawActions(); } source.close(); };
  }

  const result = h("div", { role: "status" });
  function drawQuestion() {
    const names = facts.questions, chosen = question ?? names[0];
    const list = choice(t("Question"), names.map((each, place) => [each.name, `${place + 1}. ${t(each.words)}`]), question?.name ?? "", (value) => { question = names.find((each) => each.name === value); guess = null; put(result); drawQuestion(); }, { style: { "max-width": "100%", width: "100%" } });
    if (!question) { list.querySelector("select").prepend(h("option", { value: "" }, t("choose a question"))); list.querySelector("select").value = ""; put(asked, list); return; }
    const answers = h("fieldset", { style: { border: 0, padding: 0, margin: 0, display: "grid", gap: "6px" } }, h("legend", { style: { "font-weight": 600, padding: 0, "margin-bottom": "6px" } }, t(chosen.words)), chosen.answers.map((words, place) => h("label", { class: "check" }, h("input", { type: "radio", name: "answer", value: place, checked: guess === place, onchange: () => { guess = place; look.disabled = false; } }), t(words))));
    const look = h("button", { class: "main", disabled: guess === null, onclick: () => { put(result); for (const side of SIDES) given[side] = { ...chosen[side] }; drawOptions(); start({ left: chosen.left, right: chosen.right }); } }, t("Now look"));
    put(asked, list, answers, h("div", { class: "row" }, look), result);
  }

  async function reveal(id) {
    await guarded(result, async () => {
      const found = await ask("/lab/verdict", { number: id, question: question.name }, { slot: "verdict" }), right = found.right === guess;
      put(result, h("p", { "data-verdict": found.right }, h("strong", { class: right ? "good" : "bad" }, right ? t("As you said: {answer}.", { answer: t(question.answers[found.right]) }) : t("You said: {guess}. Measured: {answer}.", { guess: t(question.answers[guess]), answer: t(question.answers[found.right]) }))),
        h("dl", { class: "facts" }, Object.entries(found.numbers).map(([key, value]) => [h("dt", {}, t(key)), h("dd", { class: "number" }, number(value, 5))])), h("p", {}, t(found.why)), h("p", { class: "small quiet" }, t("One seed of small networks: try others before you believe it.")));
    });
  }

  return {
    async update(changed) {
      if (changed !== null && facts) return;
      await guarded(asked, async () => {
        facts = await ask("/lab", {}, { slot: "lab" });
        given = { left: { ...facts.defaults }, right: { ...facts.defaults, batch_norm: true } };
        drawQuestion();
        drawOptions();
        drawActions();
      });
    },
    end() { source?.close(); },
  };
}

export const labView = { name: "lab", title: "Lab", bar: null, mount };
