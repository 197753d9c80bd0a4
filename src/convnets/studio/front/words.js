// Words of the page. English stands in the code; other languages translate it here.
import { chinese } from "./words.zh.js";

const wanted = localStorage.getItem("convnets-language") ?? (navigator.language?.startsWith("zh") ? "zh" : "en");
export const language = wanted === "zh" ? "zh" : "en";
document.documentElement.lang = language === "zh" ? "zh-CN" : "en";

// What has no translation yet, for the test that there is none.
const missing = new Set();
window.convnetsMissing = missing;

// t("{n} images", { n: 3 })
export function t(words, values = {}) {
  if (language === "zh" && !(words in chinese)) missing.add(words);
  const found = (language === "zh" && chinese[words]) || words;
  return found.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function chooseLanguage(next) {
  localStorage.setItem("convnets-language", next);
  location.reload();
}
