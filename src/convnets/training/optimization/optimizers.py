"""Optimizers by name, and the penalties and caps that hold weights down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from convnets.training.config import TrainConfig
from convnets.training.optimization.freezing import backbone_of
from convnets.training.optimization.muon import Muon
from convnets.training.optimization.prompt_optimizers import SGD, AdamW

__all__ = ["build_optimizer", "cap_weight_norms", "weight_penalty", "weights_of"]


def weights_of(network: nn.Module) -> list[nn.Parameter]:
    """Trainable parameters with two axes or more: weights, without biases and batch norm."""
    return [p for p in network.parameters() if p.requires_grad and p.ndim >= 2]


def build_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """SGD, AdamW or Muon over the trainable parameters; weight decay on weights only (He et al. 2019, "Bag of tricks").

    A group's learning rate is the run's times its `rate`, for all layers but the last times `backbone_rate` too.
    Muon steps orthogonally on filters, weights of four axes; a classifier's rows are not to be of one length.
    """
    muon = config.optimizer == "muon"
    weights = weights_of(network)
    filters = [p for p in weights if muon and p.ndim == 4]
    biases, others = _biases_and_others(network, config)
    groups: list[dict[str, Any]] = [
        {"params": filters, "weight_decay": 0.0, "orthogonal": True},
        {"params": [p for p in weights if not (muon and p.ndim == 4)], "weight_decay": config.decay},
        {"params": others, "weight_decay": 0.0},
        {"params": biases, "weight_decay": 0.0, "rate": config.bias_rate},
    ]
    groups = _with_rates(groups, network, config.backbone_rate)
    rate = config.peak_learning_rate
    fused = next(network.parameters()).device.type in ("cpu", "cuda")
    if config.optimizer == "adamw":
        return AdamW(groups, lr=rate, betas=(float(config.momentum), 0.999), fused=fused)
    nesterov = config.nesterov and config.momentum > 0
    if muon:
        return Muon(groups, rate, momentum=config.momentum, nesterov=nesterov)
    return SGD(groups, lr=rate, momentum=config.momentum, nesterov=nesterov, fused=fused)


def _with_rates(
    groups: list[dict[str, Any]], network: nn.Module, backbone_rate: float
) -> list[dict[str, Any]]:
    """The groups that hold something, each with its rate; divided where backbone and last layer differ in theirs."""
    parts = [(set(network.parameters()), 1.0)]
    if backbone_rate != 1:
        backbone = set(backbone_of(network))
        parts = [(backbone, backbone_rate), (parts[0][0] - backbone, 1.0)]
    divided = [
        {**group, "params": [p for p in group["params"] if p in part], "rate": group.get("rate", 1.0) * rate}
        for group in groups
        for part, rate in parts
    ]
    return [group for group in divided if group["params"]]


def _biases_and_others(
    network: nn.Module, config: TrainConfig
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters of one axis: biases where they have a rate of their own, and the others."""
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad and p.ndim < 2]
    own = [config.bias_rate != 1 and name.rpartition(".")[2] == "bias" for name, _ in named]
    biases = [p for (_, p), apart in zip(named, own, strict=True) if apart]
    others = [p for (_, p), apart in zip(named, own, strict=True) if not apart]
    return biases, others


def weight_penalty(weights: Iterable[Tensor], l1: float, l2: float) -> Tensor:
    """l1 · Σ|w| + l2 / 2 · Σw² over all weights, a scalar to add to the loss.

    >>> float(weight_penalty([torch.tensor([[3.0, -4.0]])], l1=1.0, l2=2.0))
    32.0
    """
    terms = [l1 * w.abs().sum() + l2 / 2 * w.square().sum() for w in weights]
    return torch.stack(terms).sum()


@torch.no_grad()
def cap_weight_norms(weights: Iterable[Tensor], cap: float) -> None:
    """Scale each unit's incoming weights back to Euclidean norm `cap` where it is larger, in place.

    The hard counterpart of weight decay (max-norm regularization, Srivastava et al. 2014). A unit is an output
    channel of a convolution or an output of a linear layer: the first axis.
    """
    for weight in weights:
        norms = weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))
        weight.mul_((cap / norms).clamp(max=1.0))
