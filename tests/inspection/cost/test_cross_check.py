"""MACs of modules of every kind: ours, those of torch.utils.flop_counter, and a hand formula. All three agree."""

# ruff: noqa: E501  the table below is read row by row

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.flop_counter import FlopCounterMode

from convnets.core.display.text_table import aligned
from convnets.inspection.cost.summary import inspect
from convnets.layers.blocks import Residual
from convnets.models.catalogue import create_model, list_models
from convnets.models.papers.googlenet import INCEPTION_ROWS, Inception

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One row of the cross-check table."""

    name: str
    build: Callable[[], nn.Module]
    inputs: tuple[Shape, ...]
    formula: str
    """The hand formula, evaluated as Python; # starts a remark."""
    whole: bool = False
    """Whether the inputs are whole numbers."""

    @property
    def by_hand(self) -> int:
        value = eval(self.formula)
        assert isinstance(value, int)
        return value

    def tensors(self) -> list[Tensor]:
        return [torch.zeros(shape, dtype=torch.long if self.whole else None) for shape in self.inputs]


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


class Again(nn.Module):
    """One module, several times."""

    def __init__(self, module: nn.Module, times: int) -> None:
        super().__init__()
        self.module, self.times = module, times

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.times):
            x = self.module(x)
        return x


class TiedAutoencoder(nn.Module):
    """The decoder's weight is the encoder's, transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(20, 8)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.relu(self.encoder(x)), self.encoder.weight.t())


class SqueezeExcite(nn.Module):
    """Hu et al. 2018: a gate for each channel, from the averages of all."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(16, 4), nn.Linear(4, 16)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


