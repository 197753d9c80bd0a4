"""Batch norm against PyTorch's: both layouts, training and prediction, moving statistics, whole networks."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.inspection.parameters.changes import replace
from convnets.layers.normalization import BatchNorm
from convnets.models.catalogue import create_model

Agree = Callable[..., None]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3 + 1


def builtin_for(x: Tensor) -> type[nn.BatchNorm1d] | type[nn.BatchNorm2d] | type[nn.BatchNorm3d]:
    return {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[x.ndim]


@settings(max_examples=60, deadline=None)
@given(
    images=st.integers(2, 4),
    channels=st.integers(1, 4),
    pixels=st.lists(st.integers(1, 3), max_size=3),
    momentum=st.one_of(st.none(), st.floats(0.0, 1.0)),
    eps=st.sampled_from([1e-5, 1e-3, 0.5]),
    affine=st.booleans(),
    moving=st.booleans(),
)
def test_equal_to_pytorch(
    agree: Agree,
    images: int,
    channels: int,
    pixels: list[int],
    momentum: float | None,
    eps: float,
    affine: bool,
    moving: bool,
) -> None:
    x = normal(images, channels, *pixels)
    builtin = builtin_for(x)(channels, eps, momentum, affine, moving).double()
    if affine:
        nn.init.normal_(builtin.weight)
        nn.init.normal_(builtin.bias)
    own = BatchNorm(channels, eps, momentum, affine, moving).double()
    own.load_state_dict(builtin.state_dict())  # strict: the keys are the same
    for training in (True, True, False):  # the second batch moves what the first has moved; then prediction
        own.train(training)
        builtin.train(training)
        parameters = list(builtin.parameters())

        # the weights enter as inputs, so that their gradients are compared too
        def call(layer: nn.Module, x: Tensor, *given: Tensor) -> Tensor:
            names = [name for name, _ in layer.named_parameters()]
            buffers = dict(layer.named_buffers())
            replaced = dict(zip(names, given, strict=True)) | buffers
            return torch.func.functional_call(layer, replaced, (x,))

        agree(lambda *a: call(own, *a), lambda *a: call(builtin, *a), x, *parameters)
        torch.testing.assert_close(own.state_dict(), builtin.state_dict())


def test_prediction_does_not_depend_on_the_other_images() -> None:
    layer = BatchNorm(3).double()
    layer(normal(8, 3, 4, 4))
    layer.eval()
    x = normal(5, 3, 4, 4, seed=1)
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))


def test_it_takes_the_builtins_place_in_a_network() -> None:
    network = create_model("resnet18_d2l", seed=0).double()
    with_own = copy.deepcopy(network)
    replaced = replace(with_own, nn.BatchNorm2d, BatchNorm.from_builtin)
    assert len(replaced) == 17
    assert not any(isinstance(module, nn.BatchNorm2d) for module in with_own.modules())
    assert with_own.state_dict().keys() == network.state_dict().keys()
    x = torch.rand(2, 1, 33, 33, dtype=torch.float64)
    outputs = []
    for each in (network, with_own):
        each.train()
        logits = each(x)
        logits.square().mean().backward()
        outputs.append((logits, [p.grad for p in each.parameters()], each.eval()(x)))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(network.state_dict(), with_own.state_dict())


def test_from_builtin_takes_the_very_tensors_and_the_mode() -> None:
    builtin = nn.BatchNorm1d(4, momentum=None).eval()
    own = BatchNorm.from_builtin(builtin)
    assert own.weight is builtin.weight
    assert own.running_mean is builtin.running_mean
    assert not own.training
    assert own.momentum is None
    with pytest.raises(InputError, match="LayerNorm is no batch norm"):
        BatchNorm.from_builtin(nn.LayerNorm(3))


def test_half_precision_is_normalized_in_float32() -> None:
    x = (normal(64, 3, 8, 8) * 5 + 200).bfloat16()
    own, builtin = BatchNorm(3), nn.BatchNorm2d(3)
    assert own(x).dtype == torch.bfloat16
    torch.testing.assert_close(own(x), builtin(x))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"batch norm of 3 channels got shape \(2, 4\)"):
        BatchNorm(3)(torch.zeros(2, 4))
    with pytest.raises(InputError, match="one value per channel has no variance"):
        BatchNorm(3)(torch.zeros(1, 3, 1, 1))
    assert BatchNorm(3).eval()(torch.zeros(1, 3)).shape == (1, 3)
