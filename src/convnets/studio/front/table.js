// Tables whose columns sort, and whose rows can be picked.
import { h } from "./dom.js";
import { t } from "./words.js";

// columns: [{ key, name, left?, show?: (value, row) => text or element, sort?: (row) => comparable }]
export function sortableTable(columns, rows, { name, pick = null, picked = () => false, sorted = null, down = true, empty = "" } = {}) {
  let by = sorted, falling = down;
  const body = h("tbody", {}), heads = new Map();
  const box = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("{name}: table", { name }) });
  const value = (column, row) => (column.sort ? column.sort(row) : row[column.key]);

  function fill() {
    const column = columns.find((each) => each.key === by);
    const order = [...rows];
    if (column) order.sort((a, b) => {
      const [x, y] = [value(column, a), value(column, b)];
      if (x === y) return 0;
      if (x === null || x === undefined) return 1;
      if (y === null || y === undefined) return -1;
      return (x < y ? -1 : 1) * (falling ? -1 : 1);
    });
    body.replaceChildren(...order.map((row) => {
      const cells = columns.map((each, place) => {
        const shown = each.show ? each.show(row[each.key], row) : row[each.key] ?? "–";
        const inside = pick && place === 0 && !(shown?.nodeType) ? h("button", { class: "plain", onclick: (event) => { event.stopPropagation(); pick(row); } }, shown) : shown;
        return h("td", { class: [each.left ? "left" : "", each.wrap ? "wrap" : ""].join(" ").trim() || null }, inside);
      });
      const made = h("tr", { class: picked(row) ? "picked" : null }, cells);
      if (pick) { made.style.cursor = "pointer"; made.addEventListener("click", () => pick(row)); }
      return made;
    }));
    if (!rows.length && empty) body.append(h("tr", {}, h("td", { class: "left quiet", colspan: columns.length }, empty)));
    for (const [key, head] of heads) head.setAttribute("aria-sort", key === by ? (falling ? "descending" : "ascending") : "none");
  }
  const head = h("tr", {}, columns.map((each) => {
    const made = h("th", { scope: "col", class: each.left ? "left" : null }, each.plain ? each.name : h("button", { onclick: () => {
      falling = by === each.key ? !falling : !each.left;
      by = each.key;
      fill();
    } }, each.name));
    if (!each.plain) heads.set(each.key, made);
    return made;
  }));
  box.append(h("table", { "data-name": name }, h("thead", {}, head), body));
  fill();
  return box;
}
