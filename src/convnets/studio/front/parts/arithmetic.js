// The arithmetic of one unit: windows × kernel = products → sum + bias → norm → activation, with the true numbers.
import { bars } from "../charts.js";
import { colorAt, inkOn, scaleOf } from "../colors.js";
import { h, number } from "../dom.js";
import { t } from "../words.js";

const FIRST = 6;

function grid(values, scale, label) {
  return h("table", { class: "grid-numbers", "aria-label": label }, h("tbody", {}, values.map((row) => h("tr", {}, row.map((value) => {
    if (value === null) return h("td", { class: "quiet", title: t("beyond the border") }, "·");
    const color = colorAt(value, scale);
    return h("td", { style: { background: `rgb(${color.join(" ")})`, color: inkOn(color) } }, number(value, 3));
  })))));
}

const flat = (values) => values.flat(2).filter((each) => each !== null);

function weighted(step) {
  const windows = step.windows, kernels = step.kernel, products = windows.map((window, c) => window.map((row, y) => row.map((x, i) => x * kernels[c][y][i])));
  const sums = products.map((each) => flat([each]).reduce((a, b) => a + b, 0));
  const scales = [windows, kernels, products].map((each) => scaleOf(flat(each)));
  const order = sums.map((value, place) => [Math.abs(value), place]).sort((a, b) => b[0] - a[0]).map(([, place]) => place);
  const single = windows[0].length * windows[0][0].length === 1;
  const term = (place) => h("div", { class: "term" }, h("span", { class: "quiet small" }, t("channel {n}", { n: step.channels[place] })),
    h("div", { class: "row" }, grid(windows[place], scales[0], t("input")), "×", grid(kernels[place], scales[1], t("kernel")), "=", single ? "" : grid(products[place], scales[2], t("products"))),
    h("span", { class: "number" }, `Σ ${number(sums[place], 6)}`));
  const box = h("div", { class: "sum", tabindex: 0, role: "region", "aria-label": t("Terms") }, order.slice(0, FIRST).map(term));
  const rest = order.length - FIRST;
  const more = rest > 0 ? h("button", { onclick: (event) => { box.append(...order.slice(FIRST).map(term)); event.target.remove(); } }, t("{n} more channels", { n: rest })) : null;
  const all = step.parts.filter((each) => each.label !== "bias"), bias = step.parts.find((each) => each.label === "bias");
  const total = all.reduce((sum, each) => sum + each.value, 0);
  return [h("p", { class: "small quiet" }, t("Input × kernel = products, for the channels that count most first.")), box, more,
    h("p", {}, t("Σ over channels ({n})", { n: all.length }), " ", h("span", { class: "number" }, number(total, 7)), bias ? [` + ${t("bias")} `, h("span", { class: "number" }, number(bias.value, 7))] : ` · ${t("no bias")}`)];
}

function pooled(step) {
  const scale = scaleOf(flat(step.windows));
  return [h("div", { class: "row middle" }, grid(step.windows[0], scale, t("window"))), parts(step)];
}

const parts = (step) => h("dl", { class: "facts" }, step.parts.slice(0, 40).map((each) => [h("dt", {}, each.label), h("dd", { class: "number" }, number(each.value, 7))]));

function softmax(step) {
  const sum = step.parts.reduce((total, each) => total + each.value, 0);
  return bars(step.parts.map((each) => [each.label, each.value / sum, `${number(each.value, 4)} → ${number(each.value / sum, 4)}`]));
}

export function arithmetic(found) {
  if (found.problem && !found.steps.length) return h("p", { class: "quiet" }, found.problem);
  return h("div", { class: "stack" }, found.steps.map((step, place) => h("div", { class: "stack tight", "data-step": step.kind },
    h("h3", {}, `${place ? "→ " : ""}${step.kind}`, " ", h("span", { class: "quiet small" }, step.node >= 0 ? step.name : "")),
    step.kernel ? weighted(step) : step.node === -1 ? softmax(step) : step.windows ? pooled(step) : parts(step),
    h("p", {}, h("span", { class: "number" }, step.formula), " = ", h("strong", { class: "result", "data-result": step.result }, number(step.result, 7)),
      h("span", { class: "quiet small" }, ` ${t("the network gave {value}", { value: number(step.given, 7) })}`)))));
}
