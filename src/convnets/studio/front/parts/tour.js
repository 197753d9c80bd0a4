// A tour of two minutes, once; it can be left and taken again.
import { h } from "../dom.js";
import * as state from "../state.js";
import { t } from "../words.js";

const STEPS = [
  ["runs", "Every run of your folder stands here, also while it trains. Tick two or three to lay their curves over each other; a form begins a new one."],
  ["network", "This is the network of a run, as it was trained. Click a layer for its maps, a map for its numbers, and a number for the arithmetic behind it."],
  ["images", "The images that it learned from and was tested on: what it takes for what, which mistakes it is sure of, and which labels may be wrong."],
  ["explain", "Where in the picture a class has its grounds, and whether to believe that. Paint on the picture, and watch the classes move."],
  ["search", "Similar images by what the network sees, also by a part of a picture, or by your drawing."],
  ["lab", "Small experiments that answer in seconds. Say first what you expect, then look."],
  ["runs", "The address of the page holds what you have chosen: copy it to come back. Every view shows the code that makes its numbers, and can be saved."],
];

export function startTour() {
  let place = 0;
  const box = h("div", { class: "tour", role: "dialog", "aria-label": t("Tour") });
  const end = () => { localStorage.setItem("convnets-tour", "seen"); box.remove(); removeEventListener("keydown", leave); };
  const leave = (event) => { if (event.key === "Escape") end(); };
  const draw = () => {
    const [view, words] = STEPS[place];
    state.set({ view });
    const next = h("button", { class: "main", onclick: () => { place += 1; if (place === STEPS.length) end(); else draw(); } }, place === STEPS.length - 1 ? t("Begin") : t("Next"));
    box.replaceChildren(h("p", { class: "quiet small" }, t("{n} of {all}", { n: place + 1, all: STEPS.length })), h("p", {}, t(words)),
      h("div", { class: "row" }, next, place ? h("button", { onclick: () => { place -= 1; draw(); } }, t("Back")) : "", h("button", { class: "plain", onclick: end }, t("Leave the tour"))));
    next.focus();
  };
  addEventListener("keydown", leave);
  document.body.append(box);
  draw();
}

export const offerTour = () => localStorage.getItem("convnets-tour") === null;
