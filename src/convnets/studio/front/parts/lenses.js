// Lenses: what branch and skip add up to, who made which channel, and how 1×1 convolutions mix.
import { ask, guarded } from "../api.js";
import { bars } from "../charts.js";
import { paintMap, scaleOf } from "../colors.js";
import { card, choice, h, number, put } from "../dom.js";
import { codePanel } from "./code.js";
import * as selection from "./selection.js";
import { t } from "../words.js";

export function lenses(root, graph) {
  const kinds = [];
  if (graph.nodes.some((each) => each.function === "add" && each.inputs.length === 2)) kinds.push(["residual", t("additions: branch and skip")]);
  if (graph.nodes.some((each) => each.function === "cat")) kinds.push(["concat", t("concatenations: who made which channel")]);
  if (graph.nodes.some((each) => each.function === "conv2d" && (each.settings.kernel_size ?? "").replace(/[() ]/g, "") === "1,1")) kinds.push(["mixing", t("1×1 convolutions as matrices")]);
  if (!kinds.length) { put(root); return; }
  const box = h("div", {}), pick = choice(t("Lens"), [["", t("choose one")], ...kinds], "", load);
  put(root, card(t("Lenses"), pick, box));

  async function load(kind) {
    if (!kind) { put(box); return; }
    await guarded(box, async () => {
      const found = await ask("/network/lens", { ...selection.where(), kind }, { slot: "lens" });
      put(box, { residual, concat, mixing }[kind](found), codePanel(found.code));
    });
  }
}

const residual = (found) => h("div", { class: "stack tight" }, h("p", { class: "small quiet" }, t("How much of each sum comes from the branch, and how far the two point the same way.")),
  bars(found.additions.map((each) => { const share = each.share ?? each.branch_norm / (each.branch_norm + each.skip_norm); return [each.name, share, `${t("branch")} ${number(each.branch_norm, 4)} · ${t("skip")} ${number(each.skip_norm, 4)} · cos ${number(each.cosine, 3)}`]; })));

const concat = (found) => h("div", { class: "stack" }, found.concatenations.map((each) => {
  const most = Math.max(...each.parts.map((part) => part.mean)) || 1;
  return h("div", { class: "stack tight" }, h("h3", {}, each.name), bars(each.parts.map((part) => [`${part.branch} · ${part.first}–${part.last}`, part.mean / most, number(part.mean, 4)])));
}));

const mixing = (found) => h("div", { class: "cards" }, found.matrices.map((each) => {
  const canvas = h("canvas", { class: "map saved", "aria-label": each.layer, role: "img", style: { width: "100%", "max-width": "320px" } });
  paintMap(canvas, each.weights.flat(), each.weights.length, each.weights[0].length, scaleOf(each.weights.flat()));
  return h("figure", { class: "stack tight" }, h("figcaption", {}, h("h3", {}, each.layer), h("span", { class: "quiet small" }, t("{out} from {into} channels, effective rank {rank}", { out: each.shape[0], into: each.shape[1], rank: number(each.rank, 4) }))), canvas);
}));
