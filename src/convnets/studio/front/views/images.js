// Images: the data, the map of embeddings, confusion and mistakes, doubtful labels; and one image beside them.
import { ask, guarded } from "../api.js";
import { bars } from "../charts.js";
import { colorAt, inkOn } from "../colors.js";
import { card, choice, field, h, number, percent, put } from "../dom.js";
import { codePanel } from "../parts/code.js";
import { embeddingMap } from "../parts/embedding_map.js";
import { gallery } from "../parts/gallery.js";
import { picture } from "../parts/picture.js";
import * as selection from "../parts/selection.js";
import * as state from "../state.js";
import { sortableTable } from "../table.js";
import { t } from "../words.js";

const TABS = [["data", "Data"], ["confusion", "Confusion"], ["mistakes", "Mistakes"], ["labels", "Doubtful labels"], ["map", "Map"]];
const PAGE = 96;

function mount(root) {
  const tabs = h("div", { class: "row", role: "tablist", "aria-label": t("Images") }), main = h("div", { class: "stack", role: "tabpanel" }), one = h("div", {});
  put(root, h("div", { class: "stack" }, tabs, h("div", { class: "split" }, main, one)));
  const pick = (each) => state.set({ image: each.image });
  const tab = () => state.get("tab") ?? "data";
  const where = () => { const { run, epoch, part } = selection.where(); return { run, epoch, part }; };
  let label = "", start = 0;

  function drawTabs() {
    put(tabs, TABS.map(([name, words]) => h("button", { role: "tab", "aria-selected": name === tab() ? "true" : "false", onclick: () => state.set({ tab: name, cell: null }) }, t(words))));
  }

  async function drawData() {
    const { run, part } = where(), facts = await selection.loadParts(run), here = facts.parts.find((each) => each.name === part), images = h("div", { class: "stack tight" }), counts = card(t("Classes"),
      h("p", { class: "small quiet" }, t("{source}: {channels} × {size} × {size} for this network.", { source: facts.source, channels: facts.channels, size: facts.size })),
      sortableTable([{ key: "name", name: t("class"), left: true }, ...facts.parts.map((each, place) => ({ key: `part${place}`, name: t(each.name), show: (value) => number(value) }))],
        facts.classes.map((name, index) => ({ name, index, ...Object.fromEntries(facts.parts.map((each, place) => [`part${place}`, each.counts[index]])) })),
        { name: t("Images of each class"), pick: (row) => { label = String(row.index); start = 0; list(); } }), codePanel(facts.code));
    const augment = h("input", { type: "text", value: "flip,crop:4", "aria-label": t("augmentations") }), preview = h("div", {});
    put(main, counts, h("section", { class: "card", "aria-label": t("Images") }, images),
      card(t("Augmentation"), h("p", { class: "small quiet" }, t("Twelve draws of the chosen image, as a training step would see it.")),
        h("div", { class: "row" }, field(t("In order, with commas"), augment), h("button", { onclick: () => show() }, t("Draw"))), preview));
    let seed = 0;
    async function show() {
      const { run: name, part: of, image } = selection.where(), url = `/api/augmented.png?${new URLSearchParams({ run: name, part: of, image, augment: augment.value, seed })}`;
      seed += 1;
      await guarded(preview, async () => {
        const answer = await fetch(url);
        if (!answer.ok) throw new Error((await answer.json()).error);
        put(preview, h("img", { class: "map saved", style: { width: "100%", "max-width": "560px" }, alt: t("twelve draws of {words}", { words: augment.value }), src: URL.createObjectURL(await answer.blob()) }));
      });
    }
    async function list() {
      await guarded(images, async () => {
        const found = await ask("/list", { run, part, label, start, count: PAGE }, { slot: "list" });
        put(images, h("header", {}, h("h2", {}, t("{n} images of {part}", { n: number(found.total), part: t(part) }))),
          h("div", { class: "row" }, choice(t("Class"), [["", t("all")], ...facts.classes.map((name, index) => [String(index), name])], label, (value) => { label = value; start = 0; list(); }),
            h("button", { disabled: start === 0, onclick: () => { start = Math.max(0, start - PAGE); list(); } }, t("Earlier")), h("button", { disabled: start + PAGE >= found.total, onclick: () => { start += PAGE; list(); } }, t("Later")),
            h("span", { class: "quiet small" }, t("{from} to {to}", { from: number(start + 1), to: number(Math.min(start + PAGE, found.total)) }))),
          gallery({ run, part, items: found.images.map((image, place) => ({ image, words: [facts.classes[found.labels[place]]] })), pick }));
      });
    }
    if (here) await list();
  }

  async function drawConfusion() {
    const at = where();
    if (!main.querySelector("[data-matrix]")) put(main, h("p", { class: "quiet" }, t("Asking the network about every image of the part …")));
    await guarded(main, async () => {
      const found = await ask("/confusion", at, { slot: "confusion" }), classes = found.classes, most = Math.max(...found.matrix.flatMap((row, i) => row.filter((_, j) => i !== j)), 1), inside = h("div", {});
      const chosen = state.get("cell");
      const cell = (value, i, j) => {
        const share = i === j ? value / Math.max(1, found.matrix[i].reduce((a, b) => a + b, 0)) : value / most, color = colorAt(i === j ? -share : share, { low: -1, high: 1, signed: true });
        const words = t("{label} taken for {predicted}: {n}", { label: classes[i], predicted: classes[j], n: value });
        return h("td", { style: { padding: "0", "text-align": "center" } }, h("button", { class: "plain", "data-cell": `${i},${j}`, "aria-label": words, title: words, "aria-pressed": chosen === `${i},${j}` ? "true" : "false", style: { background: `rgb(${color.join(" ")})`, color: inkOn(color), width: "100%", "min-width": "36px", "border-radius": "0", padding: "4px 2px" }, onclick: () => state.set({ cell: `${i},${j}` }) }, value));
      };
      put(main, h("section", { class: "card", "data-matrix": "", "aria-label": t("Confusion") }, h("header", {}, h("h2", {}, t("Confusion")), h("span", { "data-accuracy": found.accuracy }, t("{accuracy} of {n} images right", { accuracy: percent(found.accuracy, 2), n: number(found.images) }))),
        h("p", { class: "small quiet" }, t("A row for each true class, a column for what the network said. Red are mistakes."), " ", found.protocol),
        h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("{name}: table", { name: t("Confusion") }) }, h("table", { "data-name": t("Confusion") },
          h("thead", {}, h("tr", {}, h("th", { class: "left" }, t("true")), classes.map((name) => h("th", { scope: "col", title: name }, name.length > 7 ? `${name.slice(0, 6)}…` : name)))),
          h("tbody", {}, found.matrix.map((row, i) => h("tr", {}, h("th", { scope: "row", class: "left" }, classes[i]), row.map((value, j) => cell(value, i, j))))))),
        codePanel(found.code)),
      inside, card(t("Each class"), sortableTable([{ key: "name", name: t("class"), left: true }, ...["precision", "recall", "f1"].map((key) => ({ key, name: t(key), show: (value) => number(value) })), { key: "support", name: t("images"), show: (value) => number(value) }], found.per_class, { name: t("Each class") })));
      if (chosen) await drawCell(inside, chosen);
    });
  }

  async function drawCell(box, words) {
    const [i, j] = words.split(",").map(Number), at = where();
    await guarded(box, async () => {
      const found = await ask("/confusion/cell", { ...at, label: i, predicted: j }, { slot: "cell" });
      put(box, h("section", { class: "card", "data-cell-total": found.total, "aria-label": t("Images of the cell") }, h("h2", {}, i === j ? t("{n} images of {label}, rightly known", { n: number(found.total), label: found.label }) : t("{n} images of {label} taken for {predicted}", { n: number(found.total), label: found.label, predicted: found.predicted })),
        gallery({ run: at.run, part: at.part, items: found.images.slice(0, 240).map((each) => ({ ...each, words: [percent(each.confidence)] })), pick }), codePanel(found.code)));
    });
  }

  async function drawMistakes() {
    const at = where();
    put(main, h("p", { class: "quiet" }, t("Asking the network about every image of the part …")));
    await guarded(main, async () => {
      const found = await ask("/mistakes", { ...at, count: 96 }, { slot: "mistakes" });
      put(main, card(t("Most confident mistakes"), gallery({ run: at.run, part: at.part, large: true, side: 96, items: found.images.map((each) => ({ ...each, words: [each.true, `→ ${each.predicted} ${percent(each.confidence)}`] })), pick }), codePanel(found.code)));
    });
  }

  async function drawLabels() {
    const at = where();
    put(main, h("p", { class: "quiet" }, t("Asking the network about every image of the part …")));
    await guarded(main, async () => {
      const found = await ask("/label-errors", at, { slot: "labels" });
      put(main, card(t("Labels that are probably wrong"), h("p", {}, found.headline),
        h("p", { class: "small quiet" }, t("By confident learning on images that the network was not trained on; for training images use convnets cross-validate and label-errors.")),
        gallery({ run: at.run, part: at.part, large: true, side: 96, items: found.images.slice(0, 240).map((each) => ({ ...each, words: [`${each.given} ${percent(each.p_given)}`, `→ ${each.suggested} ${percent(each.p_suggested)}`] })), pick }), codePanel(found.code)));
    });
  }

  async function drawMap() {
    const at = where(), facts = await selection.loadParts(at.run);
    put(main, embeddingMap({ where: at, classes: facts.classes, pick }));
  }

  async function drawOne() {
    const at = selection.where(), facts = await selection.loadParts(at.run);
    await guarded(one, async () => {
      const found = await ask("/prediction", at, { slot: "prediction" });
      const order = found.probabilities.map((value, index) => [value, index]).sort((a, b) => b[0] - a[0]).slice(0, 5);
      const right = order[0][1] === found.label;
      put(one, h("section", { class: "card", style: { position: "sticky", top: "8px" }, "aria-label": t("One image") }, h("header", {}, h("h2", {}, t("Image {n}", { n: at.image })), h("span", { class: right ? "good" : "bad" }, right ? t("known rightly") : t("mistaken"))),
        picture({ where: at, size: facts.size, width: 224 }), found.name ? h("p", { class: "small quiet" }, found.name) : null,
        h("p", {}, t("label"), ": ", h("strong", {}, found.classes[found.label])), bars(order.map(([value, index]) => [found.classes[index], value, percent(value, 2)])),
        h("div", { class: "row" }, ["network", "explain", "search"].map((view) => h("button", { onclick: () => state.set({ view }) }, t({ network: "Maps", explain: "Why?", search: "Similar images" }[view])))), codePanel(found.code)));
    });
  }

  const draw = () => ({ data: drawData, confusion: drawConfusion, mistakes: drawMistakes, labels: drawLabels, map: drawMap }[tab()] ?? drawData)();
  return {
    async update(changed) {
      drawTabs();
      if (changed === null || changed.some((key) => ["run", "part"].includes(key))) { label = ""; start = 0; }
      const whole = changed === null || changed.some((key) => ["run", "part", "epoch", "tab", "cell"].includes(key));
      await Promise.all([whole ? guarded(main, draw) : null, changed === null || changed.some((key) => ["run", "part", "epoch", "image"].includes(key)) ? drawOne() : null]);
    },
  };
}

export const imagesView = { name: "images", title: "Images", bar: {}, mount };
