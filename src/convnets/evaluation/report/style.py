"""The report's style sheet: light and dark, wide and narrow, on paper; nothing is fetched."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark;
  --ground: #f6f8fa; --card: #ffffff; --ink: #1f2328; --quiet: #57606a; --line: #d8dee4;
  --blue: #0072b2; --orange: #d55e00; --amber: #fff8e1; --amber-line: #e0a800; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0d1117; --card: #161b22; --ink: #e6edf3; --quiet: #9da7b1; --line: #30363d;
  --blue: #56b4e9; --orange: #f08c3a; --amber: #2d2608; --amber-line: #b58900; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.5;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 48px; }
header p { margin: 0; color: var(--quiet); }
h1 { margin: 0 0 4px; font-size: 28px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 17px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px;
  margin-top: 18px; min-width: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 18px; }
.curves { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px;
  margin: 20px 0 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; }
.figures dt { color: var(--quiet); font-size: 13px; }
.figures dd { margin: 0; font-size: 24px; font-weight: 650; font-variant-numeric: tabular-nums; }
.figures div:first-child dd { color: var(--blue); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 10px 20px;
  margin: 0; }
.facts dt { color: var(--quiet); font-size: 13px; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.note { color: var(--quiet); font-size: 13px; margin: 8px 0 0; max-width: 75ch; }
.warning { background: var(--amber); border-color: var(--amber-line); }
.warning ul { margin: 0; padding-left: 20px; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { color: var(--quiet); font-weight: 500; font-size: 13px; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr:last-child td { border-bottom: 0; }
td.name { min-width: 11ch; }
td.name, .settings td { white-space: normal; overflow-wrap: anywhere; }
.settings td { text-align: left; vertical-align: top; }
.settings td:first-child { color: var(--quiet); width: 38%; }
.bar { display: inline-block; width: 110px; height: 8px; border-radius: 4px; background: var(--line);
  vertical-align: middle; margin-right: 12px; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--blue); }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); gap: 16px; }
figure { margin: 0; min-width: 0; }
figure img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #7d7d7d22; border-radius: 6px; }
figure img.small { image-rendering: pixelated; }
figcaption { font-size: 13px; line-height: 1.35; margin-top: 6px; overflow-wrap: anywhere; }
figcaption b { color: var(--orange); font-weight: 600; }
figcaption span { color: var(--quiet); }
details summary { cursor: pointer; font-weight: 600; font-size: 17px; }
details table { margin-top: 12px; }
pre { margin: 4px 0 14px; padding: 12px 14px; border-radius: 8px; background: var(--ground);
  border: 1px solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre:last-child { margin-bottom: 0; }
h3 { margin: 0; font-size: 13px; font-weight: 500; color: var(--quiet); }
footer { color: var(--quiet); font-size: 13px; margin-top: 22px; }
@media (max-width: 600px) { main { padding: 20px 12px; } section { padding: 16px 14px; }
  h1 { font-size: 23px; }
  .bar { display: none; } th, td { padding: 5px 6px; }
  .mistakes { grid-template-columns: repeat(auto-fill, minmax(100px, 1fr)); } }
@media print { body { background: none; } section, figure { break-inside: avoid; } }
"""
