"""Export to a program of PyTorch: one .pt2 file that runs without this library, in Python and in C++."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.onnx.onnx_copy import quiet
from convnets.checkpoints.onnx.onnx_model import METADATA
from convnets.core.storage.files import atomic_path
from convnets.data.image_set import ImageSet
from convnets.errors import InputError, ModelFolderError
from convnets.serving.export.comparison import Export, compare
from convnets.serving.export.exported_network import ExportedNetwork, Form, metadata_of
from convnets.training.objectives.embedding import check_classifies

__all__ = ["export_pt2", "write_pt2"]


def export_pt2(
    trained: TrainedModel, path: Path | str, *, form: Form = "pictures", images: ImageSet | None = None
) -> Export:
    """Write `path` by `torch.export`, and compare what it reads again with the network, as `export_onnx` does.

    `torch.export.load(path).module()` takes any number of pictures; class names and preprocessing are JSON in its extra
    file `convnets`. The network is put into evaluation mode.
    Raises ModelFolderError where the file gives other answers or the network cannot be exported, and leaves none then.
    """
    check_classifies(trained)
    path = Path(path)
    if path.suffix.lower() != ".pt2":
        raise InputError(f"{path} does not end in .pt2; name the file so")
    exported = ExportedNetwork(trained, form)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        again = write_pt2(exported, exported.example(2), temporary, metadata_of(exported, trained))

        def answer(inputs: Tensor) -> np.ndarray[Any, Any]:
            with torch.inference_mode():
                found: np.ndarray[Any, Any] = again(inputs).numpy()
            return found

        compared = compare(exported, trained, answer, images)
        megabytes = temporary.stat().st_size / 1e6
    return Export(**vars(compared), path=path, form=form, megabytes=megabytes)


def write_pt2(
    exported: nn.Module, example: Tensor, path: Path, about: dict[str, Any]
) -> Callable[[Tensor], Tensor]:
    """Write the module for any number of inputs, with `about` beside it, and read it again.

    Raises ModelFolderError where it cannot be exported.
    """
    with quiet():
        try:
            count = {0: torch.export.Dim("count", min=1)}
            program = torch.export.export(exported, (example,), dynamic_shapes={"inputs": count})
            with path.open("wb") as file:
                torch.export.save(program, file, extra_files={METADATA: json.dumps(about)})
            with path.open("rb") as read:
                return torch.export.load(read).module()
        except RuntimeError as failed:
            line = " ".join(str(failed).split())[:160]
            raise ModelFolderError(f"{about['network']} cannot be exported: {line}") from None
