"""Relevance: layer-wise relevance propagation, LRP-ε, for networks that are one layer after the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError
from convnets.explanation.attribution.question import Answer, Question
from convnets.explanation.capture.calls import Calls
from convnets.explanation.capture.undisturbed_pass import undisturbed_pass
from convnets.models.answers import logits_of

__all__ = ["relevance"]

_LINEAR = (
    nn.Linear,
    nn.Conv2d,
    nn.BatchNorm2d,
    nn.BatchNorm1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.MaxPool2d,
)
_PASSED_ON = (nn.ReLU, nn.Tanh, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity)
_OF_LAYERS = (
    "Convolution",
    "Addmm",
    "T",
    "NativeBatchNorm",
    "MaxPool2DWithIndices",
    "AvgPool2D",
    "Relu",
    "Tanh",
    "View",
)


def relevance(question: Question, *, epsilon: float = 1e-9) -> Answer:
    """LRP-ε: from layer to layer R_j = Σ_k x_j w_jk / (z_k + ε · sign z_k) · R_k with z = Σ_j x_j w_jk + b_k, N×C×H×W.

    Bach et al. 2015, "On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
    propagation", PLOS ONE 10(7). R begins as the score. Batch norm in evaluation mode and pooling are linear layers
    of this rule (of a maximum all goes to its place), ReLU and Tanh pass R on. What biases and ε keep for
    themselves is in `residual`, N.
    Raises InputError, naming the operation, for networks that are no chain of such layers; ConfigError for ε below 0.
    """
    if epsilon < 0:
        raise ConfigError(f"epsilon is {epsilon}; allowed: 0 or more")
    chain = _chain(question)
    parts, totals = [], []
    size = question.part(gradients=True)
    with undisturbed_pass(question.network):
        for start in range(0, len(question.images), size):
            places = slice(start, start + size)
            inputs, logits = _forward(chain, question.images[places])
            with torch.enable_grad():
                at = logits.detach().requires_grad_(True)
                score = question.scores(at, places)
                # of a linear score: each logit's share of it
                (share,) = torch.autograd.grad(score.sum(), at)
            parts.append(_backward(chain, inputs, share * logits, epsilon))
            totals.append(score.detach())
    if not parts:
        nothing = question.images.new_zeros(0)
        return Answer({"": torch.zeros_like(question.images)}, nothing, nothing)
    found, total = torch.cat(parts), torch.cat(totals)
    return Answer({"": found}, found.flatten(1).sum(1) - total, total)


def _chain(question: Question) -> list[nn.Module]:
    """The layers, which one after the other give the network's very logits."""
    leaves = [call for call in question.calls.all if call.is_leaf]
    chain = [question.network.get_submodule(call.path) for call in leaves]
    for call, layer in zip(leaves, chain, strict=True):
        if not isinstance(layer, _LINEAR + _PASSED_ON):
            raise InputError(
                f"LRP-ε has no rule for {call.path} ({call.kind}) of {question.calls.network}; choose "
                "integrated-gradients, which needs none"
            )
    like = question.images
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *like.shape[1:], generator=generator, device="cpu").to(like.device, like.dtype)
    x = torch.cat([x, like[:8]])
    with undisturbed_pass(question.network), torch.no_grad():
        wanted, got = logits_of(question.network(x)), _try_forward(chain, x)
    if got is None or got.shape != wanted.shape or not torch.allclose(got, wanted, rtol=1e-4, atol=1e-5):
        raise InputError(
            f"LRP-ε needs a chain of layers, and {question.calls.network} also computes {_between(question.calls)} "
            "between them; choose integrated-gradients, or write it as an nn.Sequential"
        )
    return chain


def _between(calls: Calls) -> str:
    """Operations that are those of no layer that LRP-ε has a rule for."""
    operations = [name.split("Backward")[0] for name in calls.operations if "AccumulateGrad" not in name]
    found = [name for name in operations if name not in _OF_LAYERS]
    found += ["Relu"] if calls.functional_relus else []
    return ", ".join(dict.fromkeys(found)) or "something"


def _try_forward(chain: list[nn.Module], x: Tensor) -> Tensor | None:
    try:
        for layer in chain:
            x = layer(_as_taken(layer, x))
    except RuntimeError:  # shapes that do not meet: there is something between the layers
        return None
    return x


def _as_taken(layer: nn.Module, x: Tensor) -> Tensor:
    """Flattened in front of a linear layer, as `x.flatten(1)` and `x.view(len(x), -1)` do between layers."""
    flat = isinstance(layer, nn.Linear) and x.ndim > 2 and x[0].numel() == layer.in_features
    # a copy, for a layer in place would change the input that its neighbor is asked about
    return x.flatten(1) if flat else x.clone()


def _forward(chain: list[nn.Module], images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Input of each layer, as it takes it, and the logits."""
    inputs = []
    with torch.no_grad():
        x = images
        for layer in chain:
            inputs.append(x)
            x = layer(_as_taken(layer, x))
    return inputs, logits_of(x)


def _backward(chain: list[nn.Module], inputs: list[Tensor], last: Tensor, epsilon: float) -> Tensor:
    relevances = last
    for layer, given in zip(reversed(chain), reversed(inputs), strict=True):
        if isinstance(layer, _PASSED_ON):
            relevances = relevances.reshape(given.shape)
            continue
        with torch.enable_grad():
            x = given.detach().requires_grad_(True)
            z = layer(_as_taken(layer, x))
            signs = torch.where(z >= 0, 1.0, -1.0)
            quotient = relevances.reshape(z.shape) / (z + epsilon * signs)
            # an output of exactly zero has nothing to hand on
            quotient = torch.where(z + epsilon * signs == 0, 0.0, quotient).detach()
            (back,) = torch.autograd.grad(z, x, quotient)
        relevances = given * back
    return relevances
