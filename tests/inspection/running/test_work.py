"""Work beside the MACs, each kind by a hand count, and nothing that only moves numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.inspection.cost.summary import NetworkSummary, inspect
from convnets.inspection.running.work import Work

N = 4 * 6 * 8  # numbers of an image 4×6×8


class Call(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def taken_apart(module: nn.Module) -> NetworkSummary:
    return inspect(nn.Sequential(module), (4, 6, 8), training=False, fields=False)


def counts(module: nn.Module) -> Work:
    found = taken_apart(module)
    assert found.uncounted == ()
    return Work(
        found.macs,
        found.bias_operations,
        found.norm_operations,
        found.pooling_operations,
        found.elementwise_operations,
    )


# the hand count of each follows the convention that stands under every table
BESIDE: dict[str, tuple[nn.Module, Work]] = {
    "bias of a convolution": (nn.Conv2d(4, 3, 1), Work(macs=12 * 48, bias=3 * 48)),
    "bias of a linear layer": (nn.Linear(8, 5), Work(macs=24 * 40, bias=24 * 5)),
    "batch norm, fixed statistics": (nn.BatchNorm2d(4), Work(norm=2 * N)),
    "batch norm, measured ones": (nn.BatchNorm2d(4, track_running_stats=False), Work(norm=8 * N)),
    "batch norm without γ and β": (nn.BatchNorm2d(4, affine=False, track_running_stats=False), Work(norm=6 * N)),
    "layer norm": (nn.LayerNorm(8), Work(norm=8 * N)),
    "group norm": (nn.GroupNorm(2, 4), Work(norm=8 * N)),
    "instance norm": (nn.InstanceNorm2d(4), Work(norm=6 * N)),
    # squares, mean, ε, root, product, γ: four for each number and two for each row
    "RMS norm": (nn.RMSNorm(8), Work(norm=4 * N + 2 * (N // 8))),
    "maximum of 2×2": (nn.MaxPool2d(2), Work(pooling=3 * N // 4)),
    "maximum of 3×2": (nn.MaxPool2d((3, 2)), Work(pooling=5 * N // 6)),
    "average of 2×2": (nn.AvgPool2d(2), Work(pooling=N)),
    "average of 3×3, overlapping": (nn.AvgPool2d(3, stride=1), Work(pooling=9 * 4 * 4 * 6)),
    "global average": (nn.AdaptiveAvgPool2d(1), Work(pooling=N)),
    "global maximum": (nn.AdaptiveMaxPool2d(1), Work(pooling=N - 4)),
    # windows of 6 → 4: 0–2, 1–3, 3–5, 4–6; of 8 → 3: 0–3, 2–6, 5–8
    "adaptive average": (nn.AdaptiveAvgPool2d((4, 3)), Work(pooling=4 * (2 * 4) * (3 + 4 + 3))),
    "ReLU": (nn.ReLU(), Work(elementwise=N)),
    "ReLU in place": (nn.ReLU(inplace=True), Work(elementwise=N)),
    "sigmoid": (nn.Sigmoid(), Work(elementwise=N)),
    "hard swish": (nn.Hardswish(), Work(elementwise=N)),
    "PReLU": (nn.PReLU(), Work(elementwise=N)),
    "softmax": (nn.Softmax(1), Work(elementwise=5 * N)),
    "log-softmax": (nn.LogSoftmax(1), Work(elementwise=5 * N)),
    "sum of two": (Call(lambda x: x + x), Work(elementwise=N)),
    "mean over pixels": (Call(lambda x: x.mean((2, 3))), Work(elementwise=N)),
    "two scores and their softmax": (
        Call(lambda x: F.scaled_dot_product_attention(x, x, x)),
        # 4 heads, 6 queries of 8: both factors of q·kᵀ are scaled, 36 scores a head go through the softmax
        Work(macs=4 * 36 * 16, elementwise=2 * N + 5 * 4 * 36),
    ),
    "dropout, which does nothing here": (nn.Dropout(), Work()),
    "only moved": (
        Call(lambda x: torch.cat([x, x.flip(3)], 1).permute(0, 2, 3, 1).contiguous().clone()[:, ::2]),
        Work(),
    ),
    "only padded": (nn.ZeroPad2d(2), Work()),
    "only enlarged": (nn.Upsample(scale_factor=2), Work()),
    "made from nothing": (Call(lambda x: torch.zeros(3) if x.ndim else x), Work()),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_work_beside_the_macs(name: str) -> None:
    module, expected = BESIDE[name]
    assert counts(module) == expected


def test_a_bias_that_is_added_apart_is_a_bias() -> None:
    found = inspect(nn.MultiheadAttention(8, 2, batch_first=True), inputs=[torch.zeros(1, 3, 8)] * 3)
    assert found.bias_operations == 3 * 24 + 3 * 8


def test_inference_mode_and_autocast_inside_change_nothing() -> None:
    class Decorated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
                return F.softmax(self.layer(x), -1)

    assert taken_apart(Decorated()).macs == 24 * 24


@pytest.mark.parametrize(
    ("module", "operator"),
    [
        (nn.Upsample(scale_factor=2, mode="bilinear"), "upsample_bilinear2d"),
        (Call(lambda x: x.sort(1).values), "sort"),
        (Call(lambda x: torch.cdist(x, x)), "_cdist_forward"),
        (Call(lambda x: torch.fft.rfft(x).abs()), "_fft_r2c"),
    ],
)
def test_what_has_no_rule_is_said_and_not_guessed(module: nn.Module, operator: str) -> None:
    assert (operator, "0") in taken_apart(module).uncounted


def test_a_module_on_the_cpu_that_makes_its_own_tensors() -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scales = [torch.ones(8)]  # not registered: no twin is put in its place
            self.register_buffer("steps", torch.tensor(3))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scales[0] + torch.arange(8) * int(self.steps)  # type: ignore[arg-type, operator]

    assert counts(Positions()).elementwise == 2 * N + 8
