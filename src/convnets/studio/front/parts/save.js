// Save what a view shows: a page that works alone, a picture, or the numbers.
import { h } from "../dom.js";
import { t } from "../words.js";

function download(name, content, kind) {
  const link = h("a", { href: URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: kind })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const styleSheet = async () => (await fetch("/front/studio.css")).text();
const title = () => document.title.replace(/[^\w.-]+/g, "-");

async function asDataUrl(url) {
  const blob = await (await fetch(url)).blob();
  return new Promise((resolve) => { const reader = new FileReader(); reader.onload = () => resolve(reader.result); reader.readAsDataURL(blob); });
}

export async function wholePage(root) {
  const copy = root.cloneNode(true);
  const canvases = [...root.querySelectorAll("canvas")], copies = [...copy.querySelectorAll("canvas")];
  for (let place = 0; place < canvases.length; place += 1) {
    const picture = h("img", { class: canvases[place].className, alt: canvases[place].getAttribute("aria-label") ?? "" });
    try { picture.src = canvases[place].width ? canvases[place].toDataURL() : "data:,"; } catch { continue; }
    picture.style.cssText = canvases[place].style.cssText;
    copies[place].replaceWith(picture);
  }
  for (const picture of copy.querySelectorAll("img")) if (!picture.src.startsWith("data:")) picture.src = await asDataUrl(picture.src);
  for (const tile of copy.querySelectorAll(".tile")) {
    const found = /url\("?([^")]+)"?\)/.exec(tile.style.backgroundImage);
    if (found && !found[1].startsWith("data:")) tile.style.backgroundImage = `url("${await asDataUrl(found[1])}")`;
  }
  for (const control of copy.querySelectorAll("select, input, textarea, .tools")) control.remove();
  for (const each of copy.querySelectorAll("details")) each.setAttribute("open", "");
  const head = `<!doctype html><html lang="${document.documentElement.lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${document.title}</title><meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"><style>${await styleSheet()}</style></head>`;
  return `${head}<body><main id="view">${copy.innerHTML}</main><footer id="foot" class="quiet">${t("Saved from the convnets studio: {place}", { place: location.search.replace(/[<>&]/g, "") })}</footer></body></html>`;
}

export async function svgText(svg) {
  const copy = svg.cloneNode(true), probe = getComputedStyle(document.documentElement);
  const sheet = (await styleSheet()).replace(/\.chart /g, "").replace(/\.graph svg /g, "");
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const names = ["ground", "card", "sunk", "ink", "quiet", "line", "accent"].map((each) => `--${each}:${probe.getPropertyValue(`--${each}`)}`);
  const rules = sheet.split("\n").filter((line) => /^(text|\.axis|\.hover|\.tip|\.name|\.kind|\.shape|\.line|\.frame|\.group)/.test(line.trim())).join("\n");
  const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
  style.textContent = `svg{${names.join(";")};font-family:system-ui,sans-serif;background:var(--card)}\n${rules}`;
  copy.prepend(style);
  return new XMLSerializer().serializeToString(copy);
}

async function png(root) {
  const canvas = [...root.querySelectorAll("canvas.saved")].find((each) => each.width), svg = root.querySelector("svg.saved");
  if (canvas) {
    const factor = Math.max(1, Math.floor(640 / canvas.width)), large = h("canvas", { width: canvas.width * factor, height: canvas.height * factor });
    const context = large.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, 0, 0, large.width, large.height);
    return new Promise((resolve) => large.toBlob(resolve));
  }
  if (!svg) return null;
  const picture = new Image(), box = svg.viewBox.baseVal, factor = 2;
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(await svgText(svg))}`;
  await picture.decode();
  const large = h("canvas", { width: box.width * factor, height: box.height * factor });
  large.getContext("2d").drawImage(picture, 0, 0, large.width, large.height);
  return new Promise((resolve) => large.toBlob(resolve));
}

const cell = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
export const csvOf = (table) => [...table.rows].map((row) => [...row.cells].map((each) => cell(each.innerText.replace("−", "-").trim())).join(",")).join("\n");

export function savePanel(root) {
  const said = h("span", { class: "quiet small", role: "status" });
  const tell = (words) => { said.textContent = words; };
  const ways = {
    HTML: async () => download(`${title()}.html`, await wholePage(root), "text/html"),
    PNG: async () => { const found = await png(root); if (found) download(`${title()}.png`, found, "image/png"); else tell(t("There is no picture here.")); },
    SVG: async () => { const found = root.querySelector("svg.saved"); if (found) download(`${title()}.svg`, await svgText(found), "image/svg+xml"); else tell(t("There is no drawing here.")); },
    CSV: async () => {
      for (const box of root.querySelectorAll("details")) if (!box.open) { box.open = true; await new Promise((resolve) => setTimeout(resolve)); }
      const tables = [...root.querySelectorAll("table[data-name]")];
      if (!tables.length) return tell(t("There is no table here."));
      return download(`${title()}.csv`, tables.map((each) => (tables.length > 1 ? `# ${each.dataset.name}\n` : "") + csvOf(each)).join("\n\n"), "text/csv");
    },
  };
  return h("div", { class: "row middle save" }, h("span", { class: "quiet" }, t("Save this view:")),
    Object.entries(ways).map(([name, work]) => h("button", { onclick: () => { tell(""); work().catch((error) => tell(error.message)); } }, name)), said);
}
