// What `convnets export` writes into an ONNX file beside the network: class names and preprocessing.
//
// An ONNX file is one protocol-buffer message. Its field 14 holds pairs of texts: field 1 is the key, field 2 the value.
// Everything else is stepped over without being read.

const METADATA = 14, KEY = 1, VALUE = 2;

/** The fields of a message as [number, bytes]; numbers that are no texts or messages are left out. */
function* fields(bytes) {
  let at = 0;
  const integer = () => {
    let value = 0, scale = 1, byte;
    do {
      if (at >= bytes.length) throw new Error("the file ends in the middle of a number");
      byte = bytes[at++];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte & 128);
    return value;
  };
  while (at < bytes.length) {
    const tag = integer(), number = Math.floor(tag / 8), kind = tag % 8;
    if (kind === 0) integer();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === 2) {
      const length = integer();
      if (at + length > bytes.length) throw new Error("the file ends in the middle of a field");
      yield [number, bytes.subarray(at, at + length)];
      at += length;
    } else throw new Error("this is no ONNX file");
  }
}

/** `{classes, preprocess, …}` of a file (a Uint8Array) that `convnets export` wrote. */
export function metadata(file) {
  const text = new TextDecoder();
  for (const [number, entry] of fields(file)) {
    if (number !== METADATA) continue;
    const pair = Object.fromEntries(fields(entry));
    if (text.decode(pair[KEY]) === "convnets") return JSON.parse(text.decode(pair[VALUE]));
  }
  throw new Error("the file has no class names; write it with: convnets export RUN -o model.onnx");
}
