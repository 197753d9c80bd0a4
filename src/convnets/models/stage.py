"""Stage: a network up to one of its stages, as a module of its own that shares the network's weights.

N images, C channels, S side, H height, W width of maps, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from convnets.errors import InputError, UnknownNameError

__all__ = ["STAGES", "EmbedAndClassify", "NamedStage", "Stage", "stage_of"]

STAGES = ("pixels", "features", "embed", "logits")
"""Stages of every network of the catalogue; any module's name is one too."""


class Stage(nn.Module):
    """`features` (N×C×H×W), `embed` (N×D) or `logits` (N×K) of `network`, or its very input as `pixels`.

    >>> import torch
    >>> from convnets.models.papers.lenet import LeNet
    >>> Stage(LeNet(), "embed")(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 84])
    """

    def __init__(self, network: nn.Module, stage: str) -> None:
        super().__init__()
        self.network, self.stage = network, stage
        if stage not in STAGES:
            raise UnknownNameError("stage", stage, STAGES)
        if stage in ("features", "embed") and not hasattr(network, stage):
            raise InputError(
                f"{type(network).__name__} has no {stage}(); allowed: pixels, logits, or the name of a module in it"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Normalized images float N×C×S×S → what the stage gives."""
        if self.stage == "pixels":
            return x
        if self.stage == "logits":
            return cast(Tensor, self.network(x))
        method = cast("Callable[[Tensor], Tensor]", getattr(self.network, self.stage))
        return method(x)


class EmbedAndClassify(nn.Module):
    """Both at once, for the price of one pass: the embedding N×D and the logits N×K that `classifier` makes of it.

    Raises InputError for a network whose classes do not come from its embedding by one linear layer.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        if not hasattr(network, "embed") or not isinstance(getattr(network, "classifier", None), nn.Linear):
            raise InputError(
                f"{type(network).__name__} has no embed() with a linear classifier after it; "
                "allowed beside a classification: networks of the catalogue that have both, such as lenet"
            )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalized images float N×C×S×S → N×D and N×K."""
        embed = cast("Callable[[Tensor], Tensor]", self.network.embed)
        classifier = cast(nn.Linear, self.network.classifier)
        vectors = embed(x)
        return vectors, classifier(vectors)


class NamedStage(nn.Module):
    """What the module called `stage` gives inside `network`; the layers after it are not computed.

    A hook listens during each call and is gone after it. Raises InputError where the module is not reached or
    gives something other than one tensor.
    """

    def __init__(self, network: nn.Module, stage: str) -> None:
        super().__init__()
        self.network, self.stage = network, stage
        names = [name for name, _ in network.named_modules() if name]
        if stage not in names:
            raise UnknownNameError("stage", stage, [*STAGES, *names])

    def forward(self, x: Tensor) -> Tensor:
        """Normalized images float N×C×S×S → the module's output at its first call."""
        handle = self.network.get_submodule(self.stage).register_forward_hook(_stop_here)
        try:
            self.network(x)
        except _Reached as reached:
            found = reached.output
        else:
            raise InputError(f"the network never calls {self.stage}; choose a stage that it passes through")
        finally:
            handle.remove()
        if not isinstance(found, Tensor):
            raise InputError(f"{self.stage} gives {type(found).__name__}; allowed: a module with one tensor")
        return found


class _Reached(Exception):  # noqa: N818  no error: it ends the pass once the stage has answered
    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output


def _stop_here(_module: nn.Module, _given: object, output: object) -> None:
    raise _Reached(output)


def stage_of(network: nn.Module, stage: str) -> Stage | NamedStage:
    """`network` up to `stage`: one of STAGES, or the name of a module such as `convolutions.3`."""
    return Stage(network, stage) if stage in STAGES else NamedStage(network, stage)
