// What the page's parts share: elements, requests, and how classes are shown.
export const at = (id) => document.getElementById(id);

export function element(kind, words = "", attributes = {}) {
  const made = document.createElement(kind);
  made.textContent = words;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export async function send(path, model, options) {
  const url = `${path}${path.includes("?") ? "&" : "?"}model=${encodeURIComponent(model.name)}`;
  const answer = await fetch(url, { method: "POST", ...options });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

export function bars(top) {
  const list = element("ol");
  for (const each of top) {
    const item = element("li");
    item.append(element("progress", "", { max: 1, value: each.probability, "aria-hidden": "true" }));
    item.append(element("span", each.class), element("span", `${(100 * each.probability).toFixed(1)} %`));
    list.append(item);
  }
  return list;
}
