// Search: similar images by an image, a part of it or a drawing; which patch matches which; triplets.
import { ask, askArray, guarded, image as imageUrl } from "../api.js";
import { paintMap } from "../colors.js";
import { card, choice, field, h, number, put, slider } from "../dom.js";
import { codePanel } from "../parts/code.js";
import { drawingPad } from "../parts/drawing.js";
import { gallery } from "../parts/gallery.js";
import * as selection from "../parts/selection.js";
import * as state from "../state.js";
import { t } from "../words.js";

const EXPONENTS = [1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32];
const name = (p) => (p === 1 ? t("average") : p === 32 ? t("maximum") : t("generalized mean, p {p}", { p }));

function mount(root) {
  let p = 1, crop = null, mode = "image", pad = null, hit = null;
  const query = h("div", { class: "stack" }), results = h("div", { class: "stack" }), patches = h("div", {}), triplets = h("div", {});
  put(root, h("div", { class: "stack" }, h("div", { class: "split" }, results, query), patches, triplets));

  const among = () => selection.currentPart(selection.currentRun().name)?.name;

  async function drawQuery() {
    const where = selection.where(), facts = await selection.loadParts(where.run);
    const modes = h("div", { class: "row", role: "tablist", "aria-label": t("Query") }, [["image", t("the image or a part")], ["drawing", t("a drawing")]].map(([key, words]) => h("button", { role: "tab", "aria-selected": key === mode ? "true" : "false", onclick: () => { mode = key; drawQuery(); search(); } }, words)));
    const place = slider(t("Pooling:"), 0, EXPONENTS.length - 1, 1, EXPONENTS.indexOf(p), (value) => { p = EXPONENTS[value]; search(); }, (value) => name(EXPONENTS[value]));
    put(query, h("section", { class: "card", "aria-label": t("Query") }, h("h2", {}, t("Query")), modes, mode === "image" ? cropper(where, facts) : drawing(facts), place));
  }

  function cropper(where, facts) {
    const size = facts.size, box = h("div", { class: "picture", style: { width: "224px", cursor: "crosshair", "touch-action": "none" } }, h("img", { class: "saved", width: 224, height: 224, draggable: "false", alt: t("image {n} of {part}", { n: where.image, part: where.part }), src: imageUrl(where.run, where.part, where.image, null) }));
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg"), rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    mark.setAttribute("viewBox", `0 0 ${size} ${size}`); mark.setAttribute("aria-hidden", "true"); mark.style.pointerEvents = "none";
    for (const [key, value] of Object.entries({ fill: "none", stroke: "#d55e00", "stroke-width": size / 80 })) rect.setAttribute(key, value);
    mark.append(rect);
    box.append(mark);
    const show = () => { const [top, bottom, left, right] = crop ?? [0, 0, 0, 0]; for (const [key, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) rect.setAttribute(key, value); };
    let from = null;
    const point = (event) => { const at = box.getBoundingClientRect(); return [Math.max(0, Math.min(size, Math.round(((event.clientY - at.top) / at.height) * size))), Math.max(0, Math.min(size, Math.round(((event.clientX - at.left) / at.width) * size)))]; };
    box.addEventListener("pointerdown", (event) => { event.preventDefault(); box.setPointerCapture(event.pointerId); from = point(event); });
    box.addEventListener("pointermove", (event) => { if (!from) return; const to = point(event); crop = [Math.min(from[0], to[0]), Math.max(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[1], to[1])]; show(); });
    box.addEventListener("pointerup", () => { from = null; if (crop && (crop[1] - crop[0] < 3 || crop[3] - crop[2] < 3)) crop = null; show(); fields(); search(); });
    const inputs = h("div", { class: "row" });
    const fields = () => put(inputs, [t("top"), t("bottom"), t("left"), t("right")].map((label, place) => field(label, h("input", { type: "number", min: 0, max: size, style: { width: "64px" }, value: crop?.[place] ?? [0, size, 0, size][place], onchange: (event) => { crop = [...(crop ?? [0, size, 0, size])]; crop[place] = Number(event.target.value); show(); search(); } }))), h("button", { onclick: () => { crop = null; show(); fields(); search(); } }, t("Whole image")));
    show(); fields();
    return h("div", { class: "stack tight" }, box, h("p", { class: "small quiet" }, t("Drag over the picture to search by a part of it.")), inputs);
  }

  function drawing(facts) {
    pad = drawingPad({ size: facts.size, channels: facts.channels, changed: () => search() });
    const color = h("input", { type: "color", value: "#ffffff", oninput: (event) => { pad.brush.color = [1, 3, 5].map((at) => parseInt(event.target.value.slice(at, at + 2), 16)); } });
    return h("div", { class: "stack tight" }, pad.element, h("div", { class: "row" }, field(t("Color"), color), slider(t("Brush"), 1, 12, 1, Math.round(pad.brush.radius * 2), (value) => { pad.brush.radius = value / 2; }), h("button", { onclick: () => pad.undo() }, t("Undo")), h("button", { onclick: () => pad.fill([0, 0, 0]) }, t("Empty"))));
  }

  async function search() {
    const where = selection.where();
    await guarded(results, async () => {
      let found;
      if (mode === "image") found = await ask("/search", { ...where, among: among(), p, crop: crop?.join(",") }, { slot: "search" });
      else found = await ask("/search/drawing", { run: where.run, epoch: where.epoch, among: among(), p }, { slot: "search", method: "POST", raw: pad.bytes() });
      put(results, card(t("Similar images"), h("p", { class: "small quiet" }, t("Among {n} images of {part}, by the cosine of pooled maps.", { n: number(found.among), part: t(among()) })),
        gallery({ run: where.run, part: among(), items: found.hits.map((each) => ({ ...each, words: [each.label, number(each.similarity, 4)] })), pick: (each) => { hit = each.image; matches(); } }), codePanel(found.code)));
      if (hit === null && found.hits.length) hit = found.hits[0].image;
      if (mode === "image") await matches(); else put(patches);
    });
  }

  async function matches() {
    const where = selection.where();
    if (hit === null || mode !== "image") return;
    await guarded(patches, async () => {
      const { values, facts: found } = await askArray("/search/patches", { ...where, among: among(), hit, crop: crop?.join(",") }, { slot: "patches" });
      const [qh, qw] = found.query, [fh, fw] = found.found, at = { place: 0 };
      if (qh * qw < 2) { put(patches); return; }
            const best = Float32Array.from({ length: fh * fw }, (_, place) => Math.max(...Array.from({ length: qh * qw }, (__, from) => values[from * fh * fw + place])));
      const heat = h("canvas", { class: "over", "aria-hidden": "true", style: { opacity: "0.6", "image-rendering": "pixelated" } }), said = h("p", { class: "small", role: "status" });
      const grid = h("div", { class: "over-grid", role: "group", "aria-label": t("Places of the query") });
      const cells = Array.from({ length: qh * qw }, (_, place) => h("button", { class: "plain", "aria-label": t("row {row}, column {column}", { row: Math.floor(place / qw), column: place % qw }), "aria-pressed": "false", onpointerenter: () => show(place), onfocus: () => show(place) }));
      grid.style.gridTemplateColumns = `repeat(${qw}, 1fr)`;
      grid.append(...cells);
      function show(place) {
        at.place = place;
        const row = place === null ? best : values.subarray(place * fh * fw, (place + 1) * fh * fw);
        const low = Math.min(...row), high = Math.max(...row);
        paintMap(heat, row, fh, fw, { low, high: high > low ? high : low + 1, signed: false });
        cells.forEach((each, index) => each.setAttribute("aria-pressed", index === place ? "true" : "false"));
        const top = row.reduce((a, b, index) => (b > row[a] ? index : a), 0);
        said.textContent = place === null ? t("Brightest: what the query has too, wherever. Cosines from {low} to {high}.", { low: number(low, 4), high: number(high, 4) }) : t("The place matches row {row}, column {column} best: {value}.", { row: Math.floor(top / fw), column: top % fw, value: number(row[top], 4) });
      }
      const side = 224, of = (part, index, ...over) => h("div", { class: "picture", style: { width: `${side}px` } }, h("img", { width: side, height: side, alt: t("image {n} of {part}", { n: index, part }), src: imageUrl(where.run, part, index, null) }), over);
      put(patches, card(t("Which patch matches which"), h("div", { class: "row", style: { "align-items": "start" } },
        h("figure", { class: "stack tight" }, of(where.part, where.image, crop ? null : grid), h("figcaption", { class: "small quiet" }, t("query: point at a place"))),
        h("figure", { class: "stack tight" }, of(among(), hit, heat), h("figcaption", { class: "small quiet" }, t("found: image {n}", { n: hit })))),
      said, h("button", { onclick: () => show(null) }, t("All places together"))));
      show(null);
    });
  }

  async function mine() {
    const where = selection.where(), box = h("div", {}), given = { miner: "semi-hard", margin: 0.2, batch: 64 };
    const load = () => guarded(box, async () => {
      const found = await ask("/search/triplets", { run: where.run, epoch: where.epoch, part: where.part, ...given }, { slot: "triplets" });
      const items = found.triplets.flatMap((row) => ["anchor", "positive", "negative"].map((key, place) => ({ image: row[key], words: [`${t(key)}: ${row.labels[place]}`, place === 0 ? `${t("loss")} ${number(row.loss, 3)}` : `${t("distance")} ${number(place === 1 ? row.near : row.far, 3)}`] })));
      put(box, h("p", { "data-loss": found.loss }, t("{mined} triplets in a batch of {images}, {active} with a loss; mean loss {loss}", { mined: number(found.mined), images: found.images, active: number(found.active), loss: number(found.loss, 4) })),
        h("div", { class: "triplets" }, gallery({ run: where.run, part: where.part, columns: 12, items, pick: (each) => state.set({ image: each.image }) })), codePanel(found.code));
    });
    put(triplets, card(t("Triplets as the loss sees them"), h("p", { class: "small quiet" }, t("The loss wants an image nearer to one of its class than to any other, by the margin. The hardest first.")),
      h("div", { class: "row" }, choice(t("Mined"), ["semi-hard", "hard", "all", "distance-weighted"].map((each) => [each, t(each)]), given.miner, (value) => { given.miner = value; load(); }),
        slider(t("Margin"), 0.05, 1, 0.05, given.margin, (value) => { given.margin = value; load(); }), choice(t("Batch"), ["32", "64", "128"], "64", (value) => { given.batch = value; load(); })), box));
    await load();
  }

  return {
    async update(changed) {
      if (changed === null || changed.some((key) => ["run", "epoch", "part", "image"].includes(key))) {
        crop = null; hit = null;
        await drawQuery();
        await search();
        if (changed === null || !changed.every((key) => key === "image")) await mine();
      }
    },
  };
}

export const searchView = { name: "search", title: "Search", bar: {}, mount };
