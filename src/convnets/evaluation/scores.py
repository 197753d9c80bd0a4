"""Scores: log-probabilities of a batch of normalized images, the one place where a network is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from convnets.checkpoints.onnx.onnx_model import OnnxNetwork
from convnets.core.hardware import Hardware, may_be_paced
from convnets.data.preprocess import Preprocess
from convnets.errors import DeviceError, TrainingError
from convnets.evaluation.views import crop_views, view_weights
from convnets.models.answers import logits_of

__all__ = ["check_finite", "evaluation_mode", "hardware_for", "images_at_once", "log_probabilities"]

# pixels of one channel that go through a network at once: 512 images of 32 × 32, 10 of 224 × 224
_PIXELS_AT_ONCE = {"cpu": 512 * 32 * 32, "cuda": 16 * 512 * 32 * 32}


@contextlib.contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Inside, `network` is in evaluation mode and no gradients are kept; every part's mode is put back after.

    >>> network = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    >>> with evaluation_mode(network):
    ...     [module.training for module in network]
    [False, False]
    >>> [module.training for module in network]
    [True, False]
    """
    found = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in found:
            module.training = training


def log_probabilities(
    network: nn.Module, images: Tensor, size: int, views: int, hardware: Hardware
) -> Tensor:
    """Normalized images N×C×H×W → float32 N×K: log-probabilities of the views' average (`view_weights`).

    Call it inside `evaluation_mode`; `size` is the side of each crop in pixels, and one view is not cropped.
    """
    crops = [images] if views == 1 else list(crop_views(images, size, views).unbind(1))
    with hardware.autocast():
        logits = [logits_of(network(crop.contiguous())) for crop in crops]
    scores = torch.stack([each.float().log_softmax(1) for each in logits])  # V×N×K
    shares = view_weights(views).to(scores.device).log()
    return (scores + shares[:, None, None]).logsumexp(0)


def check_finite(scores: Tensor, names: str) -> None:
    """Raise TrainingError when a row of N×K scores is not finite; `names` says what the rows are."""
    wrong = (~scores.isfinite()).any(1).nonzero().flatten()
    if len(wrong):
        raise TrainingError(
            f"the network gave {float(scores[wrong[0]].max())} for image {int(wrong[0])} of {names}, "
            f"{len(wrong)} of {len(scores)} in all; allowed: finite logits; "
            "its weights diverged or are damaged: train with a smaller learning rate, or load other weights"
        )


def hardware_for(network: nn.Module, hardware: Hardware | None) -> Hardware:
    """`hardware`, checked to be where `network` is; None takes the network's own device, in float32.

    An ONNX file answers on the processor in float32, whatever `hardware` is. Raises DeviceError when they differ.
    """
    found = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    if hardware is None:
        return Hardware(found, torch.float32, torch.get_num_threads(), paced=may_be_paced(found))
    if isinstance(network, OnnxNetwork):
        return replace(hardware, device=found, dtype=torch.float32)
    if hardware.device.type != found.type or hardware.device.index not in (None, found.index):
        raise DeviceError(
            f"the network is on {found}, images go to {hardware.device}; use network.to('{hardware.device}')"
        )
    return hardware


def images_at_once(preprocess: Preprocess, views: int, hardware: Hardware) -> int:
    """Images per batch that keep memory bounded at any size: on a CPU 512 of 32 × 32, fewer of larger ones.

    >>> cpu = Hardware(torch.device("cpu"), torch.float32, threads=1)
    >>> [images_at_once(Preprocess.plain(3, size), 1, cpu) for size in (28, 96, 224)]
    [668, 56, 10]
    """
    budget = _PIXELS_AT_ONCE["cuda" if hardware.device.type == "cuda" else "cpu"]
    return min(8192, max(8, budget // (preprocess.size**2 * views)))
