import { h, put } from "../dom.js";
export const imagesView = { name: "images", title: "Images", bar: {}, mount(root) { return { update() { put(root, h("p", {}, "…")); } }; } };
