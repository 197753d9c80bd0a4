"""A given network is run once before anything is written: it learns, answers for every class, and in this precision.

N images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convnets.core.hardware import Hardware
from convnets.core.undisturbed import undisturbed
from convnets.errors import ConfigError, ConvnetsError, InputError
from convnets.models.answers import logits_of
from convnets.training.preparation.determinism import without_deterministic_way

__all__ = ["CheckedNetwork", "bare_network", "check_network", "materialize"]

_IMAGES = 2  # batch norm cannot learn from one


@dataclass(frozen=True)
class CheckedNetwork:
    """Where a network is trained, and what was chosen for the user."""

    hardware: Hardware
    notices: tuple[str, ...] = ()


def bare_network(network: nn.Module) -> nn.Module:
    """The network inside `nn.DataParallel` or `DistributedDataParallel`, else the network itself.

    >>> bare_network(nn.DataParallel(nn.Linear(2, 2)))
    Linear(in_features=2, out_features=2, bias=True)
    """
    if not isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return network
    inside = network.module
    assert isinstance(inside, nn.Module)
    return bare_network(inside)


def materialize(network: nn.Module, shape: tuple[int, ...]) -> None:
    """Give lazy layers their sizes by running images C×S×S through the network once; its modes stay."""
    if not any(is_lazy(tensor) for tensor in (*network.parameters(), *network.buffers())):
        return
    modes = [(module, module.training) for module in network.modules()]
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            network.eval()(torch.full((_IMAGES, *shape), 0.5, device=device))
    except Exception as error:
        raise _unable(shape, error) from error
    finally:
        for module, training in modes:
            module.training = training


def check_network(
    network: nn.Module,
    shape: tuple[int, ...],
    classes: int | None,
    hardware: Hardware,
    through: Callable[[Tensor], Any] | None = None,
) -> CheckedNetwork:
    """Run images C×S×S forward and backward once, as in training, and say where the network can be trained.

    `classes` is K, or None where the answer is not asked for classes; `through` is what the images go through, by
    default the network. The network is left as it was (`undisturbed`), but for being on the device of `hardware`.
    Where precision was left to us and an operation of the network has no bf16, it is float32, with a notice.

    Raises ConfigError for a network that cannot learn or answers something else than logits N×K.

    >>> cpu = Hardware(torch.device("cpu"), torch.float32, threads=1)
    >>> check_network(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), (1, 2, 2), 3, cpu).notices
    ()
    """
    _check_weights(network)
    network.to(hardware.device)
    run = network if through is None else through
    with undisturbed(network):
        images = torch.rand(_IMAGES, *shape, device=hardware.device)
        network.train()
        try:
            _check_pass(network, run, images, classes, hardware)
        except ConvnetsError:
            raise
        except Exception as error:
            if hardware.dtype is torch.float32:
                raise _unable(shape, error) from error
            return _in_float32(network, run, images, classes, hardware, error)
    if hardware.automatic and hardware.dtype is torch.bfloat16 and hardware.device.type == "cpu":
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv3d):  # known to give wrong results at width 1
                return _float32(hardware, f"module '{name}' is a Conv3d, whose bf16 is not reliable here")
    return CheckedNetwork(hardware)


def _in_float32(
    network: nn.Module,
    run: Callable[[Tensor], Any],
    images: Tensor,
    classes: int | None,
    hardware: Hardware,
    error: Exception,
) -> CheckedNetwork:
    """The same in float32, where precision was left to us and that helps."""
    shape = tuple(images.shape[1:])
    try:
        _check_pass(network, run, images, classes, replace(hardware, dtype=torch.float32))
    except ConvnetsError:
        raise
    except Exception:  # noqa: BLE001  the first error is the one to tell
        raise _unable(shape, error) from error
    if not hardware.automatic:
        raise ConfigError(
            f"the network cannot be run in {hardware.precision} ({_first_line(error)}); use precision='fp32' or 'auto'"
        ) from error
    return _float32(hardware, _first_line(error))


def _float32(hardware: Hardware, reason: str) -> CheckedNetwork:
    notice = f"the network is trained in float32, since bf16 does not work for it ({reason})"
    return CheckedNetwork(replace(hardware, dtype=torch.float32), (notice,))


def _check_weights(network: nn.Module) -> None:
    parameters = list(network.named_parameters())
    if not parameters:
        raise ConfigError(f"the {type(network).__name__} has no parameters; there is nothing to train")
    if torch.get_default_dtype() is not torch.float32:
        raise ConfigError(
            f"PyTorch's default type is {torch.get_default_dtype()}; allowed: torch.float32; "
            "call torch.set_default_dtype(torch.float32)"
        )
    for name, parameter in parameters:
        if parameter.dtype is not torch.float32:
            kind = "complex" if parameter.is_complex() else "other"
            remedy = "call network.float()" if kind == "other" else "keep real and imaginary part apart"
            raise ConfigError(f"weight {name} is {parameter.dtype}; allowed: torch.float32; {remedy}")
        if parameter.is_inference():
            raise ConfigError(
                f"weight {name} was made inside torch.inference_mode(), where nothing learns; build the network outside"
            )
    if not any(parameter.requires_grad for _, parameter in parameters):
        raise ConfigError(
            f"all {len(parameters)} parameters of the network are frozen (requires_grad is False); "
            "unfreeze some, such as network.requires_grad_(True)"
        )


def _check_pass(
    network: nn.Module, run: Callable[[Tensor], Any], images: Tensor, classes: int | None, hardware: Hardware
) -> None:
    with torch.enable_grad(), hardware.autocast():
        answer = run(images)
        found = answer if classes is None else _checked_answer(answer, classes)
    tensors = [found] if isinstance(found, Tensor) else [each for each in found if isinstance(each, Tensor)]
    if not any(tensor.requires_grad for tensor in tensors):
        raise ConfigError(
            "the network's answer does not depend on its parameters (it was detached, or computed without gradients): "
            "nothing can learn; leave out detach(), torch.no_grad() and .data in forward"
        )
    learned = [p for p in network.parameters() if p.requires_grad]
    total = torch.stack([each.float().square().mean() for each in tensors if each.requires_grad]).sum()
    torch.autograd.grad(total, learned, allow_unused=True)


def _checked_answer(answer: Any, classes: int) -> Tensor:
    logits = logits_of(answer)
    if len(logits) != _IMAGES:
        raise InputError(
            f"the network answers {len(logits)} rows for {_IMAGES} images; allowed: one row for each image"
        )
    if logits.shape[1] != classes:
        raise ConfigError(
            f"the network answers {logits.shape[1]} numbers for an image and the data has {classes} classes; "
            f"they must be equal: give its last layer {classes} outputs"
        )
    if not logits.is_floating_point():
        raise InputError(f"the network answers in {logits.dtype}; allowed: floating-point logits")
    return logits


def _unable(shape: tuple[int, ...], error: Exception) -> ConvnetsError:
    if (refused := without_deterministic_way(error)) is not None:
        return refused
    axes = "C×H×W" if len(shape) == 3 else "numbers of a row"
    return ConfigError(
        f"the network fails on images {'×'.join(map(str, shape))} ({axes}): {_first_line(error)}; "
        "allowed: a network that takes them; change it, or the images by size= and channels="
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