class SelfAttention(nn.Module):
    """Written by hand with matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(12, 36, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return (q @ k.transpose(-2, -1) / 12**0.5).softmax(-1) @ v


class Unweighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.attention(q, k, v, need_weights=False)[0]  # type: ignore[no-any-return]


def _two_heads_one_trunk() -> nn.Module:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1), nn.Conv2d(8, 4, 3)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = self.trunk(x)
            return self.a(y), self.b(y)

    return Forked()


def _attention(**options: object) -> Callable[[], nn.Module]:
    return lambda: nn.MultiheadAttention(16, 4, batch_first=True, **options)  # type: ignore[arg-type]


IMAGE: Shape = (1, 4, 11, 13)
MODULES: tuple[Case, ...] = (
    Case("conv 3×3", lambda: nn.Conv2d(4, 6, 3), (IMAGE,), "9*11 * 6*4*3*3"),
    Case("conv 5×5, padding 2, no bias", lambda: nn.Conv2d(4, 6, 5, padding=2, bias=False), (IMAGE,), "11*13 * 6*4*5*5"),
    Case("conv 3×3, stride 2", lambda: nn.Conv2d(4, 6, 3, stride=2), (IMAGE,), "5*6 * 6*4*3*3"),
    Case("conv 3×5, stride 2×1", lambda: nn.Conv2d(4, 6, (3, 5), stride=(2, 1)), (IMAGE,), "5*9 * 6*4*3*5"),
    Case("conv 1×1", lambda: nn.Conv2d(4, 6, 1), (IMAGE,), "11*13 * 6*4"),
    Case("conv 3×3, dilation 2", lambda: nn.Conv2d(4, 6, 3, dilation=2), (IMAGE,), "7*9 * 6*4*3*3"),
    Case("conv 3×3, same padding", lambda: nn.Conv2d(4, 6, 3, padding="same"), (IMAGE,), "11*13 * 6*4*3*3"),
    Case("conv 3×3, circular padding", lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), (IMAGE,), "11*13 * 6*4*3*3"),
    Case("conv 3×3, 2 groups", lambda: nn.Conv2d(4, 6, 3, groups=2), (IMAGE,), "9*11 * 6*(4//2)*3*3"),
    Case("conv 3×3, depthwise", lambda: nn.Conv2d(4, 4, 3, groups=4), (IMAGE,), "9*11 * 4*3*3"),
    Case("conv 3×3, depthwise ×2", lambda: nn.Conv2d(4, 8, 3, groups=4), (IMAGE,), "9*11 * 8*3*3"),
    Case("conv of a batch of 5", lambda: nn.Conv2d(4, 6, 3), ((5, 4, 11, 13),), "5 * 9*11 * 6*4*3*3"),
    Case("conv of an image without N", lambda: nn.Conv2d(4, 6, 3), ((4, 11, 13),), "9*11 * 6*4*3*3"),
    Case("1-D conv", lambda: nn.Conv1d(3, 8, 5, stride=2), ((2, 3, 20),), "2 * 8 * 8*3*5"),
    Case("1-D conv, dilation 3, 3 groups", lambda: nn.Conv1d(3, 6, 3, dilation=3, groups=3), ((1, 3, 20),), "14 * 6*3"),
    Case("3-D conv", lambda: nn.Conv3d(2, 4, 3, padding=1), ((1, 2, 5, 6, 7),), "5*6*7 * 4*2*3**3"),
    Case("transposed conv", lambda: nn.ConvTranspose2d(4, 6, 3), (IMAGE,), "11*13 * 4*6*3*3  # each input is used"),
    Case("transposed conv, stride 2", lambda: nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, output_padding=1), (IMAGE,), "11*13 * 4*6*4*4"),
    Case("transposed conv, 2 groups", lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False), (IMAGE,), "11*13 * 4*(6//2)*3*3"),
    Case("1-D transposed conv", lambda: nn.ConvTranspose1d(3, 5, 4, stride=3), ((2, 3, 9),), "2 * 9 * 3*5*4"),
    Case("3-D transposed conv", lambda: nn.ConvTranspose3d(2, 3, 2, dilation=2), ((1, 2, 4, 4, 4),), "4**3 * 2*3*2**3"),
    Case("depthwise separable", lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Conv2d(4, 9, 1)), (IMAGE,), "11*13 * (4*9 + 9*4)"),
    Case("conv with normalized weight", lambda: weight_norm(nn.Conv2d(4, 6, 3)), (IMAGE,), "9*11 * 6*4*3*3"),
    Case("linear", lambda: nn.Linear(7, 5), ((3, 7),), "3 * 7*5"),
    Case("linear, no bias", lambda: nn.Linear(7, 5, bias=False), ((3, 7),), "3 * 7*5"),
    Case("linear of one vector", lambda: nn.Linear(7, 5), ((7,),), "7*5"),
    Case("linear on 4 axes", lambda: nn.Linear(7, 5), ((2, 3, 4, 7),), "2*3*4 * 7*5"),
    Case("matrix product", lambda: Call(torch.matmul), ((3, 4), (4, 5)), "3*4*5"),
    Case("matrix product, broadcast", lambda: Call(torch.matmul), ((2, 1, 3, 4), (6, 4, 5)), "2*6 * 3*4*5"),
    Case("batch matrix product", lambda: Call(torch.bmm), ((6, 3, 4), (6, 4, 5)), "6 * 3*4*5"),
    Case("sum plus matrix product", lambda: Call(torch.addmm), ((3, 5), (3, 4), (4, 5)), "3*4*5"),
    Case("sum plus batch product", lambda: Call(torch.baddbmm), ((6, 3, 5), (6, 3, 4), (6, 4, 5)), "6 * 3*4*5"),
    Case("einsum bij,bjk", lambda: Call(lambda a, b: torch.einsum("bij,bjk->bik", a, b)), ((6, 3, 4), (6, 4, 5)), "6 * 3*4*5"),
    Case("einsum nhqd,nhkd", lambda: Call(lambda a, b: torch.einsum("nhqd,nhkd->nhqk", a, b)), ((2, 3, 5, 8), (2, 3, 7, 8)), "2*3 * 5*7*8"),
    Case("tensordot", lambda: Call(lambda a, b: torch.tensordot(a, b, 2)), ((3, 4, 5), (4, 5, 6)), "3 * (4*5) * 6"),
    Case("scaled dot-product attention", lambda: Call(F.scaled_dot_product_attention), ((2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 8)), "2*4 * 5*7 * (8 + 8)"),
    Case("attention, causal", lambda: Call(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)), ((1, 2, 6, 8),) * 3, "2 * 6*6 * (8 + 8)  # masked ones too"),
    Case("multi-head self-attention", _attention(), ((2, 5, 16),) * 3, "2 * (4*5*16*16 + 2*5*5*16)"),
    Case("multi-head, no weights out", Unweighted, ((2, 5, 16),) * 3, "2 * (4*5*16*16 + 2*5*5*16)"),
    Case("multi-head cross-attention", _attention(kdim=6, vdim=10), ((2, 5, 16), (2, 7, 6), (2, 7, 10)), "2 * (2*5*16*16 + 7*6*16 + 7*10*16 + 2*5*7*16)"),
    Case("attention by hand", SelfAttention, ((2, 6, 12),), "2 * (6*12*36 + 2*6*6*12)"),
    Case("Transformer layer", lambda: nn.TransformerEncoderLayer(16, 4, 24, batch_first=True), ((2, 5, 16),), "2 * (4*5*16*16 + 2*5*5*16 + 2*5*16*24)"),
    Case("Transformer of 2 layers", lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 24, batch_first=True, norm_first=True), 2, enable_nested_tensor=False), ((1, 5, 16),), "2 * (4*5*16*16 + 2*5*5*16 + 2*5*16*24)"),
    Case("Transformer decoder layer", lambda: nn.TransformerDecoderLayer(16, 4, 24, batch_first=True), ((1, 5, 16), (1, 7, 16)), "4*5*16*16 + 2*5*5*16 + (2*5 + 2*7)*16*16 + 2*5*7*16 + 2*5*16*24"),
    Case("RNN cell", lambda: nn.RNNCell(8, 12), ((3, 8),), "3 * 12*(8 + 12)"),
    Case("LSTM cell", lambda: nn.LSTMCell(8, 12), ((3, 8),), "3 * 4*12*(8 + 12)"),
    Case("RNN", lambda: nn.RNN(8, 12, batch_first=True), ((3, 5, 8),), "3*5 * 12*(8 + 12)"),
    Case("LSTM, 2 layers", lambda: nn.LSTM(8, 12, num_layers=2, batch_first=True), ((3, 5, 8),), "3*5 * 4*12*((8 + 12) + (12 + 12))"),
    Case("GRU, both directions", lambda: nn.GRU(8, 12, bidirectional=True, batch_first=True), ((3, 5, 8),), "2 * 3*5 * 3*12*(8 + 12)"),
    Case("one layer three times", lambda: Again(nn.Conv2d(4, 4, 3, padding=1), 3), (IMAGE,), "3 * 11*13 * 4*4*3*3"),
    Case("tied autoencoder", TiedAutoencoder, ((3, 20),), "3 * (20*8 + 8*20)"),
    Case("squeeze and excite", SqueezeExcite, ((2, 16, 7, 7),), "2 * (16*4 + 4*16)"),
    Case("one trunk, two heads", _two_heads_one_trunk, ((1, 3, 9, 9),), "7*7 * 8*3*3*3 + 7*7 * 2*8 + 5*5 * 4*8*3*3"),
    Case("residual block, stride 2", lambda: Residual(4, 8, stride=2), ((1, 4, 10, 10),), "25 * (8*4*9 + 8*8*9 + 8*4)"),
    Case("Inception 3a", lambda: Inception(*INCEPTION_ROWS["3a"]), ((1, 192, 28, 28),), "28*28 * (192*64 + 192*96 + 96*128*9 + 192*16 + 16*32*25 + 192*32)"),
    Case("embedding, then linear", lambda: nn.Sequential(nn.Embedding(9, 6), nn.Linear(6, 9)), ((2, 4),), "2*4 * 6*9", whole=True),
    Case("norms and pooling alone", lambda: nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.GroupNorm(2, 4)), (IMAGE,), "0"),
)  # fmt: skip


def counted_by_pytorch(module: nn.Module, inputs: list[Tensor]) -> float:
    """Half of what PyTorch's own counter of operations finds, on the meta device."""
    module, meta = module.to("meta").eval(), [each.to("meta") for each in inputs]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*meta)
    return counter.get_total_flops() / 2


