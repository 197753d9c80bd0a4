"""capture: what layers give for many images, and the gradients there, in parts that fit a memory budget.

N images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError
from convnets.explanation.capture.calls import Calls, LayerCall, find_calls
from convnets.explanation.capture.layers import choose_layers
from convnets.explanation.capture.undisturbed_pass import to_network
from convnets.explanation.capture.watch import watch

__all__ = [
    "MEMORY",
    "Captured",
    "Scores",
    "capture",
    "capture_parts",
    "images_in_part",
    "one_image",
    "plain_network",
]

MEMORY = 512 << 20
"""Bytes that a pass may take beside the weights and what it returns, where nothing else is asked for."""
_QUICK = 24 << 20  # bytes of a tensor; glibc maps what is above 32 MiB afresh, page by page

Scores = Callable[[Tensor, int], Tensor]
"""Logits n×K of a part and the place of its first image → n numbers, of which gradients are taken."""


@dataclass(frozen=True, eq=False)
class Captured:
    """Copies of what went through a network, detached, on its device."""

    layers: tuple[LayerCall, ...]
    """The calls, in the order in which they were asked for."""
    logits: Tensor
    """N×K."""
    maps: dict[str, Tensor]
    """What each layer gave, by its name: N×C×H×W for feature maps."""
    gradients: dict[str, Tensor]
    """Gradient of the image's score there; empty where no scores were asked for."""


def capture(
    network: nn.Module,
    images: Tensor,
    layers: str | Sequence[str] = "last_maps",
    *,
    scores: Scores | None = None,
    memory: int = MEMORY,
) -> Captured:
    """What `layers` of `network` give for `images`, and with `scores` the gradients there.

    The network runs in evaluation mode. No gradient (`.grad`), mode, hook, buffer or random number of it is
    touched, also after an error or Ctrl-C. What is captured is a copy: in-place layers later on do not change it.

    Args:
        network: any module that answers images with logits (see `logits_of`).
        images: float N×C×H×W, normalized as in training; N may be 0.
        layers: names of modules that run, such as `stage4`; `relu (2)` for the second of several calls; or a role:
            `last_maps`, the last layer with feature maps, `stages`, the last layer of each map size.
        scores: gives one number for each image of a part, from its logits and the place of its first image, such as
            `lambda logits, start: logits[:, 3]`.
        memory: bytes that one part may take; a single image may take more.

    Raises UnknownNameError and InputError for layers that are not there, InputError for images that do not fit.

    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> found = capture(network, torch.randn(5, 1, 4, 4), scores=lambda logits, start: logits[:, 0])
    >>> found.layers[0].name, found.maps["1"].shape, found.gradients["1"].shape
    ('1', torch.Size([5, 2, 2, 2]), torch.Size([5, 2, 2, 2]))
    """
    network = plain_network(network)
    calls = find_calls(network, one_image(network, images))
    chosen = choose_layers(calls, layers)
    parts = list(_parts(network, images, calls, chosen, scores, memory))
    if not parts:
        return _nothing(network, images, calls, chosen, with_gradients=scores is not None)
    return Captured(
        tuple(chosen),
        torch.cat([part.logits for part in parts]),
        {call.name: torch.cat([part.maps[call.name] for part in parts]) for call in chosen},
        {name: torch.cat([part.gradients[name] for part in parts]) for name in parts[0].gradients},
    )


def capture_parts(
    network: nn.Module,
    images: Tensor,
    layers: str | Sequence[str] = "last_maps",
    *,
    scores: Scores | None = None,
    memory: int = MEMORY,
) -> Iterator[Captured]:
    """`capture` part by part, for many images whose maps together would not fit; between parts nothing is hooked."""
    network = plain_network(network)
    calls = find_calls(network, one_image(network, images))
    yield from _parts(network, images, calls, choose_layers(calls, layers), scores, memory)


def plain_network(network: nn.Module) -> nn.Module:
    """The network inside what `torch.compile` wrapped; any other as it is."""
    inner = getattr(network, "_orig_mod", network)
    return inner if isinstance(inner, nn.Module) else network


def one_image(network: nn.Module, images: Tensor) -> Tensor:
    """The first image, or one of zeros where there is none, as the network takes it."""
    images = to_network(network, images)
    return images[:1] if len(images) else images.new_zeros(1, *images.shape[1:])


def images_in_part(calls: Calls, memory: int, *, gradients: bool, layers: Sequence[LayerCall] = ()) -> int:
    """How many images go through at once within `memory` bytes: at least 1, at most 1024.

    On a CPU no tensor is to be so large that the C library asks the kernel for it anew each time.
    Raises ConfigError unless `memory` is above 0.
    """
    if memory < 1:
        raise ConfigError(f"memory is {memory} bytes; allowed: 1 or more, such as {MEMORY}")
    copies = sum(2 * 4 * torch.Size(call.shape or ()).numel() for call in layers)
    # without gradients a few tensors are alive at a time; with them what autograd keeps, and gradients on the way
    alive = calls.kept_bytes + 3 * calls.largest_bytes if gradients else 6 * calls.largest_bytes
    fitting = memory // max(1, alive + copies * (2 if gradients else 1))
    if calls.device == "cpu":
        fitting = min(fitting, _QUICK // max(1, calls.largest_bytes))
    return max(1, min(1024, fitting))


def _parts(
    network: nn.Module,
    images: Tensor,
    calls: Calls,
    chosen: list[LayerCall],
    scores: Scores | None,
    memory: int,
) -> Iterator[Captured]:
    size = images_in_part(calls, memory, gradients=scores is not None, layers=chosen)
    for start in range(0, len(images), size):
        yield _part(network, images[start : start + size], chosen, scores, start)


def _part(
    network: nn.Module, images: Tensor, chosen: list[LayerCall], scores: Scores | None, start: int
) -> Captured:
    with watch(network, chosen) as watching:
        found = watching.run(images, gradients=scores is not None)
        gradients = {}
        if scores is not None:
            with torch.enable_grad():
                gradients = found.gradients(scores(found.logits, start))
    maps = {call.name: found.maps[call.name].detach() for call in chosen}
    return Captured(tuple(chosen), found.logits.detach(), maps, gradients)


def _nothing(
    network: nn.Module, images: Tensor, calls: Calls, chosen: list[LayerCall], *, with_gradients: bool
) -> Captured:
    """No images: no pass, but tensors of the shapes that images would give."""
    like = to_network(network, images)
    maps = {call.name: like.new_empty(0, *(call.shape or ())[1:]) for call in chosen}
    gradients = {name: each.clone() for name, each in maps.items()} if with_gradients else {}
    return Captured(tuple(chosen), like.new_empty(0, calls.classes), maps, gradients)
