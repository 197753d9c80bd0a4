"""Model sources: a trained model, a run or a folder, wherever a function asks for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from convnets.checkpoints.model_folder import TrainedModel, load_model
from convnets.checkpoints.onnx.onnx_model import OnnxNetwork, is_onnx, no_folder, open_onnx
from convnets.errors import InputError, RunError

__all__ = ["ModelSource", "RunLike", "open_model", "resolve_model_folder"]


class RunLike(Protocol):
    """What lies in a directory: a `Run`."""

    @property
    def path(self) -> Path: ...


ModelSource = TrainedModel | RunLike | Path | str
"""A trained model, a run, or the path of a run's directory, a model folder or an ONNX file."""


def open_model(
    source: ModelSource, device: torch.device | str = "cpu", *, only_to_ask: bool = False
) -> TrainedModel:
    """The trained model that `source` stands for; one that is open already is returned as it is.

    only_to_ask: whether a network that answers and cannot be looked into, an ONNX file, will do.

    Raises UsageError for an ONNX file where it will not, ModelFolderError when the folder is missing or damaged,
    RunError for a run that has no model yet, and InputError for a bare network, which does not say how pictures become
    its input.
    """
    if isinstance(source, TrainedModel):
        if isinstance(source.network, OnnxNetwork) and not only_to_ask:
            raise no_folder("the given model")
        return source
    if isinstance(source, nn.Module):
        raise InputError(
            f"a bare {type(source).__name__} does not say how pictures become its input; "
            "give TrainedModel(network, classes, preprocess), a run or a model folder"
        )
    if is_onnx(source) and only_to_ask:
        return open_onnx(Path(str(source)))
    return load_model(resolve_model_folder(source), device)


def resolve_model_folder(source: RunLike | Path | str) -> Path:
    """The model folder of a run or its directory, or the folder itself when it is one.

    Raises RunError for a run that was cut off before it had a model, and UsageError for an ONNX file.
    """
    if is_onnx(source):
        raise no_folder(source)
    path = Path(source) if isinstance(source, str | Path) else source.path
    if (path / "model").is_dir():
        return path / "model"
    if (path / "environment.json").is_file():
        raise RunError(f"{path} has no model: it was cut off in its first epoch; train again")
    return path
