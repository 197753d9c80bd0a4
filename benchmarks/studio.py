"""Times of the studio in a real browser: first picture, selection to maps, paint stroke to probabilities, panning.

    python benchmarks/studio.py RUNS --small lenet-run --deep resnet-run --large densenet-run

Each figure is the median and the range of `--rounds` in a fresh page; Chromium from the system, headless.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PORT, TOKEN = 8977, "benchmark"
ADDRESS = f"http://localhost:{PORT}"
MAPS = """async ([node]) => {
  const { set } = await import('/front/state.js');
  const before = performance.now();
  set({ node });
  const there = () => document.querySelector(`[data-unit-node="${node}"]`);
  const end = (done) => there() ? done(performance.now() - before) : requestAnimationFrame(() => end(done));
  return new Promise(end);
}"""
PAINT = """async () => {
  const pad = document.querySelector("[aria-label='Paint'] canvas"), box = pad.getBoundingClientRect();
  const list = document.querySelector('[data-paint]'), seen = list.dataset.paint, before = performance.now();
  const at = (type, x, y) => pad.dispatchEvent(
    new PointerEvent(type, { clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true }));
  pad.setPointerCapture = () => {};
  at('pointerdown', 90, 60 + 100 * Math.random());
  at('pointermove', 150, 60 + 150 * Math.random());
  at('pointerup', 150, 100);
  const moved = () => list.dataset.paint !== seen;
  const end = (done) => moved() ? done(performance.now() - before) : requestAnimationFrame(() => end(done));
  return new Promise(end);
}"""
SETTLED = "() => window.convnetsOpen() === 0"
CONVOLUTIONS = """async (run) => (await (await fetch(`/api/network/graph?run=${run}`)).json()).nodes
  .filter((node) => node.family === 'convolution').map((node) => node.index)"""
PAN = """async () => {
  const box = document.querySelector('.graph');
  const frames = [];
  let last = performance.now();
  for (let step = 0; step < 120; step += 1) {
    box.dispatchEvent(new WheelEvent('wheel', { deltaY: 30, cancelable: true }));
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""


def said(name: str, values: list[float], unit: str = "ms") -> None:
    print(
        f"{name:52} {statistics.median(values):8.0f} {unit} ({min(values):.0f} to {max(values):.0f}, n = {len(values)})"
    )


def served(folder: Path) -> subprocess.Popen[bytes]:
    words = ["studio", str(folder), "--no-open", "--port", str(PORT), "--token", TOKEN]
    process = subprocess.Popen([sys.executable, "-m", "convnets", *words], stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    return process


def opened(browser: Browser, query: str, ready: str) -> tuple[Page, float]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    for _ in range(400):
        try:
            began = time.perf_counter()
            page.goto(f"{ADDRESS}/?token={TOKEN}&{query}")
            break
        except Exception:  # noqa: BLE001  it may not listen yet
            time.sleep(0.05)
    page.wait_for_selector(ready, timeout=120_000)
    return page, 1000 * (time.perf_counter() - began)


def first_pictures(folder: Path, browser: Browser, run: str, rounds: int) -> None:
    cold, warm = [], []
    ready = "#selection img.thumb"
    loaded = "() => document.querySelector('#selection img.thumb')?.naturalWidth > 0"
    for _ in range(rounds):
        process = served(folder)
        for times in (cold, warm):
            page, spent = opened(browser, f"view=images&run={run}&part=test", ready)
            before = time.perf_counter()
            page.wait_for_function(loaded)
            times.append(spent + 1000 * (time.perf_counter() - before))
            page.close()
        process.terminate()
        process.wait()
    said(f"first picture, {run}, a studio just begun", cold)
    said(f"first picture, {run}, data in memory", warm)


def repeated(page: Page, rounds: int, script: str, arguments: list[list[str]]) -> list[float]:
    """What `script` took, but for the first time."""
    found = []
    for turn in range(rounds + 1):
        found.append(page.evaluate(script, arguments[turn % len(arguments)]))
        page.wait_for_function(SETTLED)
    return found[1:]


def of_a_run(browser: Browser, run: str, rounds: int) -> None:
    page, _ = opened(browser, f"view=network&run={run}&part=test", "[data-unit-node]")
    page.wait_for_function(SETTLED)
    nodes = page.evaluate(CONVOLUTIONS, run)
    times = repeated(page, rounds, MAPS, [[str(node)] for node in nodes])
    said(f"selection to maps and arithmetic, {run}", times)
    page.close()
    page, _ = opened(browser, f"view=explain&run={run}&part=test&image=2", "[data-paint^='[']")
    page.wait_for_function(SETTLED)
    said(f"paint stroke to new probabilities, {run}", repeated(page, 3 * rounds, PAINT, [[]]))
    page.close()


def panning(browser: Browser, run: str) -> None:
    page, spent = opened(browser, f"view=network&run={run}&part=test", ".graph svg")
    said(f"network view opened, {run}", [spent])
    page.get_by_label("show repetitions").check()
    page.wait_for_function(SETTLED, timeout=120_000)
    frames = page.evaluate(PAN)[5:]
    said(f"a frame while panning, {run}, {page.locator('.node').count()} nodes", frames)
    print(f"{'frames a second while panning':52} {1000 / statistics.mean(frames):8.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    for name in ("small", "deep", "large"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        first_pictures(given.runs, browser, given.small, min(3, given.rounds))
        process = served(given.runs)
        try:
            for run in (given.small, given.deep):
                of_a_run(browser, run, given.rounds)
            panning(browser, given.large)
        finally:
            process.terminate()
            process.wait()
        browser.close()


if __name__ == "__main__":
    main()
