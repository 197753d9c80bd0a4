// Colors that every kind of color vision tells apart: dark to light, or blue and red around zero.
const stops = (words) => words.split(" ").map((each) => [1, 3, 5].map((place) => parseInt(each.slice(place, place + 2), 16)));
const SEQUENTIAL = stops("#00224e #123570 #3b496c #575d6d #707173 #8a8678 #a59c74 #c3b369 #e1cc55 #fee838");
const DIVERGING = stops("#053061 #2166ac #4393c3 #92c5de #d1e5f0 #f7f7f7 #fddbc7 #f4a582 #d6604d #b2182b #67001f");
export const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a68c4", "#a3455f", "#7d7d2a", "#6e7781"];

function ramp(colors) {
  const table = new Uint8ClampedArray(256 * 3);
  for (let place = 0; place < 256; place += 1) {
    const at = (place / 255) * (colors.length - 1), low = Math.min(colors.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c += 1) table[place * 3 + c] = colors[low][c] + (colors[low + 1][c] - colors[low][c]) * (at - low);
  }
  return table;
}
const SEQUENTIAL_TABLE = ramp(SEQUENTIAL), DIVERGING_TABLE = ramp(DIVERGING);

// From zero upwards, or symmetric around zero where something is below.
export function scaleOf(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return low < 0 ? { low: -most, high: most, signed: true } : { low: 0, high: most, signed: false };
}

export function colorAt(value, scale) {
  const table = scale.signed ? DIVERGING_TABLE : SEQUENTIAL_TABLE;
  const place = Math.round(Math.max(0, Math.min(1, (value - scale.low) / (scale.high - scale.low || 1))) * 255) * 3;
  return [table[place], table[place + 1], table[place + 2]];
}

export const cssColor = (value, scale) => `rgb(${colorAt(value, scale).join(" ")})`;
// Dark or light text that can be read on a color.
export function inkOn(color) {
  const [r, g, b] = color.map((each) => (each <= 10 ? each / 3294.6 : ((each / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

// Numbers H×W on a canvas, a pixel each; CSS enlarges them. `alpha` may be a function of the value.
export function paintMap(canvas, values, height, width, scale, alpha = null) {
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext("2d"), pixels = context.createImageData(width, height);
  for (let place = 0; place < height * width; place += 1) {
    const [r, g, b] = colorAt(values[place], scale);
    pixels.data.set([r, g, b, alpha ? alpha(values[place]) : 255], place * 4);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// uint8 H×W (gray) as it is.
export function paintGray(canvas, bytes, height, width) {
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext("2d"), pixels = context.createImageData(width, height);
  for (let place = 0; place < height * width; place += 1) pixels.data.set([bytes[place], bytes[place], bytes[place], 255], place * 4);
  context.putImageData(pixels, 0, 0);
  return canvas;
}
