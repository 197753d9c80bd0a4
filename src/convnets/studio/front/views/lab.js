import { h, put } from "../dom.js";
export const labView = { name: "lab", title: "Lab", bar: {}, mount(root) { return { update() { put(root, h("p", {}, "…")); } }; } };
