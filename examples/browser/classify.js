// A picture → its classes, by a network that `convnets export` wrote, in this browser.

import { metadata } from "./metadata.js";

/** Reads `file` (a Uint8Array) with `ort`, ONNX Runtime for the browser. */
export async function open(ort, file) {
  const about = metadata(file);
  if (about.form !== "pictures") {
    throw new Error("the file takes tensors, not pictures; export it with --input pictures");
  }
  return { about, session: await ort.InferenceSession.create(file), ort };
}

/** The middle of a picture, scaled and with the channels that the network takes: uint8 1×side×side×C. */
export function pixels(source, { channels, resize: side }) {
  const width = source.naturalWidth || source.width, height = source.naturalHeight || source.height;
  const square = Math.min(width, height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const drawing = canvas.getContext("2d", { willReadFrequently: true });
  drawing.imageSmoothingQuality = "high";
  drawing.fillStyle = "white"; // behind what is transparent
  drawing.fillRect(0, 0, side, side);
  drawing.drawImage(source, (width - square) / 2, (height - square) / 2, square, square, 0, 0, side, side);
  const { data } = drawing.getImageData(0, 0, side, side);
  const found = new Uint8Array(side * side * channels);
  for (let pixel = 0; pixel < side * side; pixel++) {
    const [red, green, blue] = data.subarray(4 * pixel, 4 * pixel + 3);
    if (channels === 1) found[pixel] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    else found.set([red, green, blue], 3 * pixel);
  }
  return found;
}

/** `[[class, probability], …]`, the likeliest first. */
export async function classify({ about, session, ort }, source) {
  const { channels, resize: side } = about.preprocess;
  const inputs = new ort.Tensor("uint8", pixels(source, about.preprocess), [1, side, side, channels]);
  const { probabilities } = await session.run({ inputs });
  const found = about.classes.map((name, place) => [name, probabilities.data[place]]);
  return found.sort((one, other) => other[1] - one[1]);
}
