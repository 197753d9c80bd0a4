"""A network in an ONNX file, answered by ONNX Runtime: opened like any other trained model."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.preprocess import Preprocess
from convnets.errors import ModelFolderError, UsageError

__all__ = ["METADATA", "OnnxNetwork", "is_onnx", "open_onnx", "start_session"]

METADATA = "convnets"
"""Key of the file's metadata: classes and preprocessing as JSON."""


def is_onnx(path: object) -> bool:
    """Whether a path names an ONNX file.

    >>> is_onnx("model.onnx"), is_onnx("runs/a")
    (True, False)
    """
    return isinstance(path, str | Path) and Path(path).suffix.lower() == ".onnx"


class OnnxNetwork(nn.Module):
    """Logits of an ONNX file. It has no weights of its own to train or to take apart.

    Where the file takes pictures, it gets back the bytes of pixels in [0, 1], and its probabilities become logits.
    """

    def __init__(self, session: Any, form: str) -> None:
        super().__init__()
        self.session, self.form = session, form

    def forward(self, images: Tensor) -> Tensor:
        """float32 N×C×H×W → N×K."""
        if self.form == "pictures":
            inputs = (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        else:
            inputs = images.float().contiguous()
        found = torch.from_numpy(self.session.run(None, {"inputs": inputs.cpu().numpy()})[0])
        return found.clamp_min(1e-38).log() if self.form == "pictures" else found


def open_onnx(path: Path | str) -> TrainedModel:
    """The model of a file that `convnets export` wrote. Raises ModelFolderError for another or a damaged one."""
    path = Path(path)
    if not path.is_file():
        raise ModelFolderError(f"{path} does not exist; write it with: convnets export RUN --to onnx")
    session = start_session(path)
    try:
        known = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
        classes, preprocess = tuple(map(str, known["classes"])), Preprocess.from_dict(known["preprocess"])
        form = str(known["form"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"{path} does not say its classes and preprocessing ({str(error)[:60]}); write it with convnets export"
        ) from None
    if form == "pictures":  # what it does itself is not to be done twice
        preprocess = Preprocess.plain(preprocess.channels, preprocess.resize, preprocess.resize)
    return TrainedModel(OnnxNetwork(session, form), classes, preprocess)


def start_session(path: Path) -> Any:
    """ONNX Runtime on the processor. Raises UsageError where it is not installed, ModelFolderError for a bad file."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise UsageError("ONNX files need onnxruntime; install it with: pip install 'convnets[onnx]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  its errors share no root but this
        raise ModelFolderError(f"{path} is no ONNX file that runs here ({str(error)[:80]})") from None
