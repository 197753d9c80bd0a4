"""Health: whether signals reach the end of a network and gradients its beginning, on one batch.

N images, C channels, H×W pixels, K classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.errors import InputError, UsageError
from convnets.inspection.health.record import BatchNormHealth, LayerHealth, NetworkHealth
from convnets.inspection.health.warnings import warnings_of
from convnets.inspection.health.watch import HealthWatch, Output
from convnets.inspection.running.preserve_state import preserve_state

__all__ = ["batch_norms_of", "measure_health"]

Loss = Callable[[Tensor, Tensor], Tensor]


def measure_health(
    network: nn.Module,
    images: Tensor,
    targets: Tensor | None = None,
    *,
    loss: Loss = F.cross_entropy,
    optimizer: torch.optim.Optimizer | None = None,
) -> NetworkHealth:
    """Run one batch forward and, with targets, backward, and take the measure of every layer.

    Args:
        network: any network, in the mode it is to be measured in: in training mode batch norm and dropout do what
            they do while it learns.
        images: float N×C×H×W, or whatever the network takes.
        targets: what `loss` compares the output with, such as int64 N class indices; None leaves gradients out.
        loss: (output, targets) → a scalar, a mean over the images.
        optimizer: the one that trains the network, for `update`: the step that it would take next.

    The network is left as found: weights, gradients, buffers, modes, hooks; so are the optimizer and all random
    numbers. Raises InputError for an output that `loss` cannot take.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> health = measure_health(network, torch.rand(5, 1, 2, 2), torch.tensor([0, 1, 0, 1, 0]))
    >>> [(layer.number, layer.name, layer.kind) for layer in health.layers]
    [(1, '1', 'Linear'), (1, '2', 'ReLU'), (2, '3', 'Linear')]
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if optimizer is not None and targets is None:
        raise UsageError("an optimizer needs gradients; give targets too")
    watch, value, gradients = HealthWatch(network), None, {}
    with _untouched(network), torch.set_grad_enabled(targets is not None):
        with watch.watching():
            output = network(images)
        if targets is not None:
            total = _loss(loss, output, targets)
            value = float(total.detach())
            if parameters and total.requires_grad:
                found = torch.autograd.grad(total, parameters, allow_unused=True)
                gradients = {p: g for p, g in zip(parameters, found, strict=True) if g is not None}
    steps = {} if optimizer is None else _next_step(optimizer, gradients)
    layers = tuple(_layer(output, gradients, steps) for output in watch.outputs)
    norms = batch_norms_of(network)
    known = getattr(network, "architecture", None)
    return NetworkHealth(
        network=type(network).__name__ if known is None else known.name,
        images=len(images),
        mode="training" if network.training else "evaluation",
        loss=value,
        step=None if optimizer is None else _described(optimizer),
        layers=layers,
        batch_norms=norms,
        warnings=tuple(warnings_of(layers, norms)),
    )


def batch_norms_of(network: nn.Module) -> tuple[BatchNormHealth, ...]:
    """γ and β of every batch norm, PyTorch's and ours, in the network's order.

    >>> batch_norms_of(nn.Sequential(nn.BatchNorm2d(2)))
    (BatchNormHealth(name='0', gamma=(1.0, 1.0), beta=(0.0, 0.0)),)
    """
    return tuple(
        BatchNormHealth(name, tuple(module.weight.tolist()), tuple(module.bias.tolist()))
        for name, module in network.named_modules()
        if hasattr(module, "num_features")
        and isinstance(getattr(module, "weight", None), Tensor)
        and isinstance(getattr(module, "bias", None), Tensor)
    )


@contextmanager
def _untouched(network: nn.Module) -> Iterator[None]:
    """Hooks and modes as found after it; moving statistics move on copies, random numbers on a branch of their own."""
    devices = {tensor.device for tensor in (*network.parameters(), *network.buffers())}
    cuda = [device for device in devices if device.type == "cuda"]
    with preserve_state(network), torch.random.fork_rng(devices=cuda):
        copies: dict[int, Tensor] = {}
        for module in network.modules():
            for name, value in module._buffers.items():
                if value is not None:
                    module._buffers[name] = copies.setdefault(id(value), value.clone())
        yield


def _loss(loss: Loss, output: object, targets: Tensor) -> Tensor:
    first = output[0] if isinstance(output, Sequence) and output else output
    if not isinstance(first, Tensor):
        raise InputError(
            f"the network gives {type(output).__name__}; allowed: a tensor, or several with logits first"
        )
    try:
        total = loss(first.float() if first.dtype in (torch.bfloat16, torch.float16) else first, targets)
    except (RuntimeError, ValueError, IndexError) as error:
        shapes = f"{tuple(first.shape)} with targets {tuple(targets.shape)}"
        why = " ".join(str(error).split())[:120]
        raise InputError(f"the loss cannot take an output of {shapes}: {why}; give another loss") from error
    if total.numel() != 1:
        raise InputError(f"the loss gives {tuple(total.shape)}; allowed: one number, a mean over the images")
    return total


def _next_step(
    optimizer: torch.optim.Optimizer, gradients: dict[nn.Parameter, Tensor]
) -> dict[nn.Parameter, float]:
    """Norm of the step for each parameter, made on a copy of the optimizer and its parameters."""
    copied = copy.deepcopy(optimizer)
    pairs = [
        (parameter, its_twin)
        for group, its_group in zip(optimizer.param_groups, copied.param_groups, strict=True)
        for parameter, its_twin in zip(group["params"], its_group["params"], strict=True)
    ]
    for parameter, its_twin in pairs:
        gradient = gradients.get(parameter)
        its_twin.grad = None if gradient is None else gradient.clone()
    copied.step()
    return {
        parameter: float((its_twin.detach() - parameter.detach()).float().norm())
        for parameter, its_twin in pairs
    }


def _described(optimizer: torch.optim.Optimizer) -> str:
    rates = sorted({float(group["lr"]) for group in optimizer.param_groups if "lr" in group}, reverse=True)
    shown = " and ".join(f"{rate:.3g}" for rate in rates[:2])
    return type(optimizer).__name__ + (f", learning rate {shown}" if rates else "")


def _layer(
    output: Output, gradients: dict[nn.Parameter, Tensor], steps: dict[nn.Parameter, float]
) -> LayerHealth:
    own = [] if output.module is None else list(output.module.parameters(recurse=False))
    weight = _together([float(p.detach().float().norm()) for p in own])
    moved = _together([steps[p] for p in own if p in steps])
    return LayerHealth(
        name=output.name,
        kind=output.kind,
        number=output.number,
        has_weights=output.has_weights,
        output_shape=output.shape,
        mean=output.mean,
        spread=output.spread,
        image_spread=output.image_spread,
        zeros=output.shares.get("zeros"),
        dead=output.shares.get("dead"),
        saturated=output.shares.get("saturated"),
        alike=output.alike,
        output_gradient=output.gradient,
        gradient=_together([float(gradients[p].float().norm()) for p in own if p in gradients]),
        weight=weight,
        update=moved / weight if weight and moved is not None else None,
    )


def _together(norms: list[float]) -> float | None:
    """The norm of several vectors taken as one; None of none."""
    return sum(norm**2 for norm in norms) ** 0.5 if norms else None
