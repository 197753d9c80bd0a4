// The selection bar: run, epoch, part, image and a second run, the same for every view.
import { ask, image } from "../api.js";
import { choice, field, h, put } from "../dom.js";
import * as state from "../state.js";
import { t } from "../words.js";

let known = null, parts = {};

export const runs = () => known?.runs ?? [];
export const folder = () => known?.folder ?? "";
export const readOnly = () => known?.read_only ?? false;
export const states = () => known?.states ?? {};
export const answer = () => known;
export const partsOf = (run) => parts[run] ?? null;

export async function refreshRuns() {
  known = await ask("/runs", {}, { slot: "runs" });
  return known;
}

export const usable = () => runs().filter((each) => each.has_model);

// The run that is looked at: the chosen one, else the newest with a model.
export function currentRun() {
  const name = state.get("run");
  return usable().find((each) => each.name === name) ?? (name ? null : usable()[0]) ?? null;
}

export async function loadParts(run) {
  if (!parts[run]) parts[run] = await ask("/data", { run }, { slot: `parts ${run}` });
  return parts[run];
}

export const currentPart = (run) => {
  const found = parts[run]?.parts ?? [];
  const wanted = state.get("part");
  return found.find((each) => each.name === wanted) ?? found[found.length - 1] ?? null;
};

// What every question about a run is asked with.
export function where() {
  const run = currentRun();
  return { run: run?.name, epoch: state.get("epoch"), part: run ? currentPart(run.name)?.name : null, image: state.number("image", 0) };
}

export function drawSelection(root, { second = false, images = true } = {}) {
  const run = currentRun();
  if (!known || !usable().length) return put(root);
  const list = usable().map((each) => [each.name, `${each.name} · ${each.network}`]);
  if (!run) list.unshift(["", t("choose a run")]);
  const parts_ = run ? parts[run.name]?.parts ?? [] : [], part = run ? currentPart(run.name) : null, index = state.number("image", 0);
  const go = (next) => { if (part) state.set({ image: ((next % part.images) + part.images) % part.images || null }); };
  return put(root,
    choice(t("Run"), list, run?.name ?? "", (value) => state.set({ run: value })),
    run && run.kept.length ? choice(t("Epoch"), [["", t("best")], ...run.kept.map((each) => [String(each), each === 0 ? t("start") : String(each)])], state.get("epoch") ?? "", (value) => state.set({ epoch: value })) : null,
    images && parts_.length ? choice(t("Images"), parts_.map((each) => [each.name, `${t(each.name)} · ${each.images.toLocaleString("en-US")}`]), part?.name, (value) => state.set({ part: value, image: null })) : null,
    images && part ? h("div", { class: "row" },
      field(t("Number"), h("input", { type: "number", min: 0, max: part.images - 1, value: index, style: { width: "88px" }, onchange: (event) => go(Number(event.target.value)) })),
      h("button", { "aria-label": t("previous image"), onclick: () => go(index - 1) }, "‹"),
      h("button", { "aria-label": t("next image"), onclick: () => go(index + 1) }, "›"),
      h("img", { class: "thumb", alt: t("image {n} of {part}", { n: index, part: part.name }), src: image(run.name, part.name, index, 56) })) : null,
    second ? choice(t("Beside it"), [["", t("nothing")], ...usable().filter((each) => each.name !== run?.name).map((each) => [each.name, each.name])], state.get("other") ?? "", (value) => state.set({ other: value })) : null);
}
