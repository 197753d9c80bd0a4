"""Explained: a network with images, normalized for it and as they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.model_source import open_model
from convnets.data.images.image_inputs import Picture, expand_folders, name_of, open_given
from convnets.data.preprocess import center_crop
from convnets.errors import InputError
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.capture.undisturbed_pass import to_network
from convnets.training.objectives.embedding import check_classifies
from convnets.training.runs.run import Run

__all__ = ["Explained", "NetworkOrRun", "open_explained"]

NetworkOrRun = nn.Module | TrainedModel | Run | Path | str
"""A run, a model folder, a `TrainedModel`, or any module that answers images with logits."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A network and N images, ready to be asked about."""

    network: nn.Module
    images: Tensor
    """N×C×H×W, normalized, as the network takes them."""
    pictures: Tensor
    """uint8 N×C×H×W with C 1 or 3: what the network sees, to be looked at."""
    names: tuple[str, ...]
    """Of the pictures."""
    classes: tuple[str, ...] | None
    """Names of the classes; None where only their numbers are known."""


def open_explained(network_or_run: NetworkOrRun, images: Any) -> Explained:
    """The network with its images, normalized. Raises what `load_model` and `open_given` raise, and InputError."""
    if isinstance(network_or_run, nn.Module):
        return _bare(plain_network(network_or_run), images)
    if not isinstance(network_or_run, TrainedModel | Run | Path | str):
        raise InputError(
            f"{type(network_or_run).__name__} cannot be explained; allowed: a run, a model folder, a TrainedModel, or "
            "an nn.Module"
        )
    return _trained(open_model(network_or_run), images)


def _trained(trained: TrainedModel, images: Any) -> Explained:
    check_classifies(trained)
    given: Sequence[Picture] = expand_folders(images)
    names = tuple(name_of(picture, place) for place, picture in enumerate(given))
    preprocess = trained.preprocess
    stored = [preprocess.store(open_given(picture, name)) for picture, name in zip(given, names, strict=True)]
    shape = (0, preprocess.channels, preprocess.resize, preprocess.resize)
    pictures = torch.stack(stored) if stored else torch.zeros(shape, dtype=torch.uint8, device="cpu")
    network = plain_network(trained.network)
    normalized = to_network(network, preprocess(pictures))
    return Explained(network, normalized, center_crop(pictures, preprocess.size), names, trained.classes)


def _bare(network: nn.Module, images: Any) -> Explained:
    """Pictures are the images themselves, each stretched to the range of a byte; gray where C is neither 1 nor 3."""
    x = to_network(network, images)
    if x.ndim != 4:
        raise InputError(f"images have shape {tuple(x.shape)}; allowed: N×C×H×W")
    x = x.clone() if x.is_inference() else x
    shown = x.float().cpu()
    shown = shown if shown.shape[1] in (1, 3) else shown.mean(1, keepdim=True)
    flat = shown.flatten(1)
    low, high = (
        (end(flat, 1).view(-1, 1, 1, 1) for end in (torch.amin, torch.amax)) if flat.numel() else (0.0, 1.0)
    )
    spread = high - low
    stretched = (
        255 * (shown - low) / (torch.where(spread > 0, spread, 1.0) if isinstance(spread, Tensor) else 1.0)
    )
    names = tuple(f"picture {place}" for place in range(len(x)))
    return Explained(network, x, stretched.round().to(torch.uint8), names, None)
