"""The networks of the folds as one model folder, which everything that takes a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from convnets.checkpoints.model_folder import TrainedModel
from convnets.errors import InputError
from convnets.models.architecture import Architecture
from convnets.models.contract import ImageClassifier
from convnets.models.ensemble import ENSEMBLE, Ensemble

__all__ = ["make_ensemble"]


def make_ensemble(models: Sequence[TrainedModel], metrics: dict[str, Any] | None = None) -> TrainedModel:
    """One model that answers with the mean of the probabilities of `models`; the members are not copied.

    Each keeps its own mean and spread of pixels: those of its own training images. Raises InputError unless they are
    of one architecture of the catalogue, with the same classes and sizes.

    >>> from convnets.data.preprocess import Preprocess
    >>> from convnets.models.catalogue import create_model
    >>> network = create_model("softmax", num_classes=2)
    >>> one = TrainedModel(network, ("cat", "dog"), Preprocess.plain(1, 28))
    >>> make_ensemble([one, one]).architecture["arguments"]["count"]
    2
    """
    first = models[0]
    if first.architecture is None:
        raise InputError(
            "an ensemble of a network from outside the catalogue; allowed: networks of create_model"
        )
    for other in models[1:]:
        if _kind(other) != _kind(first):
            raise InputError(f"an ensemble of {_kind(first)} and {_kind(other)}; allowed: equal ones")
    normalization = [(model.preprocess.mean, model.preprocess.std) for model in models]
    made = Ensemble([cast(ImageClassifier, model.network) for model in models], normalization).eval()
    channels = first.preprocess.channels
    made.architecture = Architecture(
        ENSEMBLE, {"member": first.architecture, "count": len(models), "channels": channels}
    )
    plain = replace(first.preprocess, mean=(0.0,) * channels, std=(1.0,) * channels)
    return TrainedModel(made, first.classes, plain, metrics or {})


def _kind(model: TrainedModel) -> tuple[Any, ...]:
    p = model.preprocess
    return model.architecture, model.classes, p.channels, p.size, p.resize
