"""`train_ch6` beside plain PyTorch: the accuracy that it prints, the reader's random numbers, the network's mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
import torch
from torch import Tensor, nn

matplotlib.use("Agg")

from convnets import d2l
from convnets.core.hardware import bf16_is_native
from convnets.core.seeds import generator_for

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    torch.manual_seed(0)
    yield
    d2l.plt.close("all")


def batches(count: int) -> Batches:
    """Pictures whose brighter half tells their class, but for every tenth, which is labeled wrong."""
    generator = generator_for(1, "halves")
    found = []
    for _ in range(count):
        X, y = torch.rand(40, 1, 12, 12, generator=generator), torch.randint(2, (40,), generator=generator)
        X[:, :, :6] += 0.15 * y[:, None, None, None]
        y[::10] = 1 - y[::10]
        found.append((X, y))
    return found


def network() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2), nn.Dropout(0.7)),
        *(nn.Flatten(), nn.Linear(6 * 25, 2)),
    )


def test_the_test_accuracy_is_that_of_the_network_in_float64(capsys: pytest.CaptureFixture[str]) -> None:
    net, data = network(), batches(12)
    d2l.train_ch6(net, data[:8], data[8:], 6, 0.5, "cpu")
    printed = float(capsys.readouterr().out.splitlines()[1].rpartition(" ")[2])
    assert not net.training
    exact = net.double()
    hits = [(exact(X.double()).argmax(1) == y).double().mean() for X, y in data[8:]]
    theirs = torch.stack(hits).mean().item()
    assert 0.6 < theirs < 0.95  # not all, so that a wrong mode or order would show
    assert printed == pytest.approx(theirs, abs=0.013)  # two of 160: precision may turn those in doubt


def test_the_order_of_the_readers_batches_does_not_depend_on_the_steps() -> None:
    def drawn(rate: float) -> Tensor:
        seen: list[Tensor] = []
        data = batches(3)

        class Loader:
            def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
                for index in torch.randperm(3):
                    seen.append(torch.rand(2))
                    yield data[int(index)]

        torch.manual_seed(7)
        d2l.train_ch6(network(), Loader(), data, 2, rate, "cpu")
        return torch.stack(seen)

    assert torch.equal(drawn(0.0), drawn(0.5))
    assert len(drawn(0.1).unique(dim=0)) == 6  # nor is it the same in every step


class Viewing(nn.Module):
    """A network that relies on plain memory: `view` refuses maps whose channels lie last."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.l = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 2)
        self.strides: list[tuple[bool, bool, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        maps = self.c(x)
        self.strides.append((x.is_contiguous(), self.c.weight.is_contiguous(), maps.is_contiguous()))
        return self.l(maps.view(x.shape[0], -1))


def colored(count: int) -> Batches:
    torch.manual_seed(2)
    return [(torch.rand(6, 3, 8, 8), torch.randint(2, (6,))) for _ in range(count)]


def test_a_network_sees_and_keeps_plain_memory() -> None:
    """Pictures, weights and maps, in training and in evaluation, and the weights and gradients that stay."""
    net = Viewing()
    d2l.train_ch6(net, colored(2), colored(1), 2, 0.1, "cpu")
    assert net.strides
    assert set(net.strides) == {(True, True, True)}
    assert net.c.weight.view(4, -1).shape == (4, 27)
    assert net.c.weight.grad is not None
    assert net.c.weight.grad.view(-1).shape == (4 * 27,)


def test_a_network_of_layers_keeps_plain_weights(tmp_path: Path) -> None:
    """Through the faster twin, too; and what is saved is plain as well."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    d2l.train_ch6(net, colored(2), colored(1), 1, 0.1, "cpu")
    assert net[0].weight.view(4, -1).shape == (4, 27)
    torch.save(net.state_dict(), tmp_path / "net.params")
    saved = torch.load(tmp_path / "net.params", weights_only=True)
    assert all(value.is_contiguous() for value in saved.values())
    assert net(colored(1)[0][0]).shape == (6, 2)


def test_hooks_see_plain_pictures() -> None:
    net, seen = network(), list[bool]()
    net[0] = nn.Conv2d(3, 6, 3)
    net[5], net[6] = nn.Flatten(), nn.Linear(6 * 9, 2)

    def watch(module: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        seen.extend((given[0].is_contiguous(), answer.is_contiguous()))

    net[0].register_forward_hook(watch)
    d2l.train_ch6(net, colored(1), colored(1), 1, 0.1, "cpu")
    assert seen
    assert all(seen)


def test_a_network_that_bf16_does_not_suit_is_trained_in_float32(capsys: pytest.CaptureFixture[str]) -> None:
    class Counted(nn.Module):
        """NumPy has no bf16."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.inner(x)
            return y * float(1 + 0 * y.detach().numpy().mean())

    batches = [(torch.rand(16, 1, 8, 8), torch.arange(16) % 3)] * 2
    d2l.train_ch6(Counted(), batches, batches, 1, 0.1, "cpu")
    told = capsys.readouterr().out
    assert ("float32" in told) == bf16_is_native(torch.device("cpu"))
    assert "examples/sec on cpu" in told
