"""Passes: the forward passes that a summary is made from, each leaving the network as found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from convnets.core.network_copy import copy_network
from convnets.errors import InputError
from convnets.inspection.running.preserve_state import meta_copy_of, preserve_state, put_meta_tensors_in
from convnets.inspection.running.recording import Recording, record
from convnets.models.catalogue import model_entry
from convnets.models.contract import ImageClassifier

__all__ = ["Passes", "image_shape", "run_passes"]


@dataclass(frozen=True, eq=False)
class Passes:
    """What the passes left."""

    evaluation: Recording
    """One image, in evaluation mode, without gradients."""
    image: tuple[int, ...] | None
    """C×H×W of the image; None for other inputs."""
    input_shape: tuple[int, ...]
    """The image's shape, or the whole shape of the first of other inputs."""
    kept: dict[tuple[str, int], int] | None
    """Bytes that each call keeps for the backward pass, for one more image."""
    kept_bytes: int | None
    """The same, of all calls together."""
    kept_bytes_per_batch: int | None
    """Bytes that are kept however many images there are."""


def run_passes(
    network: nn.Module,
    input_size: int | Sequence[int] | None,
    inputs: Sequence[Any] | None,
    *,
    training: bool,
) -> Passes:
    """One pass in evaluation mode and, with `training`, those in training mode that tell what autograd keeps."""
    if not isinstance(network, nn.Module):
        raise InputError(f"network is {network!r}; allowed: an nn.Module, such as create_model('lenet')")
    image = image_shape(network, input_size) if inputs is None else None
    evaluation = _run(network, image, inputs, 1, training=False)
    if evaluation.failure is None and isinstance(network, ImageClassifier) and image is not None:
        _check_contract(network, image)
    shape = image if image is not None else (evaluation.root.input_shapes or ((),))[0]
    if not training or evaluation.failure is not None:
        return Passes(evaluation, image, shape, None, None, None)
    # what is kept is a·images + b: two passes tell a and b; one image would be too few for batch norm
    batches = (2, 3) if inputs is None else (1,)
    found = [_run(network, image, inputs, batch, training=True) for batch in batches]
    if any(each.failure is not None for each in found):
        return Passes(evaluation, image, shape, None, None, None)
    totals = [sum(call.kept_bytes for call in each.root.walk()) for each in found]
    kept = [{(call.name, call.number): call.kept_bytes for call in each.root.walk()} for each in found]
    if len(found) == 1:
        return Passes(evaluation, image, shape, kept[0], totals[0], 0)
    each_image = {key: kept[1].get(key, 0) - kept[0].get(key, 0) for key in kept[1]}
    return Passes(evaluation, image, shape, each_image, totals[1] - totals[0], 3 * totals[0] - 2 * totals[1])


def image_shape(network: nn.Module, input_size: int | Sequence[int] | None) -> tuple[int, ...]:
    """C×H×W of the image that `input_size` asks for. Raises InputError for what is no size of an image."""
    if isinstance(network, ImageClassifier) and (input_size is None or isinstance(input_size, int)):
        side = _published_size(network) if input_size is None else input_size
        input_size = (network.in_channels, *(side,) * max(network.sizes.axes))
    if input_size is None or isinstance(input_size, int):
        raise InputError(f"input size is {input_size}; allowed: C×H×W, such as (3, 224, 224)")
    shape = tuple(_whole(each) for each in input_size)
    sides = "×".join(map(str, input_size))
    if not shape or min(shape) < 1:
        raise InputError(
            f"input size is {sides or 'empty'}; allowed: C×H×W of whole numbers from 1, such as (1, 28, 28)"
        )
    if isinstance(network, ImageClassifier):
        needed = {2: "CHW", 1: "CL"}[max(network.sizes.axes)]
        fits = len(shape) - 1 in network.sizes.axes  # mlp takes vectors too
    else:
        needed = _axes(network)
        fits = not needed or len(shape) == len(needed)
    if not fits:
        raise InputError(
            f"input size is {sides}; this network needs {'×'.join(needed)} of one image, without N"
        )
    return shape


def _whole(value: object) -> int:
    """A whole number of any library as an int; 0 for anything else."""
    if isinstance(value, bool):
        return 0
    return int(value) if isinstance(value, Integral) else 0


def _axes(network: nn.Module) -> str:
    """Axes of an image for the first convolution; empty where there is none."""
    for module in network.modules():
        for kind, axes in ((nn.Conv1d, "CL"), (nn.Conv2d, "CHW"), (nn.Conv3d, "CDHW")):
            if isinstance(module, kind):
                return axes
    return ""


def _published_size(network: ImageClassifier) -> int:
    if network.input_size is not None:
        return network.input_size
    if network.architecture is None:
        raise InputError(f"input size is missing; give C×H×W, such as ({network.in_channels}, 224, 224)")
    return model_entry(network.architecture.name).input_size


def _check_contract(network: ImageClassifier, image: tuple[int, ...]) -> None:
    """Raise the network's own InputError for a size that no layer minds but that it does not promise to take."""
    with preserve_state(network):
        network.eval()
        network.check_input(torch.empty(1, *image, device="meta"))


def _run(
    network: nn.Module,
    image: tuple[int, ...] | None,
    inputs: Sequence[Any] | None,
    batch: int,
    *,
    training: bool,
) -> Recording:
    found = _run_on_meta(network, image, inputs, batch, training=training)
    if found.failure is None or isinstance(network, ImageClassifier):
        return found
    if any(each.is_meta for each in [*network.parameters(), *network.buffers()]):
        return found
    # it may look at values, which the meta device has not: only a real pass can tell
    return _run_computed(network, image, inputs, batch, training=training) or found


def _run_on_meta(
    network: nn.Module,
    image: tuple[int, ...] | None,
    inputs: Sequence[Any] | None,
    batch: int,
    *,
    training: bool,
) -> Recording:
    with preserve_state(network):
        given = _inputs(network, image, inputs, batch, torch.device("meta"))
        meta_tensors = put_meta_tensors_in(network)
        if isinstance(network, ImageClassifier):
            # the network would refuse a wrong size at its door; the layer that breaks is what is wanted here
            network.__dict__["check_input"] = lambda _: None
        network.train(training)
        return record(network, given, fixed=meta_tensors, gradients=training)


def _run_computed(
    network: nn.Module,
    image: tuple[int, ...] | None,
    inputs: Sequence[Any] | None,
    batch: int,
    *,
    training: bool,
) -> Recording | None:
    """A pass of a copy on zeros, or on the inputs that were given; None where it cannot be copied."""
    try:
        copied = copy_network(network).train(training)
    except Exception:  # noqa: BLE001  a module may refuse to be copied in any way
        return None
    weights = [*copied.parameters(), *copied.buffers()]
    device = weights[0].device if weights else torch.device("cpu")
    given = _inputs(copied, image, inputs, batch, device)
    with preserve_state(copied), torch.random.fork_rng(devices=[]):
        return record(copied, given, fixed=weights, gradients=training, computed=True)


def _inputs(
    network: nn.Module,
    image: tuple[int, ...] | None,
    inputs: Sequence[Any] | None,
    batch: int,
    device: torch.device,
) -> list[Any]:
    if inputs is not None:
        to_meta = device.type == "meta"
        return [
            tree_map(lambda x: meta_copy_of(x) if to_meta and isinstance(x, Tensor) else x, each)
            for each in inputs
        ]
    assert image is not None
    kinds = [each.dtype for each in tree_leaves(list(network.parameters())) if each.is_floating_point()]
    return [torch.zeros(batch, *image, dtype=kinds[0] if kinds else torch.float32, device=device)]
