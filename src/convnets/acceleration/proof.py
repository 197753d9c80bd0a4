"""Proof that an accelerated network computes what its network computes, by running both once on a few images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from convnets.acceleration.tracing import trace
from convnets.core.undisturbed import undisturbed
from convnets.layers.dropout import Dropout

__all__ = ["PROOF_IMAGES", "find_difference", "find_difference_in_answers"]

PROOF_IMAGES = 4
"""Images that both are run on; batch norm needs more than one, and a few bring any difference to light."""

_ROUNDING = 1e-5  # relative difference that single precision explains without any help
_CARRIED = 50.0  # times what a change of the input in its last digits makes of the answer
_LAST_DIGITS = 1e-6
_DRAWS = (nn.modules.dropout._DropoutNd, Dropout, nn.RReLU)  # draw random numbers in the order of memory


def find_difference(network: nn.Module, accelerated: Callable[[Tensor], Any], images: Tensor) -> str | None:
    """Where `accelerated` differs from `network` in answers, gradients or batch-norm statistics; None if nowhere.

    Both are run in float32 on random numbers of the shape of `images` (N×C×S×S, of which few are used). How far
    rounding may lead them apart is measured: it is what the network makes of a change in its input's last digits. The
    network is left as it was (`undisturbed`).

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> find_difference(network, network, torch.rand(8, 1, 2, 2)) is None
    True
    >>> find_difference(network, lambda x: network(x) * 1.001, torch.rand(8, 1, 2, 2))
    'it answers otherwise than its layers do'
    """
    with undisturbed(network), torch.autocast(images.device.type, enabled=False), torch.enable_grad():
        _stop_draws(network)
        before = [buffer.clone() for buffer in network.buffers()]

        def differs(sample: Tensor) -> bool:
            runs = ((network, sample), (accelerated, sample), (network, _shaken(sample)))
            own, other, shaken = (_outcome(function, given, network, before) for function, given in runs)
            return not own.is_close_to(other, shaken)

        # rounding may send a gradient another way through a maximum; what computes otherwise differs again
        if differs(_like(images)) and any(differs(_like(images, seed)) for seed in (1, 2)):
            return _name_layer(network, _like(images))
        return None


def find_difference_in_answers(
    network: Callable[[Tensor], Tensor], accelerated: Callable[[Tensor], Tensor], images: Tensor
) -> str | None:
    """The same for answers alone, of networks in evaluation mode, which nothing changes.

    >>> find_difference_in_answers(torch.exp, torch.exp, torch.rand(2, 1, 2, 2)) is None
    True
    """
    sample = _like(images)
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        own, other, shaken = network(sample), accelerated(sample), network(_shaken(sample))
    return None if _is_close(own, other, shaken) else "it answers otherwise than its layers do"


@dataclass(frozen=True)
class _Outcome:
    answers: Tensor
    gradients: Tensor
    buffers: Tensor

    def is_close_to(self, other: _Outcome, shaken: _Outcome) -> bool:
        return all(
            _is_close(getattr(self, name), getattr(other, name), getattr(shaken, name))
            for name in ("answers", "gradients", "buffers")
        )


def _is_close(own: Tensor, other: Tensor, shaken: Tensor) -> bool:
    if own.shape != other.shape:
        return False
    if not own.isfinite().all():  # told elsewhere, and nothing to compare
        return True
    allowed = _ROUNDING * float(own.norm()) + _CARRIED * float((shaken - own).norm())
    return float((own - other).norm()) <= allowed


def _outcome(
    function: Callable[[Tensor], Any], images: Tensor, network: nn.Module, before: list[Tensor]
) -> _Outcome:
    with torch.no_grad():
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)
    torch.manual_seed(0)
    answers = _joined(_tensors(function(images)))
    weighted = (answers * torch.linspace(-1, 1, answers.numel(), device=answers.device)).sum()
    learned = [p for p in network.parameters() if p.requires_grad]
    gradients: list[Tensor] = []
    if weighted.requires_grad and learned:
        found = torch.autograd.grad(weighted, learned, allow_unused=True)
        gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(learned, found, strict=True)]
    return _Outcome(
        answers.detach(), _joined(gradients), _joined(buffer.clone() for buffer in network.buffers())
    )


def _tensors(answer: Any) -> Iterator[Tensor]:
    if isinstance(answer, Tensor):
        yield answer
    elif isinstance(answer, dict):
        yield from _tensors(tuple(answer.values()))
    elif isinstance(answer, tuple | list):
        for each in answer:
            yield from _tensors(each)


def _joined(tensors: Any) -> Tensor:
    """All numbers of the tensors, one after the other in logical order."""
    flat = [tensor.flatten().float() for tensor in tensors]
    return torch.cat(flat) if flat else torch.zeros(0)


def _like(images: Tensor, seed: int = 0) -> Tensor:
    """Random numbers, since pictures have ties (equal pixels) that rounding may break in either way."""
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randn(PROOF_IMAGES, *images.shape[1:], dtype=images.dtype, generator=generator)
    layout = torch.contiguous_format if images.is_contiguous() else torch.channels_last
    return sample.to(images.device, memory_format=layout)


def _shaken(sample: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(sample.shape, dtype=sample.dtype, generator=generator).to(sample.device)
    return sample * (1 + _LAST_DIGITS * noise)


def _stop_draws(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, _DRAWS):
            module.eval()


def _name_layer(network: nn.Module, images: Tensor) -> str:
    """The first layer whose result differs from what the network's graph computes there."""
    try:
        expected = _recorded_by_hooks(network, images)
        followed = _Followed(trace(network))
        followed.run(images)
    except Exception:  # noqa: BLE001  a network that differs may fail in any way when it is followed
        return "it answers otherwise than its layers do"
    for (name, own), (other_name, other) in zip(expected, followed.results, strict=False):
        if name != other_name or own.shape != other.shape or not torch.allclose(own, other, 1e-3, 1e-5):
            kind = type(network.get_submodule(name)).__name__
            return f"it answers otherwise than its layers do, from module '{name}' ({kind}) on"
    return "it answers otherwise than its layers do"


def _recorded_by_hooks(network: nn.Module, images: Tensor) -> list[tuple[str, Tensor]]:
    results: list[tuple[str, Tensor]] = []
    handles = [
        module.register_forward_hook(
            lambda _module, _given, answer, name=name: results.append((name, answer.detach().clone()))
        )
        for name, module in network.named_modules()
        if name and not any(module.children())
    ]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return results


class _Followed(fx.Interpreter):
    """Runs a graph and keeps what each layer gives."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.results: list[tuple[str, Tensor]] = []

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        answer = super().call_module(target, args, kwargs)
        self.results.append((str(target), answer.detach().clone()))
        return answer
