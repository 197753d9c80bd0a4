// A form for a row of a table, or for a series: a field for each column, with what is usual in it.
import { at, bars, element, send } from "/page/asking.js";

const MOST_OPTIONS = 500;
const MOST_PREFILLED = 1000;

function field(column, place) {
  const id = `field-${place}`;
  let input;
  if (column.kind === "category" && column.categories.length <= MOST_OPTIONS) {
    input = element("select", "", { id });
    input.append(element("option", "(missing)", { value: "" }));
    for (const name of column.categories) input.append(element("option", name, { value: name }));
    input.value = column.usual ?? column.categories[0] ?? "";
  } else if (column.kind === "number") {
    input = element("input", "", { id, type: "number", step: "any", inputmode: "decimal" });
    input.value = column.usual;
  } else {
    input = element("input", "", { id, type: column.kind === "date" ? "date" : "text" });
    input.value = column.usual ?? "";
  }
  const label = element("label", column.name, { for: id });
  label.append(element("span", column.kind, { class: "quiet" }));
  const made = element("div", "", { class: "field" });
  made.append(label, input);
  const value = () => {
    if (input.validity.badInput) throw new Error(`${column.name}: no ${column.kind}`);
    if (input.value === "") return null;
    return column.kind === "number" ? Number(input.value) : input.value;
  };
  return { made, value };
}

function channel(found, length, place) {
  const id = `field-${place}`;
  const input = element("textarea", "", { id, rows: 4, spellcheck: "false" });
  if (length <= MOST_PREFILLED) input.value = Array(length).fill(Number(found.usual.toPrecision(4))).join(" ");
  const label = element("label", found.name, { for: id });
  label.append(element("span", `${length.toLocaleString("en")} numbers`, { class: "quiet" }));
  const made = element("div", "", { class: "field wide" });
  made.append(label, input);
  const value = () => input.value.split(/[\s,;]+/).filter(Boolean).map((word) => {
    const number = Number(word);
    if (/^(nan|null|na)$/i.test(word)) return null;
    if (!Number.isFinite(number)) throw new Error(`${found.name}: '${word}' is no number`);
    return number;
  });
  return { made, value };
}

function shown(found, model) {
  const section = element("section");
  if (found.label !== undefined) {
    section.append(element("p", found.label, { class: "said" }), bars(found.top));
  } else {
    const list = element("dl");
    for (const [name, value] of Object.entries(found.values)) {
      list.append(element("dt", name), element("dd", `${Number(value.toPrecision(6))}`));
    }
    section.append(list);
  }
  section.append(element("p", `${model.name}, version ${model.version}`, { class: "quiet" }));
  return section;
}

export function showForm(form, model) {
  const series = model.examples === "series";
  const columns = series ? model.input.channels : model.input.columns;
  const fields = columns.map((each, place) => (series ? channel(each, model.input.length, place) : field(each, place)));
  const grid = element("div", "", { class: "fields" });
  grid.append(...fields.map((each) => each.made));
  form.replaceChildren(grid, element("button", "Ask", { type: "submit" }));
  form.onsubmit = async (event) => {
    event.preventDefault();
    at("status").textContent = "asking …";
    at("answers").replaceChildren();
    try {
      const values = Object.fromEntries(fields.map((each, place) => [columns[place].name, each.value()]));
      const body = JSON.stringify(series ? { series: [values] } : { rows: [values] });
      const headers = { "Content-Type": "application/json" };
      const { predictions: [found], model: answered } = await send("/predict?top=10", model, { body, headers });
      at("status").textContent = "";
      at("answers").append(shown(found, answered));
      at("answers").scrollIntoView({ block: "nearest" });
    } catch (error) {
      at("status").textContent = error.message;
    }
  };
}
