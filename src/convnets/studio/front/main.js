// The frame around the views: tabs, selection, theme and language; one view at a time.
import { Dropped } from "./api.js";
import { h, put } from "./dom.js";
import * as selection from "./parts/selection.js";
import { savePanel } from "./parts/save.js";
import { offerTour, startTour } from "./parts/tour.js";
import * as state from "./state.js";
import { chooseLanguage, language, t } from "./words.js";
import { runsView } from "./views/runs.js";
import { networkView } from "./views/network.js";
import { imagesView } from "./views/images.js";
import { explainView } from "./views/explain.js";
import { searchView } from "./views/search.js";
import { labView } from "./views/lab.js";

const VIEWS = [runsView, networkView, imagesView, explainView, searchView, labView];
const at = (id) => document.getElementById(id);
let mounted = null, turn = 0;

const chosen = () => VIEWS.find((each) => each.name === state.get("view")) ?? VIEWS[0];

function drawTop() {
  const view = chosen();
  const go = (event, name) => { event.preventDefault(); state.set({ view: name }); };
  put(at("top"), h("h1", {}, "convnets studio"),
    h("nav", { "aria-label": t("Views") }, VIEWS.map((each) => h("a", { href: state.address({ view: each.name }), "aria-current": each === view ? "page" : null, onclick: (event) => go(event, each.name) }, t(each.title)))),
    h("div", { class: "end" },
      h("button", { class: "plain", onclick: startTour }, t("Tour")),
      h("button", { class: "plain", lang: language === "zh" ? "en" : "zh-CN", onclick: () => chooseLanguage(language === "zh" ? "en" : "zh") }, language === "zh" ? "English" : "中文"),
      h("button", { class: "plain", onclick: turnTheme }, t("Light or dark"))));
  document.title = `${t(view.title)} · convnets studio`;
}

function turnTheme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("convnets-theme", document.documentElement.dataset.theme);
}

const drawBar = () => (chosen().bar ? selection.drawSelection(at("selection"), chosen().bar) : put(at("selection")));

async function show(changed = null) {
  const mine = ++turn, view = chosen();
  drawTop();
  try {
    if (!selection.answer()) await selection.refreshRuns();
    const run = selection.currentRun();
    if (view.bar && run && run.examples !== "images") {
      drawBar();
      mounted?.part.end?.();
      mounted = null;
      return void put(at("view"), notOfImages(run));
    }
    if (view.bar && run && !selection.partsOf(run.name)) {
      drawBar();
      await selection.loadParts(run.name).catch((error) => { if (error instanceof Dropped) throw error; });
    }
    if (mine !== turn) return;
    drawBar();
    if (mounted?.view === view) return await mounted.part.update(changed ?? []);
    mounted?.part.end?.();
    const root = put(at("view"));
    if (view.bar && !run) { mounted = null; put(root, nothingYet()); return undefined; }
    mounted = { view, part: view.mount(root) };
    await mounted.part.update(null);
    put(at("foot"), savePanel(root));
  } catch (error) {
    if (!(error instanceof Dropped)) put(at("view"), h("p", { class: "error", role: "alert" }, error.message));
  }
  return undefined;
}

function notOfImages(run) {
  const ofSeries = run.examples === "series";
  return h("p", { class: "note" }, t(ofSeries
    ? "{name} was trained on series, and this view is for images: its curves are under Runs."
    : "{name} was trained on a table, and this view is for images: its curves are under Runs.", { name: run.name }));
}

function nothingYet() {
  const wanted = state.get("run");
  const broken = selection.runs().find((each) => each.name === wanted);
  if (broken) return h("p", { class: "note" }, broken.problem ?? t("{name} has no model yet; it is written at the end of the first epoch.", { name: wanted }));
  if (wanted) return h("p", { class: "note" }, t("There is no run {name} in {folder}.", { name: wanted, folder: selection.folder() }));
  return h("p", { class: "note" }, t("There is no trained run in {folder} yet. Begin one under Runs.", { folder: selection.folder() }));
}

function listen() {
  const source = new EventSource("/api/events");
  source.addEventListener("runs", async () => {
    await selection.refreshRuns().catch(() => {});
    drawBar();
    mounted?.part.runsChanged?.();
    if (!mounted) show();
  });
  source.addEventListener("metrics", (event) => mounted?.part.eventsCame?.(JSON.parse(event.data)));
}

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = Number(event.key) - 1;
  if (VIEWS[place]) state.set({ view: VIEWS[place].name });
  if ((event.key === "," || event.key === ".") && chosen().bar?.images !== false) {
    const run = selection.currentRun(), part = run && selection.currentPart(run.name);
    if (part) state.set({ image: (state.number("image", 0) + (event.key === "." ? 1 : part.images - 1)) % part.images || null });
  }
});

state.watch((changed) => show(changed));
await show();
listen();
if (offerTour() && !state.get("run") && !navigator.webdriver) startTour();
