// Network: the graph, the maps of a layer, one unit with its arithmetic, lenses, and what if.
import { ask, askArray, guarded } from "../api.js";
import { paintMap, scaleOf } from "../colors.js";
import { card, choice, field, h, number, put } from "../dom.js";
import { arithmetic } from "../parts/arithmetic.js";
import { codePanel } from "../parts/code.js";
import { gallery } from "../parts/gallery.js";
import { graphBox } from "../parts/graph.js";
import { lenses } from "../parts/lenses.js";
import { picture } from "../parts/picture.js";
import { whatIf } from "../parts/what_if.js";
import * as selection from "../parts/selection.js";
import * as state from "../state.js";
import { sortableTable } from "../table.js";
import { t } from "../words.js";

function mount(root) {
  const closed = new Set();
  let depth = "", unfold = false, graph = null, maps = null, drawnFor = "";
  const graphRoot = h("div", {}), layer = h("div", {}), unit = h("div", {}), lensRoot = h("div", {}), whatRoot = h("div", {}), graphCode = h("div", {});
  const canvas = graphBox({
    pick: (node) => state.set({ node }),
    fold: (paths, shut) => { for (const path of paths) if (shut) closed.add(path); else closed.delete(path); if (!shut) depth = ""; loadGraph(); },
  });
  const levels = h("div", {});
  put(root, h("div", { class: "stack" }, h("div", { class: "split" },
    h("section", { class: "card", "aria-label": t("Network") }, h("header", {}, h("h2", {}, t("Network")), levels), graphRoot, canvas.element, graphCode),
    h("div", { class: "stack" }, layer, unit)), lensRoot, whatRoot));

  async function loadGraph() {
    const { run } = selection.where();
    await guarded(graphRoot, async () => {
      graph = await ask("/network/graph", { run, depth, unfold, closed: [...closed].join(",") }, { slot: "graph" });
      put(graphRoot, h("p", { class: "small quiet" }, t("{network}: {parameters} parameters, {macs} multiply-adds for an image of {size} × {size}", { network: graph.network, parameters: number(graph.parameters), macs: number(graph.macs), size: graph.size })));
      put(levels, h("div", { class: "row" }, choice(t("Open"), [["", t("everything")], ["1", t("one level")], ["2", t("two levels")], ["3", t("three levels")]], depth, (value) => { depth = value; closed.clear(); loadGraph(); }),
        h("label", { class: "check" }, h("input", { type: "checkbox", checked: unfold, onchange: (event) => { unfold = event.target.checked; loadGraph(); } }), t("show repetitions"))));
      canvas.draw(graph);
      put(graphCode, codePanel(graph.code));
      canvas.mark(node());
    });
    await loadThumbnails();
  }
  const loadThumbnails = () => guarded(h("div", {}), () => canvas.thumbnails(selection.where()));
  const node = () => state.number("node", firstMaps());
  const firstMaps = () => graph?.nodes.find((each) => each.family === "convolution")?.index ?? 1;

  async function loadLayer() {
    const where = selection.where(), index = node(), facts = graph?.nodes[index];
    if (!facts) { put(layer, h("p", { class: "error" }, t("The network has no operation {n}.", { n: index }))); return; }
    canvas.mark(index);
    await guarded(layer, async () => {
      const [found, stats] = await Promise.all([askArray("/network/maps", { ...where, node: index }, { slot: "maps" }), ask("/network/channels", { ...where, node: index }, { slot: "channels" })]);
      maps = { ...found, node: index, stats };
      drawLayer(facts);
    });
  }

  function drawLayer(facts) {
    const { stats } = maps, spatial = maps.shape.length === 3;
    const settings = Object.entries(facts.settings).filter(([, value]) => value !== "None").map(([key, value]) => `${key} ${value}`).join(", ");
    put(layer, h("section", { class: "card", "aria-label": t("Layer") }, h("header", {}, h("h2", {}, facts.name), h("span", { class: "quiet small" }, facts.kind)),
      h("dl", { class: "facts" }, Object.entries({ [t("Shape")]: facts.shape.join(" × "), [t("Settings")]: settings || "–", [t("Parameters")]: number(facts.parameters), [t("Multiply-adds")]: number(facts.macs), [t("Sees")]: facts.field ? t("{n} pixels of the image", { n: facts.field.join(" × ") }) : "–" }).map(([key, value]) => [h("dt", {}, key), h("dd", {}, value)])),
      spatial ? grid() : null,
      h("details", {}, h("summary", {}, spatial ? t("Numbers of each channel") : t("Its numbers")), sortableTable([
        { key: "channel", name: spatial ? t("channel") : t("feature") }, ...["mean", "std", "low", "high"].map((key) => ({ key, name: t(key), show: (value) => number(value) })), { key: "zeros", name: t("zeros"), show: (value) => `${(value * 100).toFixed(0)} %` }],
      stats.mean.map((mean, channel) => ({ channel, mean, std: stats.std[channel], low: stats.low[channel], high: stats.high[channel], zeros: stats.zeros[channel] })),
      { name: t("Channels"), sorted: "channel", down: false, pick: (row) => pickChannel(row.channel) })),
      spatial ? null : h("div", { class: "row" }, field(t("Feature"), h("input", { type: "number", min: 0, max: stats.mean.length - 1, value: unitOf()[0], onchange: (event) => pickChannel(Number(event.target.value)) }))),
      codePanel(stats.code)));
    if (!spatial) layer.querySelector("details")?.setAttribute("open", "");
  }

  function grid() {
    const [channels, height, width] = maps.shape, scale = scaleOf(maps.values), chosen = unitOf()[0], box = h("div", { class: "maps" });
    for (let channel = 0; channel < channels; channel += 1) {
      const small = h("canvas", { class: "map", "aria-hidden": "true" });
      paintMap(small, maps.values.subarray(channel * height * width, (channel + 1) * height * width), height, width, scale);
      box.append(h("button", { "aria-pressed": channel === chosen ? "true" : "false", "data-channel": channel, "aria-label": t("channel {n}", { n: channel }), onclick: () => pickChannel(channel) }, small, h("span", { class: "small number" }, channel)));
    }
    const more = maps.facts.channels > channels ? h("p", { class: "small quiet" }, t("The first {n} of {all} channels.", { n: channels, all: maps.facts.channels })) : null;
    return [scaleBar(scale), box, more];
  }

  function scaleBar(scale) {
    const strip = h("canvas", { "aria-hidden": "true" }), values = Float32Array.from({ length: 140 }, (_, place) => scale.low + ((scale.high - scale.low) * place) / 139);
    paintMap(strip, values, 1, 140, scale);
    return h("div", { class: "scale" }, h("span", { class: "number" }, number(scale.low, 3)), strip, h("span", { class: "number" }, number(scale.high, 3)));
  }

  // Channel, row and column; where nothing is chosen the strongest place of the strongest channel.
  function unitOf() {
    const given = state.get("unit")?.split(",").map(Number);
    if (given && given.length === (maps?.shape.length ?? given.length)) return given;
    if (!maps) return [0];
    if (maps.shape.length === 1) return [strongest(0, maps.values.length)];
    const [, height, width] = maps.shape, at = strongest(0, maps.values.length), channel = Math.floor(at / (height * width)), rest = at % (height * width);
    return [channel, Math.floor(rest / width), rest % width];
  }
  function strongest(from, to) {
    let best = from;
    for (let place = from; place < to; place += 1) if (Math.abs(maps.values[place]) > Math.abs(maps.values[best])) best = place;
    return best;
  }
  function pickChannel(channel) {
    if (maps.shape.length === 1) return state.set({ unit: channel });
    const [, height, width] = maps.shape, at = strongest(channel * height * width, (channel + 1) * height * width) - channel * height * width;
    return state.set({ unit: `${channel},${Math.floor(at / width)},${at % width}` });
  }

  async function loadUnit() {
    if (!maps) return;
    const where = selection.where(), index = maps.node, place = unitOf();
    for (const each of layer.querySelectorAll("[data-channel]")) each.setAttribute("aria-pressed", Number(each.dataset.channel) === place[0] ? "true" : "false");
    await guarded(unit, async () => {
      const found = await ask("/network/unit", { ...where, node: index, unit: place.join(",") }, { slot: "unit" });
      drawUnit(found, where, place);
    });
  }

  function drawUnit(found, where, place) {
    const size = graph.size, spatial = place.length === 3, pictureRoot = h("div", {}), patches = h("div", {});
    put(pictureRoot, picture({ where, size, box: found.field?.box, width: 200 }));
    const inputs = found.inputs.filter((each) => each >= 0).map((each) => h("button", { onclick: () => state.set({ node: each }) }, t("to {name}", { name: graph.nodes[each].name })));
    put(unit, h("section", { class: "card", "data-unit-node": maps.node, "aria-label": t("Unit") }, h("header", {}, h("h2", {}, t("Unit {place}", { place: place.join(", ") })), h("div", { class: "row" }, inputs)),
      spatial ? h("div", { class: "row", style: { "align-items": "start" } }, bigMap(place), h("div", { class: "stack tight" }, pictureRoot,
        found.field ? h("p", { class: "small quiet", "data-box": found.field.box.join(",") }, t("sees rows {top} to {bottom}, columns {left} to {right}", { top: found.field.box[0], bottom: found.field.box[1] - 1, left: found.field.box[2], right: found.field.box[3] - 1 }), found.field.exact ? "" : ` (${t("at most")})`) : null,
        h("div", { class: "row" }, h("button", { onclick: () => effective(pictureRoot, where, place, found) }, t("How strongly")), h("button", { onclick: () => best(patches, place[0]) }, t("Best patches"))))) : null,
      patches, arithmetic(found), codePanel(found.code)));
  }

  function bigMap(place) {
    const [, height, width] = maps.shape, [channel, row, column] = place, values = maps.values.subarray(channel * height * width, (channel + 1) * height * width);
    const big = h("canvas", { class: "map saved", tabindex: 0, role: "application", "aria-label": t("Map of channel {n}; arrow keys choose the unit", { n: channel }), style: { width: "200px", cursor: "crosshair" } });
    paintMap(big, values, height, width, scaleOf(maps.values));
    const go = (y, x) => state.set({ unit: `${channel},${Math.max(0, Math.min(height - 1, y))},${Math.max(0, Math.min(width - 1, x))}` }, { replace: true });
    big.addEventListener("click", (event) => { const box = big.getBoundingClientRect(); go(Math.floor(((event.clientY - box.top) / box.height) * height), Math.floor(((event.clientX - box.left) / box.width) * width)); });
    big.addEventListener("keydown", (event) => {
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (moves) { event.preventDefault(); keep = true; go(row + moves[0], column + moves[1]); }
    });
    const mark = h("span", { class: "hidden" });
    const frame = h("div", { class: "picture" }, big, cross(height, width, row, column), mark);
    if (keep) { keep = false; requestAnimationFrame(() => big.focus()); }
    return h("div", { class: "stack tight" }, frame, h("p", { class: "small quiet" }, t("row {row}, column {column}: {value}", { row, column, value: number(values[row * width + column], 5) })));
  }
  let keep = false;
  function cross(height, width, row, column) {
    const box = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    box.setAttribute("viewBox", `0 0 ${width} ${height}`);
    box.setAttribute("aria-hidden", "true");
    box.style.pointerEvents = "none";
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ x: column, y: row, width: 1, height: 1, fill: "none", stroke: "#d55e00", "stroke-width": Math.max(0.08, width / 90) })) rect.setAttribute(name, value);
    box.append(rect);
    return box;
  }

  async function effective(box, where, place, found) {
    await guarded(box, async () => {
      const seen = await ask("/network/effective", { run: where.run, epoch: where.epoch, node: maps.node, unit: place.join(",") }, { slot: "effective" });
      put(box, picture({ where, size: graph.size, box: found.field?.box, heat: seen.weights, width: 200 }), h("p", { class: "small quiet" }, t("Half of it within {half} pixels, 95 % within {most}.", { half: seen.sides["0.5"], most: seen.sides["0.95"] })), codePanel(seen.code));
    });
  }

  async function best(box, channel) {
    const where = selection.where();
    put(box, h("p", { class: "quiet" }, t("Looking through the images …")));
    await guarded(box, async () => {
      const found = await ask("/network/patches", { run: where.run, epoch: where.epoch, part: where.part, node: maps.node, channel }, { slot: "patches" });
      put(box, h("h3", {}, t("What excites channel {n} most, of {images} images", { n: channel, images: number(found.images) })),
        gallery({ run: where.run, part: found.part, items: found.patches.map((each) => ({ ...each, words: [each.label, number(each.value, 4)] })), pick: (each) => state.set({ image: each.image, unit: [channel, ...each.position].join(",") }) }), codePanel(found.code));
    });
  }

  return {
    async update(changed) {
      const { run, epoch } = selection.where();
      const whole = changed === null || drawnFor !== `${run} ${epoch}` ;
      if (whole) {
        drawnFor = `${run} ${epoch}`;
        closed.clear();
        await loadGraph();
        lenses(lensRoot, graph);
        whatIf(whatRoot, graph);
      } else if (changed.some((key) => ["part", "image"].includes(key))) await loadThumbnails();
      if (!graph) return;
      if (whole || changed.some((key) => ["node", "part", "image"].includes(key))) await loadLayer();
      await loadUnit();
    },
  };
}

export const networkView = { name: "network", title: "Network", bar: {}, mount };