def counted_by_us(module: nn.Module, inputs: list[Tensor]) -> int:
    return inspect(module.eval(), inputs=inputs, training=False, fields=False).macs


@pytest.mark.parametrize("case", MODULES, ids=[case.name for case in MODULES])
def test_three_counts_agree(case: Case) -> None:
    inputs = case.tensors()
    found = counted_by_us(case.build(), inputs)
    assert found == case.by_hand
    assert found == counted_by_pytorch(case.build(), inputs)


def test_the_table(golden: Callable[[str, str], None]) -> None:
    assert len(MODULES) >= 40
    head = ("module", "input", "ours", "flop_counter/2", "by hand", "hand formula")
    rows = [
        (
            case.name,
            " ".join("×".join(map(str, shape)) for shape in case.inputs),
            f"{counted_by_us(case.build(), case.tensors()):,}",
            f"{counted_by_pytorch(case.build(), case.tensors()):,.0f}",
            f"{case.by_hand:,}",
            case.formula,
        )
        for case in MODULES
    ]
    golden("inspection/cross_check.txt", aligned(head, rows, right=(2, 3, 4)))


@pytest.mark.parametrize("name", list_models())
def test_every_network_of_the_catalogue(name: str) -> None:
    with torch.device("meta"):
        network = create_model(name)
    found = inspect(network, training=False, fields=False)
    x = torch.empty(1, *found.input_shape)
    assert found.macs == counted_by_pytorch(network, [x])
    assert found.uncounted == ()
    leaves = [layer for layer in found.layers if not layer.is_block]
    assert sum(layer.parameters for layer in leaves) == found.parameters
    assert sum(layer.macs for layer in leaves) == found.macs
    assert sum(layer.share for layer in leaves) == pytest.approx(1)


def test_matrix_vector_products_which_pytorchs_counter_leaves_out() -> None:
    a, v = torch.zeros(3, 4), torch.zeros(4)
    assert counted_by_us(Call(torch.mv), [a, v]) == 12
    assert counted_by_us(Call(torch.dot), [v, v]) == 4
    assert counted_by_us(Call(lambda x, y, z: torch.addmv(x, y, z)), [torch.zeros(3), a, v]) == 12
