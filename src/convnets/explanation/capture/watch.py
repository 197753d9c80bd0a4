"""Watch: passes through a network with an eye on some of its layers.

N images, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.explanation.capture.calls import LayerCall
from convnets.explanation.capture.undisturbed_pass import to_network, undisturbed_pass
from convnets.models.answers import logits_of

__all__ = ["Change", "Pass", "Watch", "watch"]

Change = Callable[[Tensor], Tensor]
"""What takes the place of a layer's output, such as the same with a channel set to zero."""


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass left; with gradients its tensors belong to a live graph, which goes when they go."""

    images: Tensor
    """The very tensor that went in, a copy of the given one."""
    logits: Tensor
    """N×K."""
    maps: dict[str, Tensor]
    """By the name of the call: a copy of what it gave, which nothing later in the network changes."""

    def gradients(self, scores: Tensor, *, keep_graph: bool = False) -> dict[str, Tensor]:
        """The gradient of the sum of `scores` for each of `maps`, as N images of a batch do not touch each other.

        Raises InputError, naming the layer, where no gradient comes to it.
        """
        names = list(self.maps)
        found = {}
        gradients = self._grad(scores, [self.maps[name] for name in names], keep_graph)
        for name, gradient in zip(names, gradients, strict=True):
            if gradient is None:
                raise InputError(
                    f"no gradient comes to {name}: what it gives does not lead to the score, or is detached on the "
                    "way; choose another layer"
                )
            found[name] = gradient
        return found

    def image_gradient(self, scores: Tensor, *, keep_graph: bool = False) -> Tensor:
        """The gradient of the sum of `scores` for the images: N×C×H×W. Raises InputError where there is none."""
        (gradient,) = self._grad(scores, [self.images], keep_graph)
        if gradient is None:
            raise InputError("no gradient comes to the image: the network detaches something on the way")
        return gradient

    @staticmethod
    def _grad(scores: Tensor, tensors: list[Tensor], keep_graph: bool) -> tuple[Tensor | None, ...]:
        if not scores.requires_grad:
            raise InputError(
                "the network's logits have no gradient; run it with gradients=True, and not detached"
            )
        recorded = [each for each in tensors if each.requires_grad]  # not where the network switched it off
        if not recorded:
            return (None,) * len(tensors)
        found = torch.autograd.grad(scores.sum(), recorded, retain_graph=keep_graph, allow_unused=True)
        by_place = iter(found)
        return tuple(next(by_place) if each.requires_grad else None for each in tensors)


@dataclass(eq=False)
class Watch:
    """Runs a network; made by `watch`, and only good inside its block."""

    network: nn.Module
    layers: tuple[LayerCall, ...]
    changes: Mapping[LayerCall, Change]
    """What takes the place of outputs in the next pass; others than those that `watch` was given may change nothing."""
    _numbers: Counter[str] = field(default_factory=Counter)
    _maps: dict[str, Tensor] = field(default_factory=dict)
    _late: bool = False
    """Whether recording begins at the first watched layer."""

    def run(self, images: Tensor, *, gradients: bool = False, of_maps: bool = False) -> Pass:
        """One pass of float images N×C×H×W; with `gradients` they can be asked for after it.

        With `of_maps` those of the maps alone: then what comes before the first watched layer is not recorded.
        Raises InputError where a layer is not reached on the way, or the answer is not logits.
        """
        late = gradients and of_maps and bool(self.layers) and all(call.counts for call in self.layers)
        x, logits, steady = self._pass(images, gradients=gradients, late=late)
        if late and not steady:  # the network sets by itself what is recorded
            x, logits, _ = self._pass(images, gradients=True, late=False)
        missing = [
            call.name for call in (*self.layers, *self.changes) if self._numbers[call.path] < call.number
        ]
        if missing:
            raise InputError(f"{missing[0]} does not run for these images; choose a layer that always does")
        found = Pass(x, logits, dict(self._maps))
        self._maps.clear()
        return found

    def _pass(self, images: Tensor, *, gradients: bool, late: bool) -> tuple[Tensor, Tensor, bool]:
        """What went in, the logits, and whether recording was on at the end as it should be."""
        self._numbers.clear()
        self._maps.clear()
        self._late = late
        x = to_network(self.network, images).clone()
        with torch.set_grad_enabled(gradients and not late):
            answer = self.network(x.requires_grad_(gradients and not late))
            steady = torch.is_grad_enabled() == gradients
            with torch.set_grad_enabled(gradients):
                logits = logits_of(answer)
        return x, logits, steady

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The hooks are there inside the block."""
        paths = dict.fromkeys(call.path for call in (*self.layers, *self.changes))
        hooks = [self.network.get_submodule(path).register_forward_hook(self._hook(path)) for path in paths]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, path: str) -> Callable[[nn.Module, Any, Any], Tensor | None]:
        wanted = {call.number: call.name for call in self.layers if call.path == path}

        def see(module: nn.Module, given: Any, output: Any) -> Tensor | None:  # noqa: ARG001  a hook's signature
            self._numbers[path] += 1
            number = self._numbers[path]
            changes = {call.number: change for call, change in self.changes.items() if call.path == path}
            if number not in wanted and number not in changes:
                return None
            if not isinstance(output, Tensor):
                raise InputError(
                    f"{path} gives {type(output).__name__}; allowed: a layer that gives one tensor"
                )
            if number in changes:
                output = changes[number](output.clone())
            if number in wanted:
                # two copies: an in-place operation later on changes the one that goes on, and one on the
                # tensor that came in (a layer may give its very input) changes neither
                if self._late:
                    torch.set_grad_enabled(True)
                kept = output.clone()
                if torch.is_grad_enabled() and not kept.requires_grad:
                    kept.requires_grad_(True)
                self._maps[wanted[number]] = kept
                output = kept.clone()
            seen: Tensor = output
            return seen

        return see


@contextmanager
def watch(
    network: nn.Module, layers: Sequence[LayerCall] = (), *, changes: Mapping[LayerCall, Change] | None = None
) -> Iterator[Watch]:
    """Passes through `network` in evaluation mode, which copy what the calls `layers` give (see `choose_layers`).

    `changes` put something else in the place of what a layer gives; where that layer is also watched, it is the
    changed output that is copied. The network is left as found, also after an error or Ctrl-C.

    >>> from convnets.explanation.capture.calls import find_calls
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 3))
    >>> image = torch.randn(1, 1, 4, 4)
    >>> convolution = find_calls(network, image).all[0]
    >>> with watch(network, [convolution]) as watching:
    ...     found = watching.run(image, gradients=True)
    ...     gradients = found.gradients(found.logits[:, 0])
    >>> gradients["0"].shape
    torch.Size([1, 2, 2, 2])
    """
    watching = Watch(network, tuple(layers), dict(changes or {}))
    with undisturbed_pass(network), watching.listening():
        yield watching
