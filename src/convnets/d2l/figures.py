"""Figures by the book's names: plots, pictures side by side, and curves that grow while a network trains."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from torch import Tensor

from convnets.core.live_picture import LivePicture, notebook_shell
from convnets.d2l.measures import plain_number

__all__ = [
    "Animator",
    "ProgressBoard",
    "plot",
    "plt",
    "set_axes",
    "set_figsize",
    "show_images",
    "use_svg_display",
]

_STYLES = ("-", "m--", "g-.", "r:")


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
    fmts: Sequence[str] = _STYLES,
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
    imgs: Iterable[Any], num_rows: int, num_cols: int, titles: Sequence[str] | None = None, scale: float = 1.5
) -> Any:
    """Pictures (tensors H×W, H×W×C or C×H×W, arrays or PIL) in rows; returns the axes as a flat array."""
    _, axes = plt.subplots(num_rows, num_cols, figsize=(num_cols * scale, num_rows * scale), squeeze=False)
    flat = axes.flatten()
    for index, (ax, image) in enumerate(zip(flat, imgs, strict=False)):
        ax.imshow(_picture(image), cmap=None if _has_colour(image) else "gray")
        if titles:
            ax.set_title(titles[index])
    for ax in flat:
        ax.axis("off")
    return flat


class Animator:
    """Curves that grow while a network trains: updated in place in a notebook, one figure at the end elsewhere.

    Where curves get a number only now and then, None stands in between. In scripts `fig` is pyplot's current figure.
    """

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | None = None,
        legend: Sequence[str] | None = None,
        xlim: Any = None,
        ylim: Any = None,
        xscale: str = "linear",
        yscale: str = "linear",
        fmts: Sequence[str] = _STYLES,
        nrows: int = 1,
        ncols: int = 1,
        figsize: tuple[float, float] = (3.5, 2.5),
    ) -> None:
        self.fig, axes = plt.subplots(nrows, ncols, figsize=figsize, squeeze=False)
        self.axes = list(axes.flatten())
        self._legend = legend
        set_axes(self.axes[0], xlabel, ylabel, xlim, ylim, xscale, yscale, None)
        self._lines: list[Line2D] = []
        self.X: list[list[float]] = []
        self.Y: list[list[float]] = []
        self.fmts = fmts
        self._live = _live(self.fig)

    def add(self, x: Any, y: Any) -> None:
        """A point for each curve: `y` is a number or one per curve; None leaves a curve as it is."""
        values = list(y) if hasattr(y, "__len__") else [y]
        xs = list(x) if hasattr(x, "__len__") else [x] * len(values)
        while len(self.X) < len(values):
            self._add_line()
        for index, (a, b) in enumerate(zip(xs, values, strict=True)):
            if a is not None and b is not None:
                self.X[index].append(plain_number(a))
                self.Y[index].append(plain_number(b))
                self._lines[index].set_data(self.X[index], self.Y[index])
        _rescale(self.axes[0])
        self._live.update()

    def show(self) -> None:
        """Draw all points now, whatever was drawn last; a cell's end does that too."""
        self._live.update(last=True)

    def _add_line(self) -> None:
        place = len(self.X)
        style = self.fmts[place % len(self.fmts)]
        self._lines.append(self.axes[0].plot([], [], style)[0])
        self.X.append([])
        self.Y.append([])
        if self._legend and place < len(self._legend):
            self._lines[-1].set_label(self._legend[place])
            self.axes[0].legend()


class ProgressBoard:
    """The curves of a `Trainer`: one line per label, a point per `every_n` values, each the mean of those."""

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | None = None,
        xlim: Any = None,
        ylim: Any = None,
        xscale: str = "linear",
        yscale: str = "linear",
        ls: Sequence[str] = ("-", "--", "-.", ":"),
        colors: Sequence[str] = ("C0", "C1", "C2", "C3"),
        fig: Any = None,
        axes: Axes | None = None,
        figsize: tuple[float, float] = (3.5, 2.5),
        display: bool = True,
    ) -> None:
        self.xlabel, self.ylabel, self.xlim, self.ylim = xlabel, ylabel, xlim, ylim
        self.xscale, self.yscale, self.ls, self.colors = xscale, yscale, ls, colors
        self.fig, self.axes, self.figsize, self.display = fig, axes, figsize, display
        self.data: dict[str, list[tuple[float, float]]] = {}
        self._waiting: dict[str, list[tuple[float, float]]] = {}
        self._lines: dict[str, Line2D] = {}
        self._live: LivePicture | None = None

    def draw(self, x: Any, y: Any, label: str, every_n: int = 1) -> None:
        """Add a value to the line `label`; every `every_n` of them are a point."""
        waiting = self._waiting.setdefault(label, [])
        waiting.append((plain_number(x), plain_number(y)))
        if len(waiting) < every_n:
            return
        xs, ys = zip(*waiting, strict=True)
        waiting.clear()
        self.data.setdefault(label, []).append((sum(xs) / len(xs), sum(ys) / len(ys)))
        if self.display:
            self._draw_line(label)

    def show(self) -> None:
        """Draw all points now; a cell's end does that too."""
        if self._live is not None:
            self._live.update(last=True)

    def __getstate__(self) -> dict[str, Any]:
        """A copy, such as that of a module with its board, has the points and draws them into a figure of its own."""
        return {**self.__dict__, "fig": None, "axes": None, "_lines": {}, "_live": None}

    def _draw_line(self, label: str) -> None:
        if self.fig is None:
            self.fig = plt.figure(figsize=self.figsize) if self.axes is None else self.axes.figure
        if self._live is None:
            self._live = _live(self.fig)
        axes = self.axes or self.fig.gca()
        if label not in self._lines:
            place = len(self._lines)
            style, colour = self.ls[place % len(self.ls)], self.colors[place % len(self.colors)]
            (self._lines[label],) = axes.plot([], [], linestyle=style, color=colour, label=label)
            x_name = self.xlabel or "x"
            set_axes(axes, x_name, self.ylabel, self.xlim, self.ylim, self.xscale, self.yscale, None)
            axes.legend()
        self._lines[label].set_data(*zip(*self.data[label], strict=True))
        _rescale(axes)
        self._live.update()


def _live(figure: Any) -> LivePicture:
    """`figure` as a notebook's live picture, which shows it alone: pyplot would show it again when the cell ends."""

    def svg() -> tuple[str, str]:
        content = io.StringIO()
        figure.savefig(content, format="svg", bbox_inches="tight")
        text = content.getvalue()
        return text[text.index("<svg") :], repr(figure)

    if notebook_shell() is not None:
        plt.close(figure)
    return LivePicture(svg)


def _rescale(axes: Axes) -> None:
    """Limits that were not given follow the points."""
    axes.relim()
    axes.autoscale_view()


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


def _has_colour(image: Any) -> bool:
    if isinstance(mode := getattr(image, "mode", None), str):  # a picture of Pillow's
        return mode not in ("1", "L", "I", "I;16", "F")
    shape = getattr(image, "shape", None)
    return shape is None or (len(shape) == 3 and 1 not in (shape[0], shape[-1]))


def _picture(image: Any) -> Any:
    if not isinstance(image, Tensor):
        return image
    image = image.detach().cpu()
    if image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[-1] not in (1, 3):
        image = image.permute(1, 2, 0)
    return image.squeeze(-1).numpy() if image.ndim == 3 else image.numpy()
