"""A copy of a network that ONNX Runtime computes: written, opened and compared in seconds, never left on disk."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convnets.checkpoints.onnx.onnx_model import OnnxNetwork, start_session
from convnets.errors import ModelFolderError, UsageError
from convnets.models.answers import logits_of

__all__ = ["OPSET", "AnswersCompared", "compare_answers", "onnx_copy", "quiet", "write_network"]

OPSET = 18
_NEEDED = ("onnx", "onnxruntime", "onnxscript")
_BATCHES = (1, 3, 17)
_ALLOWED = 1e-4  # relative to the largest answer


@dataclass(frozen=True)
class AnswersCompared:
    """How far one network's logits are from another's on the same images."""

    error: float
    """Largest difference, as a share of the largest logit; infinity where shapes differ or one is not finite."""
    agreement: float
    """Share of the images with the same first class."""

    @property
    def equal(self) -> bool:
        """Whether no logit differs by more than 0.0001 of the largest, and every first class is the same."""
        return self.error <= _ALLOWED and self.agreement == 1.0


def compare_answers(own: Tensor, other: Tensor) -> AnswersCompared:
    """Logits N×K of two networks.

    A first class counts as the same where the two best logits are nearer to each other than the networks are.

    >>> compare_answers(torch.tensor([[1.0, 2.0], [4.0, 3.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    AnswersCompared(error=0.25, agreement=0.5)
    """
    if own.shape != other.shape or not own.isfinite().all() or not other.isfinite().all():
        return AnswersCompared(float("inf"), 0.0)
    own, other = own.double(), other.double()
    difference, largest = float((own - other).abs().max()), float(own.abs().max())
    error = difference / largest if largest else (0.0 if difference == 0 else float("inf"))
    chosen = own.gather(1, other.argmax(1, keepdim=True)).flatten()
    tie = 2 * difference if error <= _ALLOWED else 0.0
    return AnswersCompared(error, float((own.amax(1) - chosen <= tie).double().mean()))


def onnx_copy(network: nn.Module, shape: Sequence[int]) -> OnnxNetwork:
    """A module with the logits of `network` (in evaluation mode, on the processor) for images of `shape`, C×H×W.

    It takes any number of images and computes with as many threads as PyTorch has now.
    Raises UsageError where a package is missing, and ModelFolderError where the network cannot be written as ONNX or
    answers otherwise in batches of 1, 3 and 17.

    >>> copied = onnx_copy(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval(), (1, 2, 2))
    >>> copied(torch.zeros(5, 1, 2, 2)).shape
    torch.Size([5, 3])
    """
    lacking = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"ONNX Runtime needs {', '.join(lacking)}; install it with: pip install 'convnets[onnx]'"
        )
    name = type(network).__name__
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        write_network(network, shape, path)
        copied = OnnxNetwork(start_session(path), "tensor", name, "", (0, 0), 1.0).eval()
    for count in _BATCHES:
        images = torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))
        with torch.inference_mode():
            found = compare_answers(logits_of(network(images)), _answers(copied, images, name))
        if not found.equal:
            raise ModelFolderError(
                f"ONNX Runtime answers otherwise than the network: {found.error:.1g} of the largest logit at batch "
                f"{count} (allowed: {_ALLOWED:g}), {found.agreement:.0%} with the same first class"
            )
    return copied


def _answers(copied: OnnxNetwork, images: Tensor, name: str) -> Tensor:
    try:
        return logits_of(copied(images))
    except Exception as failed:  # noqa: BLE001  what it raises shares no root but this
        line = " ".join(str(failed).split())[:160]
        raise ModelFolderError(f"ONNX Runtime cannot compute {name}: {line}") from None


def write_network(network: nn.Module, shape: Sequence[int], path: Path) -> None:
    """Write `inputs` (float32 N×C×H×W, any N) → `logits` to `path`. Raises ModelFolderError where it cannot be done.

    PyTorch's older exporter comes first, since it needs a tenth of the newer one's time.
    """
    images = torch.zeros(2, *shape)
    names: dict[str, Any] = {"input_names": ["inputs"], "output_names": ["logits"]}
    answering = _Answering(network).eval()
    try:
        with quiet(), torch.no_grad():
            try:
                axes = {"inputs": {0: "count"}, "logits": {0: "count"}}
                torch.onnx.export(
                    answering, (images,), path, opset_version=OPSET, dynamo=False, dynamic_axes=axes, **names
                )
            except Exception:  # noqa: BLE001  what it cannot trace, or a PyTorch that has it no more
                count = {0: torch.export.Dim("count", min=1)}
                program = torch.export.export(answering, (images,), dynamic_shapes={"images": count})
                made = torch.onnx.export(program, opset_version=OPSET, dynamo=True, verbose=False, **names)
                assert made is not None
                made.save(path, external_data=False)
    except Exception as failed:  # noqa: BLE001  what exporters raise shares no root but this
        line = " ".join(str(failed).split())[:160]
        raise ModelFolderError(
            f"{type(network).__name__} cannot be written as ONNX: {line or type(failed).__name__}"
        ) from None


class _Answering(nn.Module):
    """Logits, in whatever a network gives them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """float32 N×C×H×W → N×K."""
        return logits_of(self.network(images))


@contextmanager
def quiet() -> Iterator[None]:
    """The exporters speak of packages that are not needed, and of their own future."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
