"""Health of a run: the same training images at the start and after each epoch, and what each layer makes of them."""

from __future__ import annotations

import json
from functools import partial

import torch
import torch.nn.functional as F

from convnets.data.batches import Batch, Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.inspection.health.measure import measure_health
from convnets.inspection.health.record import NetworkHealth
from convnets.training.config import TrainConfig
from convnets.training.events import HealthMeasured
from convnets.training.learner import Learner
from convnets.training.runs.run import Run
from convnets.training.task import Task

__all__ = ["PROBE_IMAGES", "HealthProbe", "health_by_epoch", "probe_batch", "write_health"]

PROBE_IMAGES = 128
"""Images that health is measured on: enough to tell which layers are in trouble, and a fraction of an epoch."""

_EPOCHS_DRAWN = 12
_CHART = "health.png"


class HealthProbe:
    """Measures a learner's network without changing anything in it, nor any random number."""

    def __init__(self, task: Task, config: TrainConfig) -> None:
        at_once = max(2, config.batch_size // config.accumulate)  # what memory is known to suffice for
        count = min(PROBE_IMAGES, at_once)
        self._batch = probe_batch(task.train, task.preprocess, task.hardware.device, count)
        self._loss = partial(F.cross_entropy, label_smoothing=config.label_smoothing)

    def measure(self, learner: Learner, epoch: int) -> HealthMeasured:
        """The network in the mode it is in; `epoch` 0 is before the first step, when no update is known.

        Of a run on vectors only activations are measured: its loss is of batches made for it.
        """
        labeled = learner.objective is None
        found = measure_health(
            learner.network,
            self._batch.images,
            self._batch.targets if labeled else None,
            loss=self._loss,
            optimizer=learner.optimizer if labeled and epoch else None,
        )
        plain = found.to_dict(values=False)
        told = {key: value for key, value in plain.items() if key not in ("network", "examples")}
        return HealthMeasured(epoch=epoch, **told)


def probe_batch(
    images: ImageSet, preprocess: Preprocess, device: torch.device, count: int = PROBE_IMAGES
) -> Batch:
    """One batch of up to `count` images at equal distances in the set, which may be sorted by class."""
    count = min(count, len(images))
    places = [place * len(images) // count for place in range(count)]
    return next(iter(Batches(images.subset(places), preprocess, count, device=device).epoch()))


def health_by_epoch(run: Run) -> dict[int, NetworkHealth]:
    """What a run measured, by epoch, 0 being its start; empty where it was trained without `health`."""
    if not run.events_file.exists():
        return {}
    found = {}
    for line in run.events_file.read_text("utf-8", errors="replace").splitlines():
        if line.startswith('{"event": "HealthMeasured"'):
            row = json.loads(line)
            found[int(row["epoch"])] = NetworkHealth.from_dict({**row, "network": run.network_name})
    return found


def write_health(run: Run) -> tuple[dict[str, str], tuple[str, ...]]:
    """Write `health.png` into the run; returns the same chart for the report, by its heading, and the last warnings."""
    found = health_by_epoch(run)
    if not found:
        return {}, ()
    from convnets.inspection.health.chart import (
        health_svg,
        write_health_chart,
    )  # matplotlib is loaded when a plot is drawn

    epochs = sorted(found)
    step = max(1, -(-(len(epochs) - 1) // _EPOCHS_DRAWN))
    drawn = {f"epoch {epoch}": found[epoch] for epoch in sorted({*epochs[::step], epochs[-1]})}
    write_health_chart(run.path / _CHART, drawn, in_order=True)
    last = tuple(f"health after epoch {epochs[-1]}: {warning}" for warning in found[epochs[-1]].warnings)
    return {"Health": health_svg(drawn, in_order=True)}, last
