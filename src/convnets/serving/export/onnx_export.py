"""Export to ONNX: one file for any number of pictures, compared with the network before it is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.onnx.onnx_copy import OPSET, quiet
from convnets.checkpoints.onnx.onnx_model import METADATA, start_session
from convnets.core.storage.files import atomic_path
from convnets.data.image_set import ImageSet
from convnets.errors import InputError, ModelFolderError
from convnets.serving.export.comparison import Export, compare
from convnets.serving.export.exported_network import ExportedNetwork, Form, metadata_of
from convnets.training.objectives.embedding import check_classifies

__all__ = ["export_onnx", "write_onnx"]


def export_onnx(
    trained: TrainedModel, path: Path | str, *, form: Form = "pictures", images: ImageSet | None = None
) -> Export:
    """Write `path`, and compare it with the network on random inputs and on the first 1,000 of `images`.

    The file holds class names and preprocessing as metadata, and takes any number of pictures at once. The network is
    put into evaluation mode.
    Raises ModelFolderError where the file gives other answers or an operation has no counterpart in ONNX, and
    leaves none then.
    """
    check_classifies(trained)
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise InputError(f"{path} does not end in .onnx; name the file so")
    exported = ExportedNetwork(trained, form)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        about = metadata_of(exported, trained) | {"opset": OPSET}
        write_onnx(exported, exported.example(2), temporary, about, _output(exported.form))
        session = start_session(temporary)

        def answer(inputs: Tensor) -> np.ndarray[Any, Any]:
            found: np.ndarray[Any, Any] = session.run(None, {"inputs": inputs.numpy()})[0]
            return found

        compared = compare(exported, trained, answer, images)
        megabytes = temporary.stat().st_size / 1e6
    return Export(**vars(compared), path=path, form=form, megabytes=megabytes, opset=OPSET)


def write_onnx(exported: nn.Module, example: Tensor, path: Path, about: dict[str, Any], output: str) -> None:
    """Write the module, whose input is called `inputs`, for any number of them; `about` becomes metadata.

    Raises ModelFolderError where an operation has no counterpart.
    """
    with quiet():
        try:
            count = {0: torch.export.Dim("count", min=1)}
            program = torch.export.export(exported, (example,), dynamic_shapes={"inputs": count})
            names = {"input_names": ["inputs"], "output_names": [output]}
            made = torch.onnx.export(program, opset_version=OPSET, dynamo=True, verbose=False, **names)  # type: ignore[arg-type]
            assert made is not None
            made.model.metadata_props[METADATA] = json.dumps(about)
            made.save(path, external_data=False)
        except (RuntimeError, torch.onnx.OnnxExporterError) as failed:
            line = " ".join(str(failed).split())[:160]
            raise ModelFolderError(f"{about['network']} cannot be written as ONNX: {line}") from None


def _output(form: Form) -> str:
    return "probabilities" if form == "pictures" else "logits"
