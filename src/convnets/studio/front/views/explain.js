import { h, put } from "../dom.js";
export const explainView = { name: "explain", title: "Explain", bar: {}, mount(root) { return { update() { put(root, h("p", {}, "…")); } }; } };
