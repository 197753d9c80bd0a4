"""Norm, addition, activation and pooling in one: against float64 and PyTorch's own operations."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from convnets.errors import UnknownNameError
from convnets.kernels.compiled import compiled_kernels
from convnets.kernels.pointwise import is_supported, normalize_activate_pool, plain
from convnets.kernels.pointwise_call import ACTIVATIONS
from convnets.kernels.pooling import Pooling

POOLINGS = (
    None,
    Pooling("max", 2),
    Pooling("max", 3, 2, 1),
    Pooling("max", 3, 1, 1),
    Pooling("max", 3, 2),
    Pooling("average", 2),
    Pooling("average", 3, 2, 1),
    Pooling("average", (2, 3), (1, 2), (0, 1)),
)
# odd and even sides, fewer and more channels than a vector has lanes, multiples of it and not
SHAPES = ((1, 1, 9, 11), (3, 6, 12, 7), (2, 16, 5, 5), (2, 17, 8, 9), (1, 64, 7, 6), (2, 248, 5, 4))
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
TOLERANCE_OF_PYTORCH = 2e-2  # it takes maxima of activated values, which are equal more often once rounded


Test = TypeVar("Test", bound=Callable[..., None])


def of_native_kernels(test: Test) -> Test:
    """Marks a test of what the plain way does not promise; all others go both ways."""
    test.of_native_kernels = True  # type: ignore[attr-defined]
    return test


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    ways = ["native"] if hasattr(metafunc.function, "of_native_kernels") else ["native", "plain"]
    metafunc.parametrize("_kernels", ways, indirect=True)


@pytest.fixture(autouse=True)
def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "plain":
        monkeypatch.setenv("CONVNETS_NATIVE", "0")
        compiled_kernels.cache_clear()
        assert compiled_kernels() is None
    elif compiled_kernels() is None:
        pytest.skip("no native kernels here")
    yield
    monkeypatch.undo()
    if request.param == "plain":
        compiled_kernels.cache_clear()


def maps(*shape: int, dtype: torch.dtype = torch.float32, mean: float = 0.5) -> Tensor:
    x = (torch.randn(*shape) * 1.5 + mean).to(dtype)
    return x.to(memory_format=torch.channels_last) if x.dim() == 4 else x


def norm_of(channels: int, dimensions: int = 2) -> nn.BatchNorm1d | nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels) if dimensions == 2 else nn.BatchNorm1d(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(channels) + 0.3)
        norm.bias.normal_()
    return norm


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).detach().norm() / expected.detach().norm().clamp_min(1e-12))


def wide(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.detach().double().contiguous().requires_grad_()


def check(
    x: Tensor,
    norm: nn.BatchNorm1d | nn.BatchNorm2d | None,
    residual: Tensor | None,
    activation: str | None,
    pooling: Pooling | None,
) -> None:
    """Result, all gradients and the running statistics against the same operations in float64."""
    x64, residual64, norm64 = wide(x), wide(residual), copy.deepcopy(norm)
    inputs, inputs64 = [x.requires_grad_()], [x64]
    if residual is not None:
        inputs.append(residual.requires_grad_())
        inputs64.append(residual64)
    y = normalize_activate_pool(x, norm, residual, activation, pooling)
    assert y.dtype == x.dtype
    assert x64 is not None
    y64 = plain(x64, None if norm64 is None else norm64.double(), residual64, activation, pooling)
    grad = torch.randn_like(y64).to(x.dtype)
    for tensors, result, gradient in ((inputs, y, grad), (inputs64, y64, grad.double())):
        result.backward(gradient)
        assert all(t is not None and t.grad is not None for t in tensors)
    limit = TOLERANCE[x.dtype] if compiled_kernels() is not None else TOLERANCE_OF_PYTORCH
    assert error(y, y64) < limit
    for tensor, tensor64 in zip(inputs, inputs64, strict=True):
        assert tensor is not None
        assert tensor64 is not None
        assert tensor.grad is not None
        assert tensor64.grad is not None
        assert tensor.grad.dtype == x.dtype
        assert error(tensor.grad, tensor64.grad) < limit
    if norm is None or norm64 is None:
        return
    size = float(grad.double().abs().sum()) / norm.num_features  # sums over all of it may cancel
    for own, own64 in zip(norm.parameters(), norm64.parameters(), strict=True):
        assert own.grad is not None
        assert own64.grad is not None
        assert float((own.grad.double() - own64.grad).norm()) < limit * (size + float(own64.grad.norm()))
    for own, own64 in zip(norm.buffers(), norm64.buffers(), strict=True):
        torch.testing.assert_close(own.double(), own64.double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_float64(shape: tuple[int, ...], activation: str | None) -> None:
    check_all(shape, activation, torch.float32)


@of_native_kernels  # PyTorch rounds between its operations, so that other maxima win
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bfloat16_agrees_with_float64(shape: tuple[int, ...], activation: str | None) -> None:
    check_all(shape, activation, torch.bfloat16)


def check_all(shape: tuple[int, ...], activation: str | None, dtype: torch.dtype) -> None:
    torch.manual_seed(SHAPES.index(shape))
    for pooling in POOLINGS:
        for has_norm in (False, True):
            for has_residual in (False, True):
                norm = norm_of(shape[1]) if has_norm else None
                residual = maps(*shape, dtype=dtype) if has_residual else None
                check(maps(*shape, dtype=dtype), norm, residual, activation, pooling)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_features_without_sides(activation: str | None) -> None:
    torch.manual_seed(1)
    for images, features in ((16, 1), (9, 84), (33, 120)):
        check(maps(images, features), norm_of(features, 1), None, activation, None)
        check(maps(images, features), None, maps(images, features), activation, None)


def test_large_maps_on_more_threads_give_the_same() -> None:
    torch.manual_seed(2)
    x, initial = maps(4, 64, 40, 40, dtype=torch.bfloat16), norm_of(64)
    threads = torch.get_num_threads()
    found: list[list[Tensor]] = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            leaf, norm = x.clone().requires_grad_(), copy.deepcopy(initial)
            y = normalize_activate_pool(leaf, norm, None, "relu", Pooling("max", 3, 2, 1))
            inputs = [leaf, norm.weight, norm.bias]
            found.append([y, *torch.autograd.grad(y, inputs, torch.ones_like(y)), *norm.buffers()])
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert error(two, one.double()) < 2e-3


@pytest.mark.parametrize("count", [1, 2])
def test_threads_against_float64(count: int) -> None:
    torch.manual_seed(4)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        check(maps(3, 48, 41, 39), norm_of(48), maps(3, 48, 41, 39), "relu", None)
        check(maps(3, 48, 41, 39), norm_of(48), None, "tanh", Pooling("average", 2))
    finally:
        torch.set_num_threads(threads)


def test_large_mean_and_small_deviation_do_not_cancel() -> None:
    torch.manual_seed(5)
    x = (200 + 0.5 * torch.randn(4, 6, 10, 10)).to(memory_format=torch.channels_last)
    check(x, norm_of(6), None, "sigmoid", Pooling("average", 2))


@pytest.mark.parametrize(
    "pooling", [Pooling("max", 2), Pooling("max", 3, 2, 1), Pooling("max", 3, 1, 1)], ids=str
)
def test_the_first_of_equal_maxima_gets_the_gradient(pooling: Pooling) -> None:
    torch.manual_seed(6)
    x = torch.randint(0, 2, (2, 17, 9, 9)).float().to(memory_format=torch.channels_last)
    gradients = []
    for function in (normalize_activate_pool, plain):
        leaf = x.clone().requires_grad_()
        y = function(leaf, None, None, None, pooling)
        y.backward(torch.arange(y.numel()).reshape(y.shape).float())
        gradients.append(leaf.grad)
    assert torch.equal(gradients[0], gradients[1])  # type: ignore[arg-type]


def test_relu_at_zero_has_no_gradient() -> None:
    x = torch.zeros(2, 6, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    normalize_activate_pool(x, None, torch.zeros_like(x), "relu", None).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", None])
@pytest.mark.parametrize("pooling", [None, Pooling("max", 3, 2, 1), Pooling("average", 2)], ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_goes_on_as_in_pytorch(
    value: float, pooling: Pooling | None, activation: str | None
) -> None:
    torch.manual_seed(7)
    for norm in (None, norm_of(6)):
        x = maps(2, 6, 8, 8)
        x[1, 2, 3, 4] = value
        y = normalize_activate_pool(x, copy.deepcopy(norm), None, activation, pooling)
        torch.testing.assert_close(y, plain(x, norm, None, activation, pooling), equal_nan=True)


@of_native_kernels
def test_extreme_values_keep_the_relative_error_of_the_activations() -> None:
    x = torch.cat([torch.linspace(-30, 30, 4001), torch.logspace(-20, 1, 500), -torch.logspace(-20, 1, 500)])
    x = x.reshape(-1, 1)
    x64 = x.double()
    exact = {
        "sigmoid": torch.sigmoid(x64),
        "tanh": torch.tanh(x64),
        "silu": x64 * torch.sigmoid(x64),
        "gelu": 0.5 * x64 * torch.special.erfc(-x64 / 2**0.5),
    }
    for name, expected in exact.items():
        visible = expected.abs() > 1e-30
        if name == "gelu":  # x² in the exponent: rounding alone costs more in the tail
            visible &= x64 > -5
        found = normalize_activate_pool(x, None, torch.zeros_like(x), name, None).double()
        assert float(((found - expected) / expected)[visible].abs().max()) < 1.5e-6, name


def test_other_layouts_are_right_too() -> None:
    torch.manual_seed(8)
    for x in (
        torch.randn(2, 6, 8, 10),
        torch.randn(2, 10, 8, 6).transpose(1, 3),
        torch.randn(4, 12, 8, 10)[::2, ::2],
    ):
        check(x.detach(), norm_of(6), None, "relu", Pooling("max", 2))
    x = torch.randn(2, 6, 8, 8, requires_grad=True)
    y = normalize_activate_pool(x, None, None, "relu", Pooling("max", 2))
    y.sum().backward()  # a gradient expanded from one number


def test_only_the_gradients_that_are_needed() -> None:
    torch.manual_seed(9)
    for has_residual in (False, True):
        norm = norm_of(6)
        norm.weight.requires_grad_(False)
        x, residual = maps(2, 6, 6, 6), maps(2, 6, 6, 6).requires_grad_() if has_residual else None
        y = normalize_activate_pool(x, norm, residual, "sigmoid", None)
        y.sum().backward()
        assert x.grad is None
        assert norm.weight.grad is None
        assert norm.bias.grad is not None
        torch.testing.assert_close(
            norm.bias.grad, (y * (1 - y)).sum((0, 2, 3)).detach(), rtol=1e-4, atol=1e-5
        )
        if residual is not None:
            torch.testing.assert_close(residual.grad, (y * (1 - y)).detach(), rtol=1e-4, atol=1e-5)


def test_a_norm_without_weights() -> None:
    torch.manual_seed(10)
    for activation in ("relu", "silu"):
        check(maps(3, 6, 7, 7), nn.BatchNorm2d(6, affine=False), None, activation, Pooling("max", 2))


def test_running_statistics_over_several_steps() -> None:
    torch.manual_seed(11)
    norm, reference = nn.BatchNorm2d(17, momentum=0.3), nn.BatchNorm2d(17, momentum=0.3)
    for _ in range(5):
        x = maps(2, 17, 3, 5, mean=2.0)
        normalize_activate_pool(x, norm, None, "relu", None)
        reference(x)
    assert int(norm.num_batches_tracked) == 5  # type: ignore[arg-type]
    torch.testing.assert_close(norm.running_mean, reference.running_mean)
    torch.testing.assert_close(norm.running_var, reference.running_var)


@pytest.mark.parametrize("activation", ACTIVATIONS[1:])
def test_under_autocast_as_pytorch(activation: str) -> None:
    torch.manual_seed(12)
    x = maps(2, 16, 6, 6, dtype=torch.bfloat16)
    norm = norm_of(16)
    with torch.autocast("cpu", torch.bfloat16):
        y = normalize_activate_pool(x, copy.deepcopy(norm), None, activation, None)
        expected = plain(x, norm, None, activation, None)
    assert y.dtype == expected.dtype == torch.bfloat16
    assert error(y, expected.double()) < 1e-2


def test_what_is_not_supported_goes_the_plain_way() -> None:
    x = maps(2, 3, 6, 6)
    evaluated, untracked, cumulative = (
        nn.BatchNorm2d(3).eval(),
        nn.BatchNorm2d(3, track_running_stats=False),
        nn.BatchNorm2d(3, momentum=None),
    )
    for norm in (evaluated, untracked, cumulative, nn.BatchNorm2d(3).double()):
        assert not is_supported(x, norm)
    for norm in (evaluated, untracked, cumulative):
        torch.testing.assert_close(
            normalize_activate_pool(x, copy.deepcopy(norm), None, "relu", None),
            plain(x, copy.deepcopy(norm), None, "relu", None),
        )
    assert not is_supported(x.double())
    assert not is_supported(x.half())
    assert not is_supported(x, None, x.bfloat16())
    assert not is_supported(x, None, x[:, :, :3])
    assert not is_supported(x, None, None, Pooling("max", 17))
    assert not is_supported(x.to("meta"))
    assert normalize_activate_pool(x.double(), None, None, "relu", Pooling("max", 2)).dtype == torch.float64


def test_a_single_value_per_channel_is_refused_as_in_pytorch() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        normalize_activate_pool(torch.randn(1, 3, 1, 1), nn.BatchNorm2d(3), None, None, None)


def test_unknown_activations_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="relux"):
        normalize_activate_pool(torch.randn(1, 3), None, None, "relux", None)


@of_native_kernels
def test_differentiable_only_once() -> None:
    x = maps(2, 3, 4, 4).requires_grad_()
    y = normalize_activate_pool(x, None, torch.zeros_like(x), "tanh", None)
    (grad,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()
