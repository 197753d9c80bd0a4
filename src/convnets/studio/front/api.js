// Questions to the server. A newer question of the same slot drops the older one, and its answer is never seen.
import { t } from "./words.js";
import { h, put } from "./dom.js";

const page = Math.random().toString(36).slice(2, 10);
const open = new Map();
const SHOWN_AFTER = 200;

export class Dropped extends Error {}

function query(params) {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(params ?? {})) {
    if (value !== null && value !== undefined && value !== "") words.set(key, value);
  }
  const text = words.toString();
  return text ? `?${text}` : "";
}

async function fetched(path, params, { slot = path, method = "GET", body = null, raw = null, signal = null } = {}) {
  open.get(slot)?.control.abort();
  const control = new AbortController();
  const mine = { control, since: performance.now(), slot };
  open.set(slot, mine);
  signal?.addEventListener("abort", () => control.abort());
  const timer = setTimeout(showWorking, SHOWN_AFTER);
  try {
    const headers = { "X-Slot": `${slot} of ${page}` };
    if (body !== null) headers["Content-Type"] = "application/json";
    if (raw !== null) headers["Content-Type"] = "application/octet-stream";
    const answer = await fetch(`/api${path}${query(params)}`, {
      method, headers, signal: control.signal, body: raw ?? (body === null ? null : JSON.stringify(body)),
    });
    if (open.get(slot) !== mine) throw new Dropped();
    if (!answer.ok) {
      const found = await answer.json().catch(() => ({ error: `${answer.status} ${answer.statusText}` }));
      if (answer.status === 499) throw new Dropped();
      throw new Error(found.error ?? String(answer.status));
    }
    return answer;
  } catch (error) {
    if (error.name === "AbortError" || open.get(slot) !== mine) throw new Dropped();
    if (error instanceof TypeError) throw new Error(t("The studio does not answer; is it still running?"));
    throw error;
  } finally {
    clearTimeout(timer);
    if (open.get(slot) === mine) open.delete(slot);
    showWorking();
  }
}

export async function ask(path, params, options) {
  return (await fetched(path, params, options)).json();
}

// { values, shape, facts }: numbers as Float32Array, or bytes as Uint8Array.
export async function askArray(path, params, options) {
  const answer = await fetched(path, params, options);
  const facts = JSON.parse(answer.headers.get("X-Array"));
  const buffer = await answer.arrayBuffer();
  const values = facts.dtype === "uint8" ? new Uint8Array(buffer) : halves(new Uint16Array(buffer), facts.scale);
  return { values, shape: facts.shape, facts };
}

function halves(bits, scale) {
  const values = new Float32Array(bits.length);
  for (let place = 0; place < bits.length; place += 1) {
    const half = bits[place], exponent = (half >> 10) & 31, part = half & 1023;
    const size = exponent === 0 ? part * 2 ** -24 : (1 + part / 1024) * 2 ** (exponent - 15);
    values[place] = (half & 32768 ? -size : size) * scale;
  }
  return values;
}

// How many questions are open: for tests that wait until a page has settled.
window.convnetsOpen = () => open.size;

function showWorking() {
  const late = [...open.values()].filter((each) => performance.now() - each.since >= SHOWN_AFTER - 20);
  const box = document.getElementById("working");
  if (!late.length) { if (box.firstChild) put(box); return; }
  if (box.firstChild) return;
  put(box, h("span", {}, t("working …")), h("button", { onclick: () => { for (const each of open.values()) each.control.abort(); put(box); } }, t("Cancel")));
}

// Run `work` and show what goes wrong in `root`; dropped answers are no errors.
export async function guarded(root, work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Dropped) return undefined;
    put(root, h("p", { class: "error", role: "alert" }, error.message));
    return undefined;
  }
}

export const image = (run, part, index, side) =>
  `/api/image.png${query({ run, part, image: index, side })}`;
