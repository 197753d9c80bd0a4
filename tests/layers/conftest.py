"""What the operations are held to: the same values and gradients as PyTorch's, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Operation = Callable[..., Tensor]
Agree = Callable[..., None]


def _agree(own: Operation, builtin: Operation, *inputs: Tensor) -> None:
    """Forward and the gradients of a random weighting of the output, with respect to every float input."""
    results = []
    for operation in (own, builtin):
        given = [each.clone().requires_grad_(each.is_floating_point()) for each in inputs]
        output = operation(*given)
        weighting = torch.randn(
            output.shape, dtype=output.dtype, generator=torch.Generator().manual_seed(output.numel())
        )
        asked = [each for each in given if each.requires_grad]
        results.append((output.detach(), torch.autograd.grad((output * weighting).sum(), asked)))
    (output, gradients), (expected, expected_gradients) = results
    assert output.dtype == expected.dtype
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-10, atol=1e-10)


@pytest.fixture(scope="session")
def agree() -> Agree:
    """Checks `own(*inputs)` against `builtin(*inputs)`, forward and backward."""
    return _agree
