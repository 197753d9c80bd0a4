// The network's drawing: boxes and lines that the server has placed, to pan, zoom, fold and pick.
import { askArray } from "../api.js";
import { paintMap, scaleOf } from "../colors.js";
import { h, s } from "../dom.js";
import { t } from "../words.js";

const TILE = 24;

export function graphBox({ pick, fold }) {
  const paper = h("div", { class: "paper" });
  const view = { x: 0, y: 0, zoom: 1 };
  const box = h("div", { class: "graph", tabindex: 0, role: "group", "aria-label": t("The network, from the input at the top to the output at the bottom. Arrow keys move it, plus and minus zoom.") }, paper,
    h("div", { class: "tools" },
      h("button", { "aria-label": t("zoom in"), onclick: () => zoom(1.25) }, "+"), h("button", { "aria-label": t("zoom out"), onclick: () => zoom(0.8) }, "−"),
      h("button", { onclick: () => fit() }, t("Fit"))));
  let drawn = null, size = [1, 1], thumbs = new Map(), pending = false;

  const place = () => { if (pending) return; pending = true; requestAnimationFrame(() => { pending = false; paper.style.transform = `translate3d(${view.x}px, ${view.y}px, 0) scale(${view.zoom})`; }); };
  function zoom(factor, at = [box.clientWidth / 2, box.clientHeight / 2]) {
    const next = Math.max(0.05, Math.min(4, view.zoom * factor));
    view.x = at[0] - ((at[0] - view.x) * next) / view.zoom;
    view.y = at[1] - ((at[1] - view.y) * next) / view.zoom;
    view.zoom = next;
    place();
  }
  function fit() {
    view.zoom = Math.min(1.2, Math.max(0.35, (box.clientWidth - 32) / size[0]));
    view.x = Math.max(8, (box.clientWidth - size[0] * view.zoom) / 2);
    view.y = 8;
    place();
  }
  box.addEventListener("wheel", (event) => {
    event.preventDefault();
    const corner = box.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / 200), [event.clientX - corner.left, event.clientY - corner.top]);
    else { view.x -= event.deltaX; view.y -= event.deltaY; place(); }
  }, { passive: false });
  let from = null;
  box.addEventListener("pointerdown", (event) => { if (!event.target.closest("button")) from = { x: event.clientX - view.x, y: event.clientY - view.y, id: event.pointerId, far: false, at: [event.clientX, event.clientY] }; });
  box.addEventListener("pointermove", (event) => {
    if (!from) return;
    if (!from.far && Math.hypot(event.clientX - from.at[0], event.clientY - from.at[1]) > 4) { from.far = true; box.setPointerCapture(from.id); }
    if (from.far) { view.x = event.clientX - from.x; view.y = event.clientY - from.y; place(); }
  });
  const drop = () => { from = null; };
  box.addEventListener("pointerup", drop); box.addEventListener("pointercancel", drop);
  box.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [0, 40], ArrowDown: [0, -40], ArrowLeft: [40, 0], ArrowRight: [-40, 0] };
    if (moves[event.key]) { event.preventDefault(); view.x += moves[event.key][0]; view.y += moves[event.key][1]; place(); }
    if (event.key === "+") zoom(1.25);
    if (event.key === "-") zoom(0.8);
  });

  function draw(found) {
    size = [found.width + 80, found.height + 40];
    thumbs = new Map();
    const svg = s("svg", { class: "saved", viewBox: `-50 -10 ${size[0]} ${size[1]}`, width: size[0], height: size[1], role: "group", "aria-label": found.network });
    level(svg, found, found);
    paper.replaceChildren(svg);
    if (drawn !== found.network) fit();
    drawn = found.network;
  }
  function level(svg, found, whole) {
    for (const line of found.lines) svg.append(s("path", { class: "line", d: course(line.points) }));
    for (const each of found.boxes) (each.rows ? cards : group)(svg, each, whole);
    const told = new Set();
    for (const line of found.lines) {
      if (line.source < 0 || line.target >= found.boxes.length || told.has(line.source)) continue;
      told.add(line.source);
      svg.append(s("text", { class: "shape", x: line.points[0][0] + 6, y: line.points[0][1] + 14 }, line.shape));
    }
  }
  function course(points) {
    let words = `M${points[0][0]} ${points[0][1]}`;
    for (let place_ = 1; place_ < points.length; place_ += 1) {
      const [ax, ay] = points[place_ - 1], [bx, by] = points[place_];
      words += Math.abs(ax - bx) < 0.05 ? `V${by}` : `C${ax} ${(ay + by) / 2} ${bx} ${(ay + by) / 2} ${bx} ${by}`;
    }
    return words;
  }
  function pressable(made, act) {
    made.addEventListener("click", () => { if (!from?.far) act(); });
    made.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); act(); } });
    return made;
  }
  function cards(svg, each, whole) {
    each.rows.forEach((row, place_) => {
      const top = each.y + place_ * whole.row, folded = row.family === "block" || (row.detail ?? "").endsWith("operations");
      const made = s("g", { class: "node", tabindex: 0, role: "button", "data-node": row.node, "data-path": row.path, "aria-label": `${row.path}: ${row.kind} ${row.detail} → ${row.shape}` },
        s("title", {}, `${row.path}: ${row.kind} ${row.detail} → ${row.shape}${row.parameters ? `, ${row.parameters.toLocaleString("en-US")} ${t("parameters")}` : ""}`),
        s("rect", { x: each.x, y: top, width: each.width, height: whole.row, rx: 4, fill: whole.colors[row.family], stroke: "#8a97a5" }),
        s("text", { x: each.x + 8, y: top + 15, class: "kind" }, row.kind, s("tspan", { "font-weight": 400 }, row.detail ? ` ${row.detail}` : "")),
        row.name ? s("text", { class: "name", x: each.x + each.width - 8 - (each.times > 1 ? 30 : 0), y: top + 15, "text-anchor": "end" }, row.name) : "");
      const thumb = s("image", { x: each.x - 26, y: top, width: 22, height: 22, style: { "image-rendering": "pixelated" } });
      if (!thumbs.has(row.node)) thumbs.set(row.node, []);
      thumbs.get(row.node).push(thumb);
      svg.append(pressable(made, () => pick(row.node)), thumb);
      if (folded && place_ === 0) svg.append(sign(each.x + each.width - 12, top + 11, "+", t("open {path}", { path: row.path }), () => fold(each.paths, false)));
    });
    if (each.times > 1) svg.append(s("text", { class: "name", x: each.x + each.width - 8, y: each.y + 15, "text-anchor": "end", "font-weight": 700 }, `×${each.times}`));
  }
  function group(svg, each, whole) {
    svg.append(s("rect", { class: "frame", x: each.x, y: each.y, width: each.width, height: each.height, rx: 8 }),
      s("text", { class: "group", x: each.x + 10, y: each.y + 16 }, `${each.name}${each.kind ? ` ${each.kind}` : ""}${each.times > 1 ? ` ×${each.times}` : ""}`),
      each.paths.length ? sign(each.x + each.width - 12, each.y + 12, "−", t("fold {path}", { path: each.name }), () => fold(each.paths, true)) : "");
    level(svg, each, whole);
  }
  const sign = (x, y, words, label, act) => pressable(s("g", { class: "node", tabindex: 0, role: "button", "aria-label": label }, s("title", {}, label), s("circle", { cx: x, cy: y, r: 7, fill: "#ffffff", stroke: "#8a97a5" }), s("text", { x, y: y + 4, "text-anchor": "middle" }, words)), act);

  return {
    element: box, draw,
    mark(node) { for (const each of paper.querySelectorAll(".node")) each.classList.toggle("picked", Number(each.dataset.node) === node && each.dataset.node !== undefined); },
    async thumbnails(where) {
      const { values, shape } = await askArray("/network/thumbnails", where, { slot: "thumbnails" });
      const scale = { ...scaleOf([0, 255]), high: 255 };
      for (const [node, images] of thumbs) {
        if (node >= shape[0]) continue;
        const canvas = paintMap(document.createElement("canvas"), values.subarray(node * TILE * TILE, (node + 1) * TILE * TILE), TILE, TILE, scale);
        const url = canvas.toDataURL();
        for (const each of images) each.setAttribute("href", url);
      }
    },
    size: () => size, view,
  };
}
