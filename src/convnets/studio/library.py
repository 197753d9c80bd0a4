"""Library: the runs of a folder and what is in them, opened once and kept while there is room."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from convnets.checkpoints.model_folder import CONFIG_FILE, TrainedModel, load_model
from convnets.core.hardware import Hardware, choose_hardware
from convnets.data.image_set import ImageSet
from convnets.errors import InputError, RunError, UnknownNameError
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.evaluation import Evaluation
from convnets.explanation.inside.node_values import node_values
from convnets.explanation.sample import pixels_of
from convnets.inspection.cost.summary import NetworkSummary, inspect
from convnets.inspection.graph.network_graph import NetworkGraph, TensorSource
from convnets.inspection.graph.trace import trace_graph
from convnets.inspection.receptive_field.fields import ReceptiveField, fields_of_graph
from convnets.serving.model_and_images import open_parts
from convnets.serving.table_predictor import is_for_tables
from convnets.studio.cache import Cache
from convnets.training.runs.run import Run

__all__ = ["Library", "Opened"]

Fact = TypeVar("Fact")
_MODELS, _IMAGES, _RESULTS, _VALUES = 1 << 30, 4 << 30, 512 << 20, 64 << 20


@dataclass(frozen=True, eq=False)
class Opened:
    """A run at one epoch, with one of its images."""

    run: Run
    epoch: int | None
    """None for the best weights."""
    model: TrainedModel
    part: str
    images: ImageSet
    index: int

    @property
    def pixels(self) -> Tensor:
        """uint8 C×H×W as the network sees it."""
        return pixels_of(self.images.subset([self.index]), self.model.preprocess)[0]

    @property
    def input(self) -> Tensor:
        """float32 1×C×H×W, normalized."""
        return self.model.preprocess(self.pixels[None])


class Library:
    """Everything that the views look at.

    Args:
        folder: that runs lie in, or one run.
        data: a data set's name, or a folder or zip, to look at in place of the runs' own.
    """

    def __init__(self, folder: Path | str, data: str | None = None, hardware: Hardware | None = None) -> None:
        folder = Path(folder)
        self._only = folder.name if (folder / "config.json").is_file() else None
        self.folder = folder.parent if self._only else folder
        self.data = data
        self.hardware = hardware or choose_hardware()
        self._models, self._images, self.results = Cache(_MODELS), Cache(_IMAGES), Cache(_RESULTS)

    def names(self) -> list[str]:
        """Folders that hold runs, damaged ones too."""
        if self._only is not None:
            return [self._only]
        if not self.folder.is_dir():
            return []
        return sorted(
            each.name
            for each in self.folder.iterdir()
            if (each / "config.json").is_file() and not each.is_symlink()
        )

    def run(self, name: str) -> Run:
        """The run of that name. Raises UnknownNameError for what is not in the list, RunError for a damaged one."""
        if name not in (names := self.names()):
            raise UnknownNameError("run", name, names)
        return Run(self.folder / name)

    def model(self, name: str, epoch: int | None = None) -> TrainedModel:
        """The network with the best weights, or as it was after an epoch, in evaluation mode."""
        run = self.run(name)
        folder = run.model_folder if epoch is None else run.epoch_folder(epoch)
        if epoch is not None and epoch not in run.epochs_kept:
            kept = ", ".join(map(str, run.epochs_kept)) or "none (train with --save-epochs 1)"
            raise InputError(f"{name} kept no weights of epoch {epoch}; kept: {kept}")
        if epoch is None and not (folder / CONFIG_FILE).is_file():
            raise RunError(f"{name} has no model yet; it is written at the end of the first epoch")
        if is_for_tables(folder):
            raise InputError(
                f"{name} was trained on a table or on series, and this view is for images: its curves are under Runs; "
                "ask it with convnets predict, explain and serve"
            )
        # a copy for each thread: two that hook the same network would see each other's passes
        key = (threading.get_ident(), name, epoch, (folder / CONFIG_FILE).stat().st_mtime_ns)
        return self._models.get(key, lambda: load_model(folder, self.hardware.device), size=_weight_bytes)

    def version(self, name: str, epoch: int | None = None) -> tuple[str, int | None, str]:
        """What tells these weights from others, for keeping results."""
        run = self.run(name)
        path = (run.model_folder if epoch is None else run.epoch_folder(epoch)) / CONFIG_FILE
        return name, epoch, json.loads(path.read_text("utf-8"))["weights"]["sha256"]

    def parts(self, name: str) -> dict[str, ImageSet]:
        """Training, validation and test images of the run, split as it was trained."""
        run = self.run(name)
        data, options = run.settings["data"], run.config
        key = (
            json.dumps(self.data or [data["name"], data["source"], data.get("content_hash")], sort_keys=True),
            options.seed,
            options.validation,
            options.calibration,
            options.balanced_validation,
            self.model(name).preprocess.resize,
            self.model(name).preprocess.channels,
        )
        return self._images.get(key, lambda: open_parts(run, self.model(name), self.data), size=_image_bytes)

    def part(self, name: str, part: str | None = None) -> tuple[str, ImageSet]:
        """Images by the part's name; the last part that is there without one."""
        parts = self.parts(name)
        chosen = part or next(reversed(parts))
        if chosen not in parts:
            raise UnknownNameError("part", chosen, parts)
        return chosen, parts[chosen]

    def open(self, name: str, epoch: int | None = None, part: str | None = None, image: int = 0) -> Opened:
        """A run at an epoch with one of its images. Raises InputError for an image that is not there."""
        model = self.model(name, epoch)
        chosen, images = self.part(name, part)
        if not 0 <= image < len(images):
            raise InputError(f"image {image} of {chosen}, which has images 0 to {len(images) - 1}")
        return Opened(self.run(name), epoch, model, chosen, images, image)

    def graph(self, name: str) -> NetworkGraph:
        """The run's network as a graph, for images of its size."""
        return self._about("graph", name, lambda model: trace_graph(model.network, _shape(model)))

    def values(self, opened: Opened, node: int | None = None) -> Mapping[TensorSource, Tensor]:
        """What the operations of the graph give for the image, 1×C×H×W each, kept where all take at most 64 MB.

        Of a larger network only those of operation `node` and of what it takes; without `node` all, which are not kept.
        """
        graph = self.graph(opened.run.name)
        if node is not None and not 0 <= node < len(graph.nodes):
            raise InputError(f"operation {node}; the graph has 0 to {len(graph.nodes) - 1}")
        sources = [TensorSource(each.index, k) for each in graph.nodes for k in range(len(each.shapes))]
        numbers = sum(math.prod(shape) for each in graph.nodes for shape in each.shapes)
        if 4 * numbers > _VALUES:
            if node is None:
                return node_values(opened.model.network, opened.input, sources)
            return node_values(
                opened.model.network, opened.input, [*graph.nodes[node].inputs, TensorSource(node)]
            )
        key = ("values", *self.version(opened.run.name, opened.epoch), opened.part, opened.index)
        return self.results.get(
            key, lambda: node_values(opened.model.network, opened.input, sources), size=lambda _: 4 * numbers
        )

    def fields(self, name: str) -> tuple[ReceptiveField, ...]:
        """What the units of each operation can see."""
        return self._about("fields", name, lambda _: fields_of_graph(self.graph(name)))

    def summary(self, name: str) -> NetworkSummary:
        """Shapes, weights and work of each layer."""
        return self._about(
            "summary", name, lambda model: inspect(model.network, _shape(model), training=False)
        )

    def evaluation(
        self,
        name: str,
        epoch: int | None,
        part: str | None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Evaluation:
        """What the network says of every image of a part, in float32 as `convnets evaluate --precision fp32`."""
        model, (chosen, images) = self.model(name, epoch), self.part(name, part)
        key = ("evaluation", *self.version(name, epoch), chosen, images.source)
        return self.results.get(
            key,
            lambda: evaluate(model, images, progress=progress, workers=0),
            size=lambda made: made.probabilities.nbytes,
        )

    def _about(self, what: str, name: str, make: Callable[[TrainedModel], Fact]) -> Fact:
        """Facts that do not depend on the weights."""
        model = self.model(name)
        key = (what, name, json.dumps(model.architecture, sort_keys=True, default=str), _shape(model))
        return self.results.get(key, lambda: make(model), size=lambda _: 1 << 20)


def _shape(model: TrainedModel) -> tuple[int, int, int]:
    return model.preprocess.channels, model.preprocess.size, model.preprocess.size


def _weight_bytes(model: TrainedModel) -> int:
    return sum(each.nbytes for each in model.network.state_dict().values())


def _image_bytes(parts: dict[str, ImageSet]) -> int:
    return sum(
        each.images.nbytes if isinstance(each.images, torch.Tensor) else 1 << 20 for each in parts.values()
    )
