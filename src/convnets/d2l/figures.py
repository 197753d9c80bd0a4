"""Figures by the book's names: plots, and pictures side by side."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
import numpy
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL.Image import Image as PictureOfPillow
from torch import Tensor

from convnets.core.display.live_picture import notebook_shell

__all__ = [
    "STYLES",
    "plot",
    "plt",
    "set_axes",
    "set_figsize",
    "show_images",
    "use_svg_display",
]

STYLES = ("-", "m--", "g-.", "r:")
"""How the lines of a figure are drawn, in turn."""


def use_svg_display() -> None:
    """Figures of a notebook as SVG, which stays sharp; elsewhere nothing is changed."""
    if notebook_shell() is not None:
        formats = importlib.import_module("matplotlib_inline.backend_inline")  # comes with IPython's kernel
        formats.set_matplotlib_formats("svg")


def set_figsize(figsize: tuple[float, float] = (3.5, 2.5)) -> None:
    """Width and height of the figures that follow, in inches."""
    use_svg_display()
    matplotlib.rcParams["figure.figsize"] = figsize


def set_axes(
    axes: Axes,
    xlabel: str | None,
    ylabel: str | None,
    xlim: Any,
    ylim: Any,
    xscale: str,
    yscale: str,
    legend: Sequence[str] | None,
) -> None:
    """Labels, limits, scales and legend of a plot; None leaves what there is."""
    axes.set(xlabel=xlabel or "", ylabel=ylabel or "", xscale=xscale, yscale=yscale)
    if xlim is not None:
        axes.set_xlim(xlim)
    if ylim is not None:
        axes.set_ylim(ylim)
    if legend:
        axes.legend(legend)
    axes.grid(visible=True)


def plot(
    X: Any,
    Y: Any = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    legend: Sequence[str] | None = None,
    xlim: Any = None,
    ylim: Any = None,
    xscale: str = "linear",
    yscale: str = "linear",
    fmts: Sequence[str] = STYLES,
    figsize: tuple[float, float] = (3.5, 2.5),
    axes: Axes | None = None,
) -> None:
    """Lines of Y over X, or of X over its places; one line or a list of lines each."""
    set_figsize(figsize)
    axes = axes or plt.gca()
    lines = _lines(X)
    places: list[Any]
    if Y is None:
        places, lines = [list(range(len(line))) for line in lines], lines
    else:
        places, lines = lines, _lines(Y)
    if len(places) != len(lines):
        places = places * len(lines)
    axes.cla()
    for x, y, style in zip(places, lines, _repeated(fmts, len(lines)), strict=False):
        axes.plot(_numbers(x), _numbers(y), style)
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)


def show_images(
    imgs: Iterable[Any],
    num_rows: int,
    num_cols: int,
    titles: Iterable[str] | None = None,
    scale: float = 1.5,
    cmap: str | None = None,
) -> Any:
    """Pictures (tensors H×W, H×W×C or C×H×W, arrays or PIL) in rows; returns the axes as a flat array.

    Two axes of numbers have matplotlib's colors, as in the book, or those of `cmap`, such as "gray"; a picture that
    says that it has one channel (1×H×W, or Pillow's) is gray. Where there are fewer titles than pictures, the others
    have none.
    """
    _, axes = plt.subplots(num_rows, num_cols, figsize=(num_cols * scale, num_rows * scale), squeeze=False)
    flat = axes.flatten()
    for ax, image in zip(flat, imgs, strict=False):
        ax.imshow(_picture(image), cmap=cmap or ("gray" if _is_gray(image) else None))
    for ax, title in zip(flat, () if titles is None else titles, strict=False):
        ax.set_title(title)
    for ax in flat:
        ax.axis("off")
    return flat


def _lines(values: Any) -> list[Any]:
    """One line as a list of one."""
    if hasattr(values, "ndim"):
        return [values] if values.ndim == 1 else list(values)
    is_one = isinstance(values, list | tuple) and not (len(values) and hasattr(values[0], "__len__"))
    return [values] if is_one else list(values)


def _numbers(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def _repeated(styles: Sequence[str], count: int) -> list[str]:
    return [styles[index % len(styles)] for index in range(count)]


def _is_gray(image: Any) -> bool:
    """Whether it says so: a picture of Pillow's, or one with an axis for its one channel."""
    if isinstance(image, PictureOfPillow):
        return image.mode in ("1", "L", "I", "I;16", "F")
    shape: Sequence[int] = getattr(image, "shape", ())
    return len(shape) == 3 and 1 in (shape[0], shape[-1])


def _picture(image: Any) -> Any:
    """What matplotlib takes: H×W or H×W×C."""
    if isinstance(image, PictureOfPillow):
        return image
    pixels = image.detach().cpu().numpy() if isinstance(image, Tensor) else numpy.asarray(image)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[-1] not in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    return pixels.squeeze(-1) if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
