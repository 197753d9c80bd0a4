// Explain: a map of why, over stages and epochs, whether to believe it, and painting.
import { ask, askArray, guarded, image as imageUrl } from "../api.js";
import { bars, lineChart } from "../charts.js";
import { paintMap, scaleOf } from "../colors.js";
import { card, choice, h, number, percent, put, slider } from "../dom.js";
import { codePanel } from "../parts/code.js";
import { paintCard } from "../parts/paint.js";
import * as selection from "../parts/selection.js";
import * as state from "../state.js";
import { t } from "../words.js";

const SIDE = 280;

function mount(root) {
  const controls = h("div", { class: "row" }), main = h("div", { class: "stack" }), said = h("div", { class: "stack" }), beside = h("div", {}), strip = h("div", {}), epochs = h("div", {}), trust = h("div", {}), curves = h("div", {}), paint = h("div", {});
  put(root, h("div", { class: "stack" }, h("section", { class: "card", "aria-label": t("Question") }, controls), h("div", { class: "split even" }, main, h("div", { class: "stack" }, said, beside)), strip, epochs, h("div", { class: "split even" }, trust, curves), paint));
  let choices = null, opacity = 0.65, drawnFor = "";

  const inquiry = () => ({ target: state.get("target"), contrast: state.get("contrast"), method: state.get("method") ?? "grad-cam", layer: method()?.needs_layer ? state.get("layer") : null });
  const method = () => choices?.methods.find((each) => each.name === (state.get("method") ?? "grad-cam"));
  const where = () => selection.where();

  async function drawControls() {
    const at = where();
    choices = await ask("/explain/choices", at, { slot: "choices" });
    const classes = choices.classes.map((name, index) => [String(index), name]);
    put(controls,
      choice(t("Why"), [["", t("the most probable class")], ...classes], state.get("target") ?? "", (value) => state.set({ target: value })),
      choice(t("and not"), [["", "–"], ...classes], state.get("contrast") ?? "", (value) => state.set({ contrast: value })),
      choice(t("Method"), choices.methods.map((each) => [each.name, each.name]), state.get("method") ?? "grad-cam", (value) => state.set({ method: value })),
      method()?.needs_layer ? choice(t("Layer"), [["", t("the last maps")], ...choices.layers.map((each) => [each.name, `${each.name} · ${each.shape.join(" × ")}`])], state.get("layer") ?? "", (value) => state.set({ layer: value })) : null,
      h("p", { class: "small quiet" }, method()?.summary ?? ""));
  }

  const overlay = (values, height, width, scale) => paintMap(h("canvas", { class: "over", "aria-hidden": "true", style: { opacity: String(opacity) } }), values, height, width, scale, (value) => Math.round(255 * Math.min(1, Math.abs(value) / (Math.max(Math.abs(scale.low), Math.abs(scale.high)) || 1))));
  const withMap = (values, height, width, scale, side = SIDE) => {
    const at = where();
    return h("div", { class: "picture", style: { width: `${side}px` } }, h("img", { width: side, height: side, alt: t("image {n} of {part}", { n: at.image, part: at.part }), src: imageUrl(at.run, at.part, at.image, null) }), overlay(values, height, width, scale));
  };
  const wide = (scale) => ({ ...scale, signed: true, low: scale.signed ? scale.low : -scale.high });

  async function drawMap() {
    await guarded(main, async () => {
      const at = where(), asked = inquiry();
      const [facts, map] = await Promise.all([ask("/explain", { ...at, ...asked }, { slot: "explain" }), askArray("/explain/map", { ...at, ...asked }, { slot: "map" })]);
      const [, height, width] = map.shape, values = map.values.subarray(0, height * width), scale = wide(scaleOf(values));
      const shown = h("canvas", { class: "map saved", role: "img", "aria-label": t("map of {method}", { method: asked.method }), style: { width: `${SIDE}px` } });
      paintMap(shown, values, height, width, scale);
      const both = withMap(values, height, width, scale);
      put(main, card(t("Where the class has its grounds"), h("div", { class: "row", style: { "align-items": "start" } }, both, shown), slider(t("Opacity"), 0, 1, 0.05, opacity, (value) => { opacity = value; both.querySelector("canvas").style.opacity = value; }),
        h("p", { class: "small quiet" }, facts.by_magnitude ? t("Red: brighter pixels would raise the score; blue: lower it.") : facts.keeps_positive ? t("Red speaks for the class; what speaks against it is left out, as in the paper.") : t("Red speaks for the class, blue against it.")), codePanel(facts.code)));
      const order = facts.probabilities.map((value, index) => [value, index]).sort((a, b) => b[0] - a[0]).slice(0, 6);
      put(said, card(t("What the network says"), h("p", { "data-low": facts.low, "data-high": facts.high }, facts.words), h("p", {}, t("label"), ": ", h("strong", {}, choices.classes[facts.label])), bars(order.map(([value, index]) => [choices.classes[index], value, percent(value, 2)])),
        h("p", { class: "small quiet" }, t("The map goes from {low} to {high} and adds up to {sum}.", { low: number(facts.low, 4), high: number(facts.high, 4), sum: number(facts.sums[0], 4) }))));
    });
  }

  // The same question to the run beside it, where it knows the same classes.
  async function drawOther() {
    const name = state.get("other");
    if (!name) { put(beside); return; }
    await guarded(beside, async () => {
      const at = { ...where(), run: name, epoch: null }, asked = { ...inquiry(), layer: null };
      const [facts, map] = await Promise.all([ask("/explain", { ...at, ...asked }, { slot: "other" }), askArray("/explain/map", { ...at, ...asked }, { slot: "other map" })]);
      const [, height, width] = map.shape, values = map.values.subarray(0, height * width), order = facts.probabilities.map((value, index) => [value, index]).sort((a, b) => b[0] - a[0]).slice(0, 4);
      put(beside, card(t("The same of {name}", { name }), h("div", { class: "row", style: { "align-items": "start" } }, withMap(values, height, width, wide(scaleOf(values)), 200), h("div", { class: "grow" }, h("p", { class: "small", "data-other": facts.high }, facts.words), bars(order.map(([value, index]) => [choices.classes[index] ?? index, value, percent(value, 2)]))))));
    });
  }

  async function drawStrip() {
    if (!method()?.needs_layer) { put(strip); return; }
    await guarded(strip, async () => {
      const at = where(), asked = { ...inquiry(), layer: "stages" };
      const [facts, maps] = await Promise.all([ask("/explain", { ...at, ...asked }, { slot: "stages" }), askArray("/explain/map", { ...at, ...asked }, { slot: "stage maps" })]);
      const [count, height, width] = maps.shape;
      put(strip, card(t("Film strip over the stages"), h("p", { class: "small quiet" }, t("From fine and near the pixels to coarse and near the class. Each on a scale of its own.")), h("div", { class: "row", style: { "align-items": "start" } },
        Array.from({ length: count }, (_, place) => { const values = maps.values.subarray(place * height * width, (place + 1) * height * width); return h("button", { onclick: () => state.set({ layer: facts.layers[place] }) }, withMap(values, height, width, wide(scaleOf(values)), 132), h("div", { class: "small" }, facts.layers[place]), h("div", { class: "small quiet" }, facts.shapes[place].slice(-2).join(" × "))); }))));
    });
  }

  async function drawEpochs() {
    const run = selection.currentRun();
    if (!run.kept.length) { put(epochs); return; }
    const box = h("div", {});
    put(epochs, card(t("Over the epochs"), h("button", { onclick: load }, t("Look at every epoch")), box));
    async function load() {
      await guarded(box, async () => {
        const found = await askArray("/explain/epochs", { ...where(), epoch: null, ...inquiry() }, { slot: "epochs" }), [count, height, width] = found.shape, rows = found.facts.epochs, scale = wide(scaleOf(found.values));
        const shown = h("div", {});
        const show = (place) => { const row = rows[place], values = found.values.subarray(place * height * width, (place + 1) * height * width), order = row.probabilities.map((value, index) => [value, index]).sort((a, b) => b[0] - a[0]).slice(0, 4); put(shown, h("div", { class: "row", style: { "align-items": "start" } }, withMap(values, height, width, scale, 200), h("div", { class: "grow" }, bars(order.map(([value, index]) => [choices.classes[index], value, percent(value, 2)]))))); };
        put(box, slider(t("Epoch"), 0, count - 1, 1, count - 1, show, (place) => (rows[place].epoch === 0 ? t("start") : String(rows[place].epoch))), shown,
          lineChart({ title: t("Probability of {name}", { name: choices.classes[found.facts.target] }), x: t("epoch"), y: "", whole: true, height: 160, series: [{ name: choices.classes[found.facts.target], marks: true, points: rows.map((row) => [row.epoch, row.probabilities[found.facts.target]]) }] }));
        show(count - 1);
      });
    }
  }

  function drawTrust() {
    const box = h("div", {});
    put(trust, card(t("Does the map care about the network?"), h("p", { class: "small quiet" }, t("The layers are shuffled one after the other, from the logits down. A map that stays the same did not come from what the network has learned.")), h("button", { onclick: load }, t("Shuffle the layers")), box));
    async function load() {
      await guarded(box, async () => {
        const found = await askArray("/explain/trust", { ...where(), ...inquiry() }, { slot: "trust" }), [count, height, width] = found.shape, { layers, correlations } = found.facts;
        const shown = h("div", {}), show = (place) => { const values = found.values.subarray(place * height * width, (place + 1) * height * width); put(shown, withMap(values, height, width, wide(scaleOf(values)), 200), h("p", { class: "small" }, place === 0 ? t("nothing is shuffled") : t("shuffled down to {layer}: rank correlation {value}", { layer: layers[place], value: number(correlations[place], 3) }))); };
        const kept = correlations.slice(1).reduce((sum, each) => sum + Math.abs(each), 0) / (count - 1);
        put(box, slider(t("Shuffled layers"), 0, count - 1, 1, count - 1, show), shown,
          h("p", { "data-correlations": correlations.join(",") }, kept < 0.3 ? t("The map changes with the network: what it shows comes from what was learned.") : kept < 0.7 ? t("Part of the map stays without anything learned: read it with care.") : t("The map hardly changes: it shows the picture, not the network."), " ", t("Mean |ρ| over the steps: {value}. Coarse maps agree by chance more easily.", { value: number(kept, 3) })),
          lineChart({ title: t("Rank correlation with the true map"), x: t("steps"), y: "", whole: true, height: 150, series: [{ name: t("rank correlation"), marks: true, points: correlations.map((value, place) => [place, value]) }] }));
        show(count - 1);
      });
    }
  }

  function drawCurves() {
    const box = h("div", {});
    put(curves, card(t("Do these pixels decide?"), h("p", { class: "small quiet" }, t("Deletion takes the most important pixels first; insertion gives them back to a blurred picture. Good maps fall fast and rise fast.")), h("button", { onclick: load }, t("Draw the curves")), box));
    async function load() {
      await guarded(box, async () => {
        const at = where(), asked = inquiry(), found = await ask("/explain/curves", { ...at, ...asked }, { slot: "curves" }), shown = h("div", { class: "row", style: { "align-items": "start" } });
        const clean = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== ""));
        const show = (place) => put(shown, [false, true].map((inserted) => h("figure", { class: "stack tight" }, h("img", { class: "map", width: 160, height: 160, alt: inserted ? t("insertion") : t("deletion"), src: `/api/explain/curve.png?${new URLSearchParams(clean({ ...at, ...asked, share: found.shares[place], inserted }))}` }), h("figcaption", { class: "small" }, `${inserted ? t("insertion") : t("deletion")} ${percent((inserted ? found.insertion : found.deletion)[place], 1)}`))));
        put(box, h("p", { "data-deletion": found.deletion_area, "data-insertion": found.insertion_area }, t("Area under deletion {a} (lower is better), under insertion {b} (higher is better).", { a: number(found.deletion_area, 4), b: number(found.insertion_area, 4) })),
          lineChart({ title: t("Probability of {name}", { name: choices.classes[found.target] }), x: t("share of the pixels"), y: "", height: 180, series: [{ name: t("deletion"), points: found.shares.map((share, place) => [share, found.deletion[place]]) }, { name: t("insertion"), points: found.shares.map((share, place) => [share, found.insertion[place]]) }] }),
          slider(t("Share of the pixels"), 0, found.shares.length - 1, 1, 10, show, (place) => percent(found.shares[place], 0)), shown, codePanel(found.code));
        show(Math.min(10, found.shares.length - 1));
      });
    }
  }

  return {
    async update(changed) {
      const { run, epoch } = where(), whole = changed === null || drawnFor !== `${run} ${epoch}`;
      drawnFor = `${run} ${epoch}`;
      await guarded(main, drawControls);
      await Promise.all([drawMap(), drawOther(), drawStrip()]);
      drawTrust();
      drawCurves();
      await drawEpochs();
      if (whole || changed.some((key) => ["part", "image"].includes(key))) await paintCard(paint, choices.classes);
    },
  };
}

export const explainView = { name: "explain", title: "Explain", bar: { second: true }, mount };
