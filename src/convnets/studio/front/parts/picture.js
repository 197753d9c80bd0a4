// A picture with boxes and heat laid over it.
import { image } from "../api.js";
import { paintMap, scaleOf } from "../colors.js";
import { h, s } from "../dom.js";
import { t } from "../words.js";

export function picture({ where, size, width = 240, box = null, heat = null, label = null }) {
  const shown = h("img", { class: "saved", alt: label ?? t("image {n} of {part}", { n: where.image, part: where.part }), width, height: width, src: image(where.run, where.part, where.image, null) });
  const made = h("div", { class: "picture", style: { width: `${width}px` } }, shown);
  if (heat) {
    const canvas = h("canvas", { class: "over", "aria-hidden": "true", style: { "image-rendering": "pixelated", "mix-blend-mode": "normal" } }), flat = heat.flat(), scale = scaleOf(flat);
    paintMap(canvas, flat, heat.length, heat[0].length, scale, (value) => Math.round(40 + 200 * Math.abs(value) / (scale.high || 1)));
    made.append(canvas);
  }
  if (box) {
    const [top, bottom, left, right] = box;
    made.append(s("svg", { viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" },
      s("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: "#ffffff", "stroke-width": size / 60 }),
      s("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: "#d55e00", "stroke-width": size / 110 })));
  }
  return made;
}
