// Line charts as SVG, with values under the pointer and a table behind.
import { h, s, number } from "./dom.js";
import { t } from "./words.js";
import { LINES } from "./colors.js";

const W = 560, H = 240, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 34;

function ticks(low, high, count = 5) {
  const span = high - low || 1, rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => span / each <= count) ?? rough;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  return found;
}

// series: [{ name, points: [[x, y], …], color?, dash?, band?: [[x, low, high], …] }]
export function lineChart({ title, x, y, series, log = false, whole = false, pick = null, height = H }) {
  const shown = series.map((each, place) => ({ color: LINES[place % LINES.length], ...each,
    points: each.points.filter(([, value]) => value !== null && value !== undefined && (!log || value > 0)) })).filter((each) => each.points.length);
  const figure = h("figure", { class: "stack tight" });
  if (!shown.length) return h("p", { class: "quiet" }, t("Nothing to draw yet."));
  const scaleY = (value) => (log ? Math.log10(value) : value);
  const xs = shown.flatMap((each) => each.points.map(([value]) => value));
  const ys = shown.flatMap((each) => [...each.points.map(([, value]) => scaleY(value)), ...(each.band ?? []).flatMap(([, low, high]) => [scaleY(low), scaleY(high)])]);
  let [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  if (x0 === x1) { x0 -= 0.5; x1 += 0.5; }
  if (y0 === y1) { y0 -= 0.5 * Math.abs(y0 || 1); y1 += 0.5 * Math.abs(y1 || 1); }
  const pad = (y1 - y0) * 0.06; y0 -= pad; y1 += pad;
  const px = (value) => LEFT + ((value - x0) / (x1 - x0)) * (W - LEFT - RIGHT);
  const py = (value) => height - BOTTOM - ((scaleY(value) - y0) / (y1 - y0)) * (height - TOP - BOTTOM);
  const chart = s("svg", { class: "chart saved", viewBox: `0 0 ${W} ${height}`, role: "img", "aria-label": title });
  for (const value of ticks(y0, y1)) {
    const place = height - BOTTOM - ((value - y0) / (y1 - y0)) * (height - TOP - BOTTOM);
    chart.append(s("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: place, y2: place }),
      s("text", { x: LEFT - 6, y: place + 4, "text-anchor": "end" }, number(log ? 10 ** value : value, 3)));
  }
  for (const value of ticks(x0, x1, 7).filter((each) => !whole || Number.isInteger(each))) {
    chart.append(s("text", { x: px(value), y: height - BOTTOM + 16, "text-anchor": "middle" }, number(value, 4)));
  }
  chart.append(s("text", { x: W - RIGHT, y: height - 4, "text-anchor": "end" }, x), s("text", { x: LEFT, y: TOP - 2 }, y));
  for (const each of shown) {
    if (each.band?.length) {
      const there = each.band.map(([value, , high]) => `${px(value)},${py(high)}`), back = [...each.band].reverse().map(([value, low]) => `${px(value)},${py(low)}`);
      chart.append(s("polygon", { points: [...there, ...back].join(" "), fill: each.color, "fill-opacity": 0.15 }));
    }
    const words = each.points.map(([a, b], place) => `${place ? "L" : "M"}${px(a).toFixed(1)} ${py(b).toFixed(1)}`).join("");
    chart.append(s("path", { d: words, fill: "none", stroke: each.color, "stroke-width": 1.8, "stroke-dasharray": each.dash ?? null, "stroke-linejoin": "round" }));
    if (each.points.length === 1 || each.marks) for (const [a, b] of each.points) chart.append(s("circle", { cx: px(a), cy: py(b), r: 3, fill: each.color }));
  }
  hover(chart, shown, { px, py, x0, x1, x, height, pick });
  const legend = h("figcaption", { class: "legend" }, shown.map((each) => {
    const sign = h("i", { style: { background: each.color } });
    return h("span", {}, sign, each.name);
  }));
  figure.append(chart, legend, tableBehind(title, x, shown));
  return figure;
}

function hover(chart, shown, { px, py, x0, x1, x, height, pick }) {
  const layer = s("g", {});
  chart.append(layer);
  const nearest = (event) => {
    const box = chart.getBoundingClientRect(), at = x0 + (((event.clientX - box.left) / box.width) * W - LEFT) / (W - LEFT - RIGHT) * (x1 - x0);
    return shown.map((each) => [each, each.points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best))]);
  };
  chart.addEventListener("pointermove", (event) => {
    const found = nearest(event).slice(0, 8), at = found[0][1][0];
    const lines = [`${x} ${number(at)}`, ...found.map(([each, point]) => `${each.name}: ${number(point[1])}`)];
    const wide = Math.max(...lines.map((each) => each.length)) * 6.2 + 16, left = px(at) + wide + 12 > W ? px(at) - wide - 8 : px(at) + 8;
    layer.replaceChildren(s("line", { class: "hover", x1: px(at), x2: px(at), y1: TOP, y2: height - BOTTOM }),
      ...found.map(([each, point]) => s("circle", { cx: px(point[0]), cy: py(point[1]), r: 3.5, fill: each.color })),
      s("rect", { class: "tip", x: left, y: TOP, width: wide, height: lines.length * 15 + 8, rx: 4 }),
      ...lines.map((each, place) => s("text", { class: "tip-text", x: left + 8, y: TOP + 15 + place * 15 }, each)));
  });
  chart.addEventListener("pointerleave", () => layer.replaceChildren());
  if (pick) { chart.style.cursor = "pointer"; chart.addEventListener("click", (event) => { const [each, point] = nearest(event)[0]; pick(point, each); }); }
}

function tableBehind(title, x, shown) {
  const xs = [...new Set(shown.flatMap((each) => each.points.map(([value]) => value)))].sort((a, b) => a - b);
  const known = shown.map((each) => new Map(each.points));
  const rows = xs.length > 400 ? xs.filter((_, place) => place % Math.ceil(xs.length / 400) === 0) : xs;
  const box = h("details", { class: "small" }, h("summary", {}, t("Numbers of {title}", { title })));
  box.addEventListener("toggle", () => {
    if (!box.open || box.children.length > 1) return;
    box.append(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("{name}: table", { name: title }) }, h("table", { "data-name": title },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, x), shown.map((each) => h("th", { scope: "col" }, each.name)))),
      h("tbody", {}, rows.map((value) => h("tr", {}, h("td", {}, number(value)), known.map((each) => h("td", {}, number(each.get(value) ?? null, 6)))))))));
  });
  return box;
}

// Bars with names and words: [[name, share 0 to 1, words], …]
export const bars = (rows) => h("div", { class: "bars" }, rows.map(([name, share, words]) => {
  const fill = h("i", { style: { width: `${Math.max(0, Math.min(1, share)) * 100}%` } });
  return [h("span", {}, name), h("span", { class: "bar", "aria-hidden": "true" }, fill), h("span", { class: "number" }, words)];
}));
