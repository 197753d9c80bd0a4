"""Attribution: one map of one image, signed and as it came, with all that says what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convnets.explanation.attribution.drawing import attribution_grid, overlay
from convnets.explanation.attribution.report import write_report
from convnets.explanation.attribution.resizing import at_image_size, importance_at_image_size
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.verdict import Verdict

__all__ = ["Attribution"]


@dataclass(frozen=True, eq=False)
class Attribution(Shown):
    """Where in an image a class has its grounds. Above zero speaks for the target, below zero against it."""

    name: str
    """The picture's file name, or `picture 3` where it has none."""
    place: int
    """Of the picture among those that were given, from 0."""
    method: str
    """Such as `grad-cam`: one of METHODS."""
    layer: str | None
    """Where the method looked at feature maps; None for pixels."""
    target: int
    target_name: str
    contrast: int | None
    """The class that the target is set against; None asks about the target alone."""
    contrast_name: str | None
    probability: float
    """Of the target."""
    predicted_name: str
    """The most probable class."""
    native: NDArray[np.float32]
    """C×H×W of the pixels, 1×H×W for methods that hide whole pixels, or h×w of a layer's positions; not normalized."""
    map: NDArray[np.float32]
    """H×W of the image, signed: `native` summed over channels, or enlarged bilinearly."""
    keeps_positive: bool
    """Whether the method's paper keeps only what is above zero."""
    by_magnitude: bool
    """Whether a sign says brighter or darker, not for or against the class."""
    picture: NDArray[np.uint8]
    """C×H×W: the picture as the network sees it."""
    residual: float | None = None
    """Sum of the map less what it should add up to; None for methods that promise no sum."""
    total: float | None = None
    """What it should add up to."""
    verdicts: tuple[Verdict, ...] = ()
    """What the checks said, where they were asked for."""

    @property
    def evidence(self) -> NDArray[np.float32]:
        """H×W: the map as the method's paper has it, without what is below zero where the paper drops that."""
        if not self.keeps_positive:
            return self.map
        kept = torch.from_numpy(np.maximum(self.native, 0))[None, None]
        found: NDArray[np.float32] = at_image_size(kept, self._size).numpy()[0]
        return found

    @property
    def importance(self) -> NDArray[np.float32]:
        """H×W, by which pixels are ranked: `map`, or the largest |value| of the channels (see `by_magnitude`)."""
        native = torch.from_numpy(self.native)
        native = native[None] if native.ndim == 3 else native[None, None]
        found = importance_at_image_size(native, self._size, by_magnitude=self.by_magnitude)
        values: NDArray[np.float32] = found[0].numpy()
        return values

    @property
    def _size(self) -> tuple[int, int]:
        height, width = self.map.shape
        return height, width

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see: no value but zero, or for methods that keep these none above it."""
        return not bool((self.evidence != 0).any())

    @property
    def question(self) -> str:
        """What was asked: `cat`, or `cat and not dog`."""
        return self.target_name + (f" and not {self.contrast_name}" if self.contrast_name else "")

    @property
    def words(self) -> str:
        """What the map says, in a sentence or two."""
        where = f" at {self.layer}" if self.layer else ""
        said = f"{self.method}{where}: why {self.question} ({self.probability:.1%} {self.target_name})."
        if self.is_empty:
            why = "no position speaks for it" if self.keeps_positive else "every value is zero"
            return f"{said} The map is empty: {why}."
        if (
            self.residual is not None
            and self.total is not None
            and abs(self.residual) > 0.01 * abs(self.total)
        ):
            said += f" Its sum differs by {self.residual:+.3g} from the {self.total:.3g} to be explained."
        return said

    def to_dict(self, *, arrays: bool = True) -> dict[str, Any]:
        """Plain values for JSON; `arrays` are the two maps."""
        names = (
            "name",
            "place",
            "method",
            "layer",
            "target",
            "target_name",
            "contrast",
            "contrast_name",
            "probability",
        )
        found: dict[str, Any] = {name: getattr(self, name) for name in (*names, "predicted_name")}
        found |= {
            "is_empty": self.is_empty,
            "residual": self.residual,
            "total": self.total,
            "words": self.words,
        }
        found["verdicts"] = [verdict.to_dict() for verdict in self.verdicts]
        if arrays:
            found |= {"native": self.native.tolist(), "map": self.map.tolist()}
        return found

    def overlay(self) -> NDArray[np.uint8]:
        """uint8 H×W×3: the picture in gray, red where it speaks for the class, blue where against it."""
        return overlay(self.picture, self.evidence)

    def figure(self) -> Figure:
        """Picture, overlay and map side by side, with what was asked and what the checks said."""
        return attribution_grid([self]).figure()

    def save(self, path: Path | str) -> Path:
        """Write the figure as .png, .svg or .html, by the ending; returns the path."""
        if Path(path).suffix.lower() == ".html":
            return write_report(path, [self])
        return write_figure(path, self.figure(), self.words)

    def __str__(self) -> str:
        return "\n  ".join([f"{self.name}: {self.words}", *(verdict.words for verdict in self.verdicts)])

    def __repr__(self) -> str:
        height, width = self.map.shape
        return f"Attribution({self.name!r}: {self.method} of {self.question}, {height}×{width})"
