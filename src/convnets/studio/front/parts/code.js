// Show me the code: what prints the numbers of a view in a terminal.
import { h, put } from "../dom.js";
import { t } from "../words.js";

function block(kind, text) {
  const said = h("span", { class: "quiet small", role: "status" });
  const copy = h("button", { onclick: async () => {
    await navigator.clipboard.writeText(text).catch(() => {});
    put(said, t("copied"));
    setTimeout(() => put(said), 1500);
  } }, t("Copy"));
  return h("div", { class: "stack tight" }, h("div", { class: "row" }, h("h3", {}, kind), h("span", {}, said, " ", copy)),
    h("pre", { "data-code": kind.toLowerCase(), tabindex: 0 }, text));
}

export function codePanel(code) {
  if (!code) return null;
  return h("details", { class: "code" }, h("summary", {}, t("Show me the code")),
    h("div", { class: "codes" }, code.python.trim() ? block("Python", code.python) : null, code.command ? block(t("Command"), code.command) : null));
}
