// Elements in few words: h("button", { onclick }, "text"); attributes that are null or false are left out.
const SVG = "http://www.w3.org/2000/svg";

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) made.style.setProperty(key, each);
    else if (name === "value" && "value" in made) made.value = value;
    else if (name === "checked") made.checked = Boolean(value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    made.append(child.nodeType ? child : String(child));
  }
  return made;
}

export const h = (kind, attributes, ...children) => {
  const made = document.createElement(kind);
  if (kind === "select" && attributes?.value !== undefined) {
    const { value, ...rest } = attributes;  // after the options, or it would be lost
    fill(made, rest, children);
    made.value = value ?? "";
    return made;
  }
  return fill(made, attributes, children);
};
export const s = (kind, attributes, ...children) =>
  fill(document.createElementNS(SVG, kind), attributes, children);

export function put(root, ...children) {
  root.replaceChildren(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return root;
}

// A heading and what belongs to it.
export const card = (title, ...children) => {
  const section = h("section", { class: "card", "aria-label": title });
  section.append(h("header", {}, h("h2", {}, title)), ...children.flat(Infinity).filter(Boolean));
  return section;
};

export const field = (label, control) => h("label", { class: "field" }, h("span", {}, label), control);

export const choice = (label, options, value, change, extra = {}) =>
  field(label, h("select", { ...extra, value, onchange: (event) => change(event.target.value) },
    options.map((each) => {
      const [key, words] = Array.isArray(each) ? each : [each, each];
      return h("option", { value: key }, words);
    })));

export const slider = (label, low, high, step, value, change, show = (x) => x) => {
  const shown = h("output", { class: "number" }, show(value));
  const input = h("input", { type: "range", min: low, max: high, step, value, "aria-label": label,
    oninput: (event) => { shown.textContent = show(Number(event.target.value)); change(Number(event.target.value), event); } });
  return h("div", { class: "field" }, h("span", { "aria-hidden": "true" }, label, " ", shown), input);
};

// Numbers as people read them: 1,234 · 0.0123 · 1.2e-7
export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(digits - 1);
  return value.toPrecision(digits).replace(/^(-?\d+\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
export const percent = (value, digits = 1) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`);
export const minus = (text) => text.replace("-", "−");
