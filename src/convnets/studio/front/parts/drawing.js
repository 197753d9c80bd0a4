// A small canvas to draw on, in the network's own pixels: pointer, pen, touch, or arrow keys and space.
import { h } from "../dom.js";
import { t } from "../words.js";

export function drawingPad({ size, channels, changed, shown = 224 }) {
  const pixels = new Uint8ClampedArray(size * size * 3), canvas = h("canvas", { class: "map saved", width: size, height: size, tabindex: 0, role: "application", "aria-label": t("Drawing of {n} × {n} pixels; arrow keys move the brush, space paints", { n: size }), style: { width: `${shown}px`, "touch-action": "none", cursor: "crosshair" } });
  const context = canvas.getContext("2d"), brush = { color: [255, 255, 255], radius: Math.max(0.8, size / 22), at: [size / 2, size / 2] };
  const history = [];
  let down = null, frame = null;

  function paint() {
    const picture = context.createImageData(size, size);
    for (let place = 0; place < size * size; place += 1) picture.data.set([pixels[place * 3], pixels[place * 3 + 1], pixels[place * 3 + 2], 255], place * 4);
    context.putImageData(picture, 0, 0);
    if (document.activeElement === canvas && !down) { context.strokeStyle = "#d55e00"; context.lineWidth = size / 100; context.strokeRect(brush.at[0] - brush.radius, brush.at[1] - brush.radius, brush.radius * 2, brush.radius * 2); }
    if (frame === null) frame = requestAnimationFrame(() => { frame = null; changed(); });
  }
  function dab([x, y]) {
    for (let row = Math.max(0, Math.floor(y - brush.radius - 1)); row <= Math.min(size - 1, y + brush.radius + 1); row += 1) {
      for (let column = Math.max(0, Math.floor(x - brush.radius - 1)); column <= Math.min(size - 1, x + brush.radius + 1); column += 1) {
        const cover = Math.max(0, Math.min(1, brush.radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)));
        for (let c = 0; c < 3; c += 1) { const at = (row * size + column) * 3 + c; pixels[at] += (brush.color[c] - pixels[at]) * cover; }
      }
    }
  }
  const keep = () => { history.push(pixels.slice()); if (history.length > 50) history.shift(); };
  const point = (event) => { const box = canvas.getBoundingClientRect(); return [((event.clientX - box.left) / box.width) * size, ((event.clientY - box.top) / box.height) * size]; };
  function stroke(to) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - down[0], to[1] - down[1]) / (brush.radius / 2)));
    for (let step = 1; step <= steps; step += 1) dab([down[0] + ((to[0] - down[0]) * step) / steps, down[1] + ((to[1] - down[1]) * step) / steps]);
    down = to;
    paint();
  }
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); keep(); down = point(event); dab(down); paint(); });
  canvas.addEventListener("pointermove", (event) => { if (down) stroke(point(event)); });
  const lift = () => { down = null; };
  canvas.addEventListener("pointerup", lift); canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (moves) { event.preventDefault(); brush.at = [Math.max(0, Math.min(size, brush.at[0] + moves[0])), Math.max(0, Math.min(size, brush.at[1] + moves[1]))]; if (event.shiftKey) dab(brush.at); paint(); }
    if (event.key === " ") { event.preventDefault(); keep(); dab(brush.at); paint(); }
  });
  canvas.addEventListener("focus", paint); canvas.addEventListener("blur", paint);
  return {
    element: canvas, brush,
    // uint8 C×H×W as the server takes it; gray is the mean of the colors.
    bytes() {
      const found = new Uint8Array(channels * size * size);
      for (let place = 0; place < size * size; place += 1) {
        if (channels === 1) found[place] = Math.round((pixels[place * 3] + pixels[place * 3 + 1] + pixels[place * 3 + 2]) / 3);
        else for (let c = 0; c < 3; c += 1) found[c * size * size + place] = pixels[place * 3 + c];
      }
      return found;
    },
    fill(color) { keep(); for (let place = 0; place < size * size; place += 1) pixels.set(color, place * 3); paint(); },
    async load(url) {
      const picture = new Image();
      picture.src = url;
      await picture.decode();
      keep();
      const copy = h("canvas", { width: size, height: size }), pen = copy.getContext("2d");
      pen.drawImage(picture, 0, 0, size, size);
      const { data } = pen.getImageData(0, 0, size, size);
      for (let place = 0; place < size * size; place += 1) pixels.set(data.subarray(place * 4, place * 4 + 3), place * 3);
      paint();
    },
    undo() { const before = history.pop(); if (before) { pixels.set(before); paint(); } },
  };
}
