"""Curves that grow while a network trains, by the book's names."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from convnets.core.display.live_picture import LivePicture, notebook_shell
from convnets.d2l.figures import STYLES, set_axes
from convnets.d2l.hyper_parameters import HyperParameters
from convnets.d2l.measures import plain_number

__all__ = ["Animator", "Point", "ProgressBoard"]


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
        fmts: Sequence[str] = STYLES,
        nrows: int = 1,
        ncols: int = 1,
        figsize: tuple[float, float] = (3.5, 2.5),
    ) -> None:
        self.fig, axes = plt.subplots(nrows, ncols, figsize=figsize, squeeze=False)
        self.axes = list(axes.flatten())
        self.config_axes: Callable[[], None] = lambda: set_axes(
            self.axes[0], xlabel, ylabel, xlim, ylim, xscale, yscale, legend if self._lines else None
        )
        """Sets labels, limits, scales and legend; called at each `add`, and may be replaced."""
        self._legend = legend or ()
        self._lines: list[Line2D] = []
        self.X: list[list[float]] = []
        self.Y: list[list[float]] = []
        self.fmts = fmts
        self._live = _live(self.fig)
        self.config_axes()

    def add(self, x: Any, y: Any) -> None:
        """A point for each curve: `y` is a number or one per curve; None leaves a curve as it is."""
        values = list(y) if hasattr(y, "__len__") else [y]
        xs = list(x) if hasattr(x, "__len__") else [x] * len(values)
        for place in range(len(self.X), len(values)):
            self.X.append([])
            self.Y.append([])
            self._lines.append(self._new_line(place))
        for index, (a, b) in enumerate(zip(xs, values, strict=True)):
            if a is not None and b is not None:
                self.X[index].append(plain_number(a))
                self.Y[index].append(plain_number(b))
        self._draw()
        self._live.update()

    def show(self) -> None:
        """Draw all points now, whatever was drawn last; a cell's end does that too."""
        self._live.update(last=True)

    def _draw(self) -> None:
        for place, line in enumerate(self._lines):
            if line.axes is not self.axes[0]:  # the reader has cleared or exchanged the axes
                self._lines[place] = line = self._new_line(place)
            line.set_data(self.X[place], self.Y[place])
        self.config_axes()
        _rescale(self.axes[0])

    def _new_line(self, place: int) -> Line2D:
        (line,) = self.axes[0].plot([], [], self.fmts[place % len(self.fmts)])
        if place < len(self._legend):
            line.set_label(self._legend[place])
        return cast(Line2D, line)


class Point(NamedTuple):
    """A point of a curve."""

    x: float
    y: float


class ProgressBoard(HyperParameters):
    """The curves of a `Trainer`: one line per label, a point per `every_n` values, each the mean of those.

    >>> board = ProgressBoard(display=False)
    >>> for x in range(3):
    ...     board.draw(x, 10 * x, "loss", every_n=2)
    >>> board.data["loss"][-1].y, board.raw_points["loss"]
    (5.0, [Point(x=2.0, y=20.0)])
    """

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
        self.save_hyperparameters()
        self.xlabel, self.ylabel, self.xlim, self.ylim = xlabel, ylabel, xlim, ylim
        self.xscale, self.yscale, self.ls, self.colors = xscale, yscale, ls, colors
        self.fig, self.axes, self.figsize, self.display = fig, axes, figsize, display
        self.data: dict[str, list[Point]] = {}
        """The points of each curve."""
        self.raw_points: dict[str, list[Point]] = {}
        """The values of each curve that are waiting for others to be a point with them."""
        self._lines: dict[str, Line2D] = {}
        self._live: LivePicture | None = None

    def draw(self, x: Any, y: Any, label: str, every_n: int = 1) -> None:
        """Add a value to the line `label`; every `every_n` of them are a point."""
        waiting, points = self.raw_points.setdefault(label, []), self.data.setdefault(label, [])
        waiting.append(Point(plain_number(x), plain_number(y)))
        if len(waiting) < every_n:
            return
        points.append(Point(*(sum(values) / len(waiting) for values in zip(*waiting, strict=True))))
        waiting.clear()
        if self.display:
            self._draw_line(label)

    def show(self) -> None:
        """Draw all points now; a cell's end does that too."""
        if self._live is not None:
            self._live.update(last=True)

    def __getstate__(self) -> dict[str, Any]:
        """A copy, such as that of a module with its board, has the points and draws them into a figure of its own."""
        given = {**self.hparams, "fig": None, "axes": None}
        return {**self.__dict__, "hparams": given, "fig": None, "axes": None, "_lines": {}, "_live": None}

    def _draw_line(self, label: str) -> None:
        if self.fig is None:
            self.fig = plt.figure(figsize=self.figsize) if self.axes is None else self.axes.figure
        if self._live is None:
            self._live = _live(self.fig)
        axes = self.axes or self.fig.gca()
        if label not in self._lines:
            place = len(self._lines)
            style, color = self.ls[place % len(self.ls)], self.colors[place % len(self.colors)]
            (self._lines[label],) = axes.plot([], [], linestyle=style, color=color, label=label)
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
