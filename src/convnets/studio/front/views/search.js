import { h, put } from "../dom.js";
export const searchView = { name: "search", title: "Search", bar: {}, mount(root) { return { update() { put(root, h("p", {}, "…")); } }; } };
