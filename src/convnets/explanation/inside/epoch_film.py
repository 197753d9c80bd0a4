"""Epoch film: filters or maps of a network over the epochs of a run, as a strip and as a moving picture."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel, load_model
from convnets.core.storage.files import atomic_path
from convnets.errors import InputError, RunError
from convnets.explanation.inside.feature_maps import feature_maps
from convnets.explanation.inside.filters import first_filters
from convnets.explanation.pictures.colors import scale_of
from convnets.explanation.pictures.figure_file import ENDINGS, check_picture_ending
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, TileRow, in_rows
from convnets.training.runs.run import Run

__all__ = ["FILM_ENDINGS", "EpochFilm", "film_filters", "film_maps"]

FILM_ENDINGS = (*ENDINGS, ".gif", ".apng")
_COLUMNS = 10  # epochs in a strip
_FRAME, _LAST = 400, 1600  # milliseconds


@dataclass(frozen=True, eq=False)
class EpochFilm(Shown):
    """Values of the same units after several epochs, on one scale."""

    title: str
    epochs: tuple[int, ...]
    """0 is the start."""
    units: tuple[int, ...]
    values: NDArray[np.float64]
    """Epochs × units × H×W."""

    def strip(self, columns: int = _COLUMNS) -> TileGrid:
        """A row for each unit, a column for each epoch; of many epochs some at equal distances, first and last too."""
        last = len(self.epochs) - 1
        count = min(columns, len(self.epochs))
        places = sorted({round(place * last / max(1, count - 1)) for place in range(count)})
        scale = scale_of(self.values)
        rows = [
            TileRow(f"unit {unit}", [Tile(scale.color(self.values[place, index])) for place in places])
            for index, unit in enumerate(self.units)
        ]
        heads = [(_epoch_name(self.epochs[place], short=len(places) > 1), 1) for place in places]
        words = "Each column is the network after so many epochs of training; all tiles share one scale."
        return TileGrid(self.title, [words], rows, scale, side=64, headings=heads)

    def frames(self) -> Iterator[Image.Image]:
        """One RGB picture for each epoch, all of one size."""
        scale = scale_of(self.values)
        columns = min(8, max(4, round(len(self.units) ** 0.5)))
        for epoch, values in zip(self.epochs, self.values, strict=True):
            tiles = [
                Tile(scale.color(each), [f"{unit}"]) for unit, each in zip(self.units, values, strict=True)
            ]
            grid = TileGrid(self.title, [_epoch_name(epoch)], in_rows(tiles, columns), scale)
            content = io.BytesIO()
            grid.figure().savefig(content, format="png", dpi=100, facecolor="white")
            yield Image.open(content).convert("RGB")

    def figure(self) -> Figure:
        """The same as a figure."""
        return self.strip().figure()

    def save(self, path: Path | str) -> Path:
        """Write the strip (.png, .svg, .html) or the moving picture (.gif, .apng); returns the path."""
        path = Path(path)
        check_picture_ending(path, FILM_ENDINGS)
        if path.suffix.lower() in ENDINGS:
            return self.strip().save(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        first, *rest = self.frames()
        times = [_FRAME] * len(rest) + [_LAST]
        kind = "GIF" if path.suffix.lower() == ".gif" else "PNG"
        if kind == "GIF":  # one palette for all frames, or colors would flicker
            palette = rest[-1].quantize(256) if rest else first.quantize(256)
            first, rest = (
                first.quantize(palette=palette, dither=Image.Dither.NONE),
                [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in rest],
            )
        with atomic_path(path) as temporary:
            first.save(temporary, kind, save_all=True, append_images=rest, duration=times, loop=0)
        return path


def film_filters(run: Run, layer: str | None = None, *, network: nn.Module | None = None) -> EpochFilm:
    """The filters of the first convolution, or of `layer`, after each epoch that the run kept (`save_epochs`).

    Color filters are shown by the mean of their channels. A network from outside the catalogue is passed as `network`
    and holds the last weights afterwards. Raises RunError for a run that kept no epochs.
    """
    epochs, values, name = [], [], ""
    for epoch, model in _kept(run, network):
        found = first_filters(model.network, layer)
        name = found.layer
        epochs.append(epoch)
        values.append(found.weights.mean(1)[:32])
    units = tuple(range(len(values[0])))
    return EpochFilm(
        f"Filters of {name} in {run.network_name} by epoch", tuple(epochs), units, np.stack(values)
    )


def film_maps(
    run: Run,
    image: Tensor,
    layer: str = "last_maps",
    *,
    units: Sequence[int] | None = None,
    network: nn.Module | None = None,
) -> EpochFilm:
    """What `layer` gives for one picture after each epoch that the run kept.

    Args:
        image: uint8 C×H×W or 1×C×H×W; it is prepared as for the network.
        units: which ones; None takes the 8 strongest after the last epoch.
    """
    batch = image[None] if image.ndim == 3 else image
    epochs, values, name = [], [], ""
    for epoch, model in _kept(run, network):
        found = feature_maps(model.network, model.preprocess(batch), layer)
        (name,) = found.layers
        epochs.append(epoch)
        values.append(found.layers[name])
    chosen = list(units) if units is not None else found.strongest(name, 8)
    if not all(0 <= unit < len(values[0]) for unit in chosen):
        raise InputError(f"units {chosen} of {name}; it has units 0 to {len(values[0]) - 1}")
    title = f"{name} of {run.network_name} by epoch, for one picture"
    return EpochFilm(title, tuple(epochs), tuple(chosen), np.stack([each[chosen] for each in values]))


def _kept(run: Run, network: nn.Module | None) -> Iterator[tuple[int, TrainedModel]]:
    kept = run.epochs_kept
    if not kept:
        raise RunError(
            f"{run.path} kept no weights of its epochs; train with --save-epochs 1 (each epoch) to see them come about"
        )
    for epoch in kept:
        yield epoch, load_model(run.epoch_folder(epoch), network=network)


def _epoch_name(epoch: int, *, short: bool = False) -> str:
    if epoch == 0:
        return "start"
    return f"{epoch}" if short else f"after epoch {epoch}"
