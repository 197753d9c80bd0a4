"""Guided backpropagation: the gradient in which each ReLU lets only positive gradients back."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from convnets.errors import InputError
from convnets.explanation.attribution.question import Answer, Question
from convnets.explanation.capture.autograd_nodes import nodes_below
from convnets.explanation.capture.calls import Calls
from convnets.explanation.capture.watch import watch

__all__ = ["check_guided", "guided_backpropagation"]

# activations without a rule of guided backpropagation, and ways to write a ReLU that cannot be told from other things
_OTHERS = re.compile(
    r"(Sigmoid|Tanh|Gelu|Silu|LeakyRelu|RreluWithNoise|Elu|Hardtanh|Hardswish|Hardsigmoid|Mish|Softplus|PreluKernel|"
    r"LogSigmoid|Clamp\w*|Threshold|Where|Maximum|Minimum)Backward\d+"
)
_BUILT_IN = re.compile(r"\w+Backward\d+|torch::autograd::\w+")


def guided_backpropagation(question: Question) -> Answer:
    """∂F/∂x in which each ReLU y = max(0, z) passes g · [z > 0] · [g > 0] back in the place of g · [z > 0]: N×C×H×W.

    Springenberg, Dosovitskiy, Brox & Riedmiller 2014, "Striving for simplicity", arXiv:1412.6806. It is done at the
    ReLUs of the recorded graph, and so at modules, functions and modules that are called several times alike.
    Raises InputError for a network without ReLUs, or with operations that it has no rule for.
    """
    check_guided(question.calls)
    parts = []
    size = question.part(gradients=True)
    with watch(question.network) as watching:
        for start in range(0, len(question.images), size):
            places = slice(start, start + size)
            found = watching.run(question.images[places], gradients=True)
            for node in nodes_below(found.logits.grad_fn):
                if node.name() == "ReluBackward0":
                    node.register_hook(_only_positive)
            with torch.enable_grad():
                parts.append(found.image_gradient(question.scores(found.logits, places)))
    return Answer({"": torch.cat(parts) if parts else torch.zeros_like(question.images)})


def check_guided(calls: Calls) -> None:
    """Raise InputError, naming the operation, where guided backpropagation has no rule for what the network does."""
    opaque = [name for name in calls.operations if not _BUILT_IN.fullmatch(name)]
    if opaque:
        raise InputError(
            f"guided backpropagation cannot see into {opaque[0]} of {calls.network}, which may hide a ReLU; write it "
            "with PyTorch's own operations, or choose gradient"
        )
    others = [name for name in calls.operations if _OTHERS.fullmatch(name)]
    if others:
        raise InputError(
            f"guided backpropagation has a rule for ReLU alone, and {calls.network} uses "
            f"{', '.join(name.split('Backward')[0] for name in others)}; choose gradient or smooth-grad"
        )
    if not calls.operations["ReluBackward0"]:
        raise InputError(
            f"guided backpropagation changes ReLUs, and {calls.network} has none; choose gradient, which it would be"
        )


def _only_positive(found: tuple[Tensor | None, ...], given: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:  # noqa: ARG001
    """g · [z > 0], which the node has just made, so that it may be changed in place, to that times [g > 0]."""
    return tuple(None if each is None else each.clamp_(min=0) for each in found)
