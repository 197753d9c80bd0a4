"""Risk against coverage as a picture: how many answers, and how many of them wrong."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from convnets.evaluation.plots.drawing import BLUE, INK, ORANGE, style_axes
from convnets.selection.calibration.decisions import area_under_risk, risk_coverage

__all__ = ["risk_coverage_figure"]


def risk_coverage_figure(confidence: Tensor, right: Tensor, threshold: float | None = None) -> Figure:
    """The risk–coverage curve; a point where answers below `threshold` are not given."""
    coverage, risk = risk_coverage(confidence, right)
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    area = area_under_risk(confidence, right)
    style_axes(axes, f"Mistakes among the answers given (area {area:.4f})", "answers given", "mistakes")
    start = len(right) // 100  # before, a single image is a jump
    axes.plot(coverage[start:].numpy(), risk[start:].numpy(), color=BLUE, linewidth=2)
    if threshold is not None and bool((confidence >= threshold).any()):
        given = int((confidence >= threshold).sum())
        x, y = given / len(right), float(risk[given - 1])
        axes.plot([x], [y], "o", color=ORANGE, markersize=7)
        words = f"confidence ≥ {threshold:.3f}:\n{x:.1%} answered, {y:.1%} wrong"
        axes.annotate(words, (x, y), (-10, 22), textcoords="offset points", ha="right", fontsize=9, color=INK)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    return figure
