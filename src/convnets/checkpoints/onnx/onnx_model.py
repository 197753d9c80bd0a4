"""A network in an ONNX file, answered by ONNX Runtime: opened like any other trained model."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.storage.files import sha256_of_file
from convnets.data.preprocess import Preprocess
from convnets.errors import ModelFolderError, UsageError

__all__ = ["METADATA", "OnnxNetwork", "is_onnx", "no_folder", "open_onnx", "start_session"]

METADATA = "convnets"
"""Key of the file's metadata: classes, preprocessing and calibration as JSON."""


def is_onnx(path: object) -> bool:
    """Whether a path names an ONNX file; a folder is none, whatever its name.

    >>> is_onnx("model.onnx"), is_onnx("runs/a")
    (True, False)
    """
    return isinstance(path, str | Path) and Path(path).suffix.lower() == ".onnx" and not Path(path).is_dir()


class OnnxNetwork(nn.Module):
    """Logits of an ONNX file. It has no weights of its own to train or to take apart.

    Where the file takes pictures, it gets back the bytes of pixels in [0, 1], with the margin that it crops itself,
    and its probabilities become the logits that they came from, but for a constant.
    """

    def __init__(
        self, session: Any, form: str, name: str, version: str, margins: tuple[int, int], temperature: float
    ) -> None:
        super().__init__()
        self.session, self.form = session, form
        self.name, self.version = name, version
        """Of the network that was exported; the SHA-256 of the file."""
        self._margins, self._temperature = margins, temperature

    def forward(self, images: Tensor) -> Tensor:
        """float32 N×C×H×W → N×K."""
        if images.requires_grad:  # there is no way back through the file
            raise no_folder("the network")
        images = images.float().cpu()
        if self.form == "tensor":
            found: Tensor = torch.from_numpy(self._run(images))
            return found
        before, after = self._margins
        pictures = F.pad((images * 255).round().clamp(0, 255).to(torch.uint8), (before, after, before, after))
        probabilities = torch.from_numpy(self._run(pictures.permute(0, 2, 3, 1)))
        return probabilities.clamp_min(1e-38).log() * self._temperature

    def _run(self, inputs: Tensor) -> Any:
        return self.session.run(None, {"inputs": inputs.contiguous().numpy()})[0]


def open_onnx(path: Path | str) -> TrainedModel:
    """The model of a file that `convnets export` wrote. Raises ModelFolderError for another or a damaged one."""
    path = Path(path)
    if not path.is_file():
        raise ModelFolderError(f"{path} does not exist; write it with: convnets export RUN --to onnx")
    session = start_session(path)
    try:
        known = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
        if "encoder" in known:
            raise ModelFolderError(
                f"{path} holds a model of tables or series; allowed here: models of images; use it with convnets "
                "predict, evaluate and serve, or TablePredictor"
            )
        classes, preprocess = tuple(map(str, known["classes"])), Preprocess.from_dict(known["preprocess"])
        form, name = str(known["form"]), str(known["network"])
        calibration: dict[str, Any] | None = known.get("calibration")
        temperature = 1.0 if calibration is None else float(calibration["temperature"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"{path} does not say its classes and preprocessing ({str(error)[:60]}); write it with convnets export"
        ) from None
    margin = preprocess.resize - preprocess.size
    margins = (margin // 2, margin - margin // 2)
    if form == "pictures":  # what it does itself is not to be done twice
        preprocess = Preprocess.plain(preprocess.channels, preprocess.size, preprocess.resize)
    network = OnnxNetwork(session, form, name, sha256_of_file(path), margins, temperature).eval()
    metrics = {} if calibration is None else {"calibration": calibration}
    return TrainedModel(network, classes, preprocess, metrics)


def no_folder(source: object) -> UsageError:
    """What is said where an ONNX file is given to a tool that looks into networks.

    >>> str(no_folder("digits.onnx")).partition(";")[0]
    'digits.onnx is an ONNX file, which only answers (predict, evaluate, serve)'
    """
    return UsageError(
        f"{source} is an ONNX file, which only answers (predict, evaluate, serve); "
        "give the run or model folder that it was exported from"
    )


def start_session(path: Path, *, to_answer: bool = True) -> Any:
    """ONNX Runtime on the processor; without `to_answer` as fast as can be, to read what the file says.

    Raises UsageError where it is not installed, ModelFolderError for a bad file.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise UsageError("ONNX files need onnxruntime; install it with: pip install 'convnets[onnx]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    if not to_answer:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  its errors share no root but this
        raise ModelFolderError(f"{path} is no ONNX file that runs here ({str(error)[:80]})") from None
