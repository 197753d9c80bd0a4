// What if: another size of the image, another kernel, stride, width or depth, before anything is trained.
import { ask, guarded } from "../api.js";
import { card, choice, field, h, number, put, slider } from "../dom.js";
import { codePanel } from "./code.js";
import * as selection from "./selection.js";
import { sortableTable } from "../table.js";
import { t } from "../words.js";

const SIZES = [8, 16, 24, 28, 32, 48, 64, 96, 128, 160, 192, 224, 256];

export function whatIf(root, graph) {
  let size = graph.size, edits = [], network = "", timer = null;
  const result = h("div", { class: "stack" }), table = h("div", {}), list = h("div", { class: "row" }), form = h("div", { class: "row" });
  const layers = () => graph.nodes.filter((each) => ["convolution", "pooling", "linear"].includes(each.family)).map((each) => each.name);

  const body = (extra = {}) => ({ ...(network ? { network } : { run: selection.where().run }), size, edits, ...extra });
  async function load() {
    await guarded(result, async () => {
      const found = await ask("/network/what-if", {}, { method: "POST", body: body(), slot: "what if" });
      const change = (now, before) => (before && now !== before ? ` (${now > before ? "+" : "−"}${number(Math.abs(now - before))})` : "");
      put(result, found.problem ? h("p", { class: "note", "data-breaks": found.breaks_at ?? "" }, found.problem) : null,
        found.macs !== null && found.macs !== undefined && !found.problem ? h("p", { "data-macs": found.macs }, t("{parameters} parameters{a}, {macs} multiply-adds{b}", { parameters: number(found.parameters), a: change(found.parameters, found.before?.parameters), macs: number(found.macs), b: change(found.macs, found.before?.macs) })) : null,
        found.changes?.length && edits.length ? h("details", { open: true }, h("summary", {}, t("What changes")), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("{name}: table", { name: t("What changes") }) }, h("table", { "data-name": t("What changes") }, h("tbody", {}, found.changes.map((each) => h("tr", {}, h("td", { class: "left" }, t(each.change)), h("td", { class: "left" }, each.layer), h("td", { class: "left" }, each.kind), h("td", { class: "left wrap" }, each.what.join("; ")))))))) : null,
        found.layers.length ? sortableTable([{ key: "name", name: t("Layer"), left: true, plain: true }, { key: "kind", name: t("Kind"), left: true, plain: true }, { key: "shape", name: t("Shape"), plain: true, show: (shape) => shape?.join(" × ") ?? h("span", { class: "bad" }, t("breaks")) }, { key: "parameters", name: t("Parameters"), plain: true, show: (value) => number(value) }, { key: "macs", name: t("Multiply-adds"), plain: true, show: (value) => number(value) }, { key: "field", name: t("Sees"), plain: true, show: (value) => value?.join(" × ") ?? "–" }],
          found.layers.filter((each) => !each.block), { name: t("Layers at this size") }) : null, codePanel(found.code));
    });
  }
  const soon = () => { clearTimeout(timer); timer = setTimeout(load, 60); };

  async function sizes() {
    await guarded(table, async () => {
      const found = await ask("/network/what-if", {}, { method: "POST", body: body({ sizes: SIZES }), slot: "sizes" });
      put(table, sortableTable([{ key: "input_shape", name: t("Input"), plain: true, show: (shape) => shape.join(" × ") }, { key: "output_shape", name: t("Output"), plain: true, show: (shape) => shape?.slice(1).join(" × ") ?? "–" }, { key: "macs", name: t("Multiply-adds"), plain: true, show: (value) => number(value) }, { key: "breaks_at", name: t("Breaks at"), plain: true, left: true, show: (value) => value ?? "" }, { key: "why", name: t("Why"), plain: true, left: true, wrap: true }], found.rows, { name: t("Sizes") }), codePanel(found.code));
    });
  }

  function drawEdits() {
    put(list, edits.map((each, place) => h("button", { onclick: () => { edits = edits.filter((_, other) => other !== place); drawEdits(); load(); } }, `${Object.entries(each).map(([key, value]) => (key === "layer" ? value : `${key.replaceAll("_", " ")} ${value}`)).join(", ")} ×`)));
  }
  function drawForm() {
    const inputs = {}, said = h("span", { class: "bad small", role: "alert" });
    const layer = h("input", { type: "text", list: "layers", value: layers()[0] ?? "" });
    const whole = (key, label) => { inputs[key] = h("input", { type: "number", min: 0, style: { width: "88px" } }); return field(label, inputs[key]); };
    put(form, field(t("Layer or block"), layer), h("datalist", { id: "layers" }, layers().map((each) => h("option", { value: each }))),
      whole("kernel_size", t("Kernel")), whole("stride", t("Stride")), whole("padding", t("Padding")), whole("out_channels", t("Width")), whole("repeat", t("Times")),
      h("button", { onclick: () => {
        const edit = { layer: layer.value };
        for (const [key, input] of Object.entries(inputs)) if (input.value !== "") edit[key] = Number(input.value);
        if (Object.keys(edit).length === 1) { put(said, t("Give a kernel, stride, padding, width or how often it comes.")); return; }
        put(said);
        edits = [...edits, edit];
        drawEdits();
        load();
      } }, t("Change")), said);
  }
  const names = [["", t("this run")]];
  const which = h("div", {});
  const control = slider(t("Side of the image"), 8, 256, 1, size, (value) => { size = value; soon(); }, (value) => `${value}`);
  put(root, card(t("What if"), h("p", { class: "small quiet" }, t("Nothing is computed: shapes go through the network, until a layer breaks.")), h("div", { class: "row" }, which, control, h("button", { onclick: sizes }, t("Table of sizes"))), form, list, result, table));
  const input = control.querySelector("input");
  ask("/form", {}, { slot: "networks" }).then((found) => {
    put(which, choice(t("Network"), [...names, ...found.networks.map((each) => [each, each])], "", async (value) => {
      network = value; edits = []; drawEdits();
      const home = await ask("/network/what-if", {}, { method: "POST", body: { ...(network ? { network } : { run: selection.where().run }) }, slot: "home" }).catch(() => null);
      if (home) { size = home.home; input.value = size; control.querySelector("output").textContent = size; }
      load();
    }));
  }, () => {});
  drawForm();
  load();
}
