// The selection, in one place: it stands in the URL, and every view reads it from here. No view keeps a copy.
const KEYS = ["view", "run", "epoch", "part", "image", "node", "unit", "target", "contrast", "method", "layer", "other", "runs", "tab", "cell", "q"];
const watchers = new Set();
let current = read();

function read() {
  const given = new URLSearchParams(location.search);
  return Object.fromEntries(KEYS.filter((key) => given.has(key)).map((key) => [key, given.get(key)]));
}

export const get = (key) => current[key] ?? null;
export const all = () => ({ ...current });
export const number = (key, otherwise = null) => (current[key] === undefined || current[key] === "" ? otherwise : Number(current[key]));

export function address(changes) {
  const next = { ...current, ...changes };
  const words = new URLSearchParams();
  for (const key of KEYS) {
    const value = next[key];
    if (value !== undefined && value !== null && value !== "") words.set(key, value);
  }
  return `/?${words}`;
}

// What depends on what: another run has other epochs, operations and units.
const BELOW = { run: ["epoch", "node", "unit", "layer", "target", "contrast", "cell"], node: ["unit"], part: ["cell"] };

export function set(changes, { replace = false } = {}) {
  const next = { ...changes };
  for (const [key, below] of Object.entries(BELOW)) {
    if (key in changes && String(changes[key] ?? "") !== String(current[key] ?? "")) {
      for (const each of below) if (!(each in changes)) next[each] = null;
    }
  }
  const changed = Object.keys(next).filter((key) => String(next[key] ?? "") !== String(current[key] ?? ""));
  if (!changed.length) return;
  const url = address(next);
  history[replace ? "replaceState" : "pushState"]({}, "", url);
  current = read();
  for (const watcher of [...watchers]) watcher(changed);
}

export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

addEventListener("popstate", () => {
  const before = current;
  current = read();
  const changed = KEYS.filter((key) => before[key] !== current[key]);
  for (const watcher of [...watchers]) watcher(changed);
});
