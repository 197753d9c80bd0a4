// The map of embeddings: thumbnails where the network puts them; zoom, drag, and a lasso.
import { ask, guarded } from "../api.js";
import { LINES } from "../colors.js";
import { card, choice, h, number, put } from "../dom.js";
import { codePanel } from "./code.js";
import { gallery } from "./gallery.js";
import { t } from "../words.js";

const TILE = 24, SHOWN = 600;

export function embeddingMap({ where, classes, pick }) {
  const canvas = h("canvas", { class: "saved", width: 1200, height: 840, tabindex: 0, role: "application", "aria-label": t("Map of the embeddings"), style: { width: "100%", height: "auto", "touch-action": "none", background: "var(--sunk)", "border-radius": "8px", cursor: "crosshair" } });
  const chosen = h("div", {}), note = h("div", {}), code = h("div", {}), legend = h("div", { class: "legend" });
  const controls = { method: "pca", count: "1000", lasso: true };
  let found = null, sheet = null, view = { x: 0, y: 0, zoom: 1 }, path = null, drag = null;
  const context = canvas.getContext("2d");

  async function load() {
    put(note, h("p", { class: "quiet" }, t("Describing the images …")));
    await guarded(note, async () => {
      found = await ask("/embedding", { ...where, method: controls.method, count: controls.count }, { slot: "embedding" });
      const shown = found.images.slice(0, SHOWN);
      sheet = new Image();
      sheet.src = `/api/sheet.png?${new URLSearchParams({ run: where.run, part: where.part, side: TILE, columns: 30, images: shown.join(",") })}`;
      await sheet.decode();
      view = { x: 0, y: 0, zoom: 1 };
      put(note, h("p", { class: "small quiet" }, found.note));
      put(code, codePanel(found.code));
      put(legend, classes.slice(0, 20).map((name, index) => h("span", {}, h("i", { style: { background: LINES[index % LINES.length], height: "8px" } }), name)));
      canvas.setAttribute("aria-label", t("{n} images on a plane; near ones look alike to the network", { n: found.images.length }));
      draw();
    });
  }
  function places() {
    const xs = found.positions.map((each) => each[0]), ys = found.positions.map((each) => each[1]), [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = Math.min((canvas.width - 60) / (x1 - x0 || 1), (canvas.height - 60) / (y1 - y0 || 1)) * view.zoom;
    return found.positions.map(([x, y]) => [canvas.width / 2 + (x - (x0 + x1) / 2) * scale + view.x, canvas.height / 2 - (y - (y0 + y1) / 2) * scale + view.y]);
  }
  function draw() {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    const at = places();
    at.forEach(([x, y], place) => {
      if (x < -30 || y < -30 || x > canvas.width + 30 || y > canvas.height + 30) return;
      context.fillStyle = LINES[found.labels[place] % LINES.length];
      if (place < SHOWN) {
        context.fillRect(x - TILE / 2 - 2, y - TILE / 2 - 2, TILE + 4, TILE + 4);
        context.drawImage(sheet, (place % 30) * TILE, Math.floor(place / 30) * TILE, TILE, TILE, x - TILE / 2, y - TILE / 2, TILE, TILE);
      } else { context.beginPath(); context.arc(x, y, 5, 0, 7); context.fill(); }
    });
    if (path) { context.strokeStyle = "#d55e00"; context.lineWidth = 3; context.beginPath(); path.forEach(([x, y], place) => (place ? context.lineTo(x, y) : context.moveTo(x, y))); context.closePath(); context.stroke(); }
  }
  const point = (event) => { const box = canvas.getBoundingClientRect(); return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height]; };
  function zoom(factor, [x, y] = [canvas.width / 2, canvas.height / 2]) {
    const next = Math.max(0.5, Math.min(30, view.zoom * factor)), by = next / view.zoom;
    view = { zoom: next, x: (view.x - (x - canvas.width / 2)) * by + (x - canvas.width / 2), y: (view.y - (y - canvas.height / 2)) * by + (y - canvas.height / 2) };
    draw();
  }
  canvas.addEventListener("wheel", (event) => { if (found) { event.preventDefault(); zoom(Math.exp(-event.deltaY / 300), point(event)); } }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => { if (!found) return; canvas.setPointerCapture(event.pointerId); if (controls.lasso) path = [point(event)]; else drag = { at: point(event), x: view.x, y: view.y }; });
  canvas.addEventListener("pointermove", (event) => {
    if (path) { path.push(point(event)); draw(); } else if (drag) { const [x, y] = point(event); view.x = drag.x + x - drag.at[0]; view.y = drag.y + y - drag.at[1]; draw(); }
  });
  canvas.addEventListener("pointerup", (event) => {
    drag = null;
    if (!path) return;
    const line = path, at = places();
    path = null;
    if (line.length < 5) { const [x, y] = point(event), near = at.reduce((best, each, place) => (Math.hypot(each[0] - x, each[1] - y) < Math.hypot(at[best][0] - x, at[best][1] - y) ? place : best), 0); pick({ image: found.images[near] }); draw(); return; }
    choose(at.flatMap((each, place) => (within(each, line) ? [place] : [])));
    draw();
  });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [0, 60], ArrowDown: [0, -60], ArrowLeft: [60, 0], ArrowRight: [-60, 0] }[event.key];
    if (moves && found) { event.preventDefault(); view.x += moves[0]; view.y += moves[1]; draw(); }
    if (event.key === "+") zoom(1.3);
    if (event.key === "-") zoom(1 / 1.3);
  });
  function within([x, y], line) {
    let inside = false;
    for (let a = 0, b = line.length - 1; a < line.length; b = a, a += 1) {
      const [ax, ay] = line[a], [bx, by] = line[b];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    }
    return inside;
  }
  function choose(chosenPlaces) {
    put(chosen, h("h3", {}, t("{n} images chosen", { n: chosenPlaces.length })), gallery({ run: where.run, part: where.part, items: chosenPlaces.slice(0, 240).map((place) => ({ image: found.images[place], words: [classes[found.labels[place]], found.labels[place] === found.predicted[place] ? "" : `→ ${classes[found.predicted[place]]}`] })), pick }));
  }
  const ofClass = choice(t("Choose a class"), [["", "–"], ...classes.map((name, index) => [String(index), name])], "", (value) => { if (found && value !== "") choose(found.labels.flatMap((each, place) => (each === Number(value) ? [place] : []))); });
  load();
  return card(t("Map of the embeddings"), h("div", { class: "row" },
    choice(t("Laid out by"), [["pca", t("principal components")], ["tsne", "t-SNE"]], controls.method, (value) => { controls.method = value; load(); }),
    choice(t("Images"), ["300", "1000", "3000"].map((each) => [each, number(Number(each))]), controls.count, (value) => { controls.count = value; load(); }),
    choice(t("Dragging"), [["lasso", t("chooses images")], ["move", t("moves the map")]], "lasso", (value) => { controls.lasso = value === "lasso"; }), ofClass,
    h("button", { "aria-label": t("zoom in"), onclick: () => zoom(1.4) }, "+"), h("button", { "aria-label": t("zoom out"), onclick: () => zoom(1 / 1.4) }, "−")), note, canvas, legend, chosen, code);
}
