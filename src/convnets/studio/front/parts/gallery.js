// Rows of small images, filled by one request.
import { h } from "../dom.js";
import { t } from "../words.js";

// items: [{ image, words }]
export function gallery({ run, part, items, pick = null, side = 64, large = false, columns = 12 }) {
  if (!items.length) return h("p", { class: "quiet" }, t("There are none."));
  const asked = items.slice(0, 300);
  const url = `/api/sheet.png?run=${encodeURIComponent(run)}&part=${encodeURIComponent(part)}&side=${side}&columns=${columns}&images=${asked.map((each) => each.image).join(",")}`;
  const box = h("div", { class: large ? "gallery large" : "gallery" });
  asked.forEach((each, place) => {
    const tile = h("span", { class: "tile", role: "img", "aria-label": t("image {n}", { n: each.image }), style: { width: `${side}px`, height: `${side}px`, "background-image": `url("${url}")`, "background-position": `-${(place % columns) * side}px -${Math.floor(place / columns) * side}px` } });
    box.append(h("button", { "data-image": each.image, onclick: pick ? () => pick(each) : null }, tile, ...(each.words ?? []).map((words) => h("span", {}, words))));
  });
  return box;
}
