// Paint: erase or paint over the picture, or draw one's own, and the classes move while one draws.
import { ask, askArray, Dropped, image as imageUrl } from "../api.js";
import { card, field, h, percent, put, slider } from "../dom.js";
import { drawingPad } from "./drawing.js";
import * as selection from "./selection.js";
import { t } from "../words.js";

export async function paintCard(root, classes) {
  const where = selection.where(), facts = await selection.loadParts(where.run), rows = new Map(), said = h("p", { class: "bad small", role: "alert" }), time = h("span", { class: "small quiet", role: "status" });
  const list = h("div", { class: "bars", "data-paint": "" });
  const few = classes.slice(0, 40);
  put(list, few.map((name, index) => {
    const fill = h("i", {}), words = h("span", { class: "number" }, "–");
    rows.set(index, [fill, words]);
    return [h("span", {}, name), h("span", { class: "bar", "aria-hidden": "true" }, fill), words];
  }));
  const pad = drawingPad({ size: facts.size, channels: facts.channels, shown: 280, changed: judge });
  async function judge() {
    const began = performance.now();
    try {
      const found = await ask("/explain/paint", selection.where(), { method: "POST", raw: pad.bytes(), slot: "paint" });
      put(said);
      for (const [index, [fill, words]] of rows) { fill.style.width = `${found.probabilities[index] * 100}%`; words.textContent = percent(found.probabilities[index], 1); }
      list.dataset.paint = JSON.stringify(found.probabilities);
      time.textContent = t("answered in {n} ms", { n: Math.round(performance.now() - began) });
      window.convnetsPaint = performance.now() - began;
    } catch (error) { if (!(error instanceof Dropped)) put(said, error.message); }
  }
  const hex = (event) => [1, 3, 5].map((at) => parseInt(event.target.value.slice(at, at + 2), 16));
  const reset = () => pad.load(imageUrl(where.run, where.part, where.image, null)).catch((error) => put(said, error.message));
  const upload = h("input", { type: "file", accept: "image/*", onchange: async (event) => {
    const file = event.target.files[0];
    if (!file) return;
    try {
      const { values, shape } = await askArray("/explain/upload", { run: where.run }, { method: "POST", raw: file, slot: "upload" });
      const [channels, height, width] = shape, canvas = h("canvas", { width, height }), context = canvas.getContext("2d"), pixels = context.createImageData(width, height), each = height * width;
      for (let place = 0; place < each; place += 1) pixels.data.set([values[place], values[place + (channels > 1 ? each : 0)], values[place + (channels > 1 ? 2 * each : 0)], 255], place * 4);
      context.putImageData(pixels, 0, 0);
      await pad.load(canvas.toDataURL());
    } catch (error) { if (!(error instanceof Dropped)) put(said, error.message); }
  } });
  put(root, card(t("Paint"), h("p", { class: "small quiet" }, t("Erase or paint over the picture, or draw your own: the classes move while you draw.")), h("div", { class: "split even" },
    h("div", { class: "stack tight" }, pad.element, h("div", { class: "row" }, field(t("Color"), h("input", { type: "color", value: "#000000", oninput: (event) => { pad.brush.color = hex(event); } })), slider(t("Brush"), 1, 24, 1, Math.round(pad.brush.radius * 2), (value) => { pad.brush.radius = value / 2; })),
      h("div", { class: "row" }, h("button", { onclick: () => pad.undo() }, t("Undo")), h("button", { onclick: reset }, t("The picture again")), h("button", { onclick: () => pad.fill([0, 0, 0]) }, t("Empty, black")), h("button", { onclick: () => pad.fill([255, 255, 255]) }, t("Empty, white"))), field(t("Your own picture"), upload), said),
    h("div", { class: "stack tight" }, list, time))));
  pad.brush.color = [0, 0, 0];
  await reset();
}
