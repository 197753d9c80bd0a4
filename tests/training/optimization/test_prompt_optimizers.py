"""Optimizers that do not wait for the compiler, against PyTorch's own, bit by bit."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from convnets.training.optimization.prompt_optimizers import SGD, AdamW, PromptOptimizer

CASES: list[tuple[type[PromptOptimizer], type[torch.optim.Optimizer], dict[str, Any]]] = [
    (SGD, torch.optim.SGD, {"momentum": 0.0}),
    (SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (AdamW, torch.optim.AdamW, {"betas": (0.9, 0.999)}),
]


def groups(seed: int = 0) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.nn.Parameter(torch.randn(4, 3, generator=generator)) for _ in range(3)]
    return [
        {"params": weights[:2], "weight_decay": 0.1},
        {"params": weights[2:], "weight_decay": 0.0, "rate": 2.0},
    ]


def take_steps(optimizer: torch.optim.Optimizer, steps: int, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        for weight in weights:
            assert weight.grad is None
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
        optimizer.step()
    return [weight.detach().clone() for weight in weights]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("own", "theirs", "options"), CASES)
def test_the_same_steps_to_the_bit(
    own: type[PromptOptimizer], theirs: type[torch.optim.Optimizer], options: dict[str, Any], fused: bool
) -> None:
    one, other = (
        own(groups(), lr=0.1, fused=fused, **options),
        theirs(groups(), lr=0.1, fused=fused, **options),
    )
    for mine, expected in zip(take_steps(one, 5, seed=1), take_steps(other, 5, seed=1), strict=True):
        assert torch.equal(mine, expected)
    # a state goes from one to the other and back: runs that were saved before go on
    one.load_state_dict(deepcopy(other.state_dict()))  # loading shares the tensors of what is loaded
    other.load_state_dict(deepcopy(one.state_dict()))
    assert isinstance(one, theirs)
    for mine, expected in zip(take_steps(one, 3, seed=2), take_steps(other, 3, seed=2), strict=True):
        assert torch.equal(mine, expected)


@pytest.mark.parametrize(("own", "theirs", "options"), CASES)
def test_hooks_closures_and_gradients_are_as_ever(
    own: type[PromptOptimizer], theirs: type[torch.optim.Optimizer], options: dict[str, Any]
) -> None:
    heard: list[str] = []
    for kind in (own, theirs):
        optimizer = kind(groups(), lr=0.1, **options)
        optimizer.register_step_pre_hook(lambda *_: heard.append("before"))
        optimizer.register_step_post_hook(lambda *_: heard.append("after"))
        weight = optimizer.param_groups[0]["params"][0]

        def loss(weight: Tensor = weight) -> Tensor:
            value = weight.square().sum()
            value.backward()
            return value.detach()

        before = float(weight.detach().square().sum())
        assert float(optimizer.step(loss)) == pytest.approx(before)  # type: ignore[arg-type, call-overload]
        assert float(weight.detach().square().sum()) < before
        assert torch.is_grad_enabled()
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
        assert len(optimizer.param_groups) == 3
    assert heard == ["before", "after"] * 2
