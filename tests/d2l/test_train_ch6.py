"""`train_ch6` beside plain PyTorch: the accuracy that it prints, the reader's random numbers, the network's mode."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import pytest
import torch
from torch import Tensor, nn

matplotlib.use("Agg")

from convnets import d2l
from convnets.core.seeds import generator_for

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    torch.manual_seed(0)
    yield
    d2l.plt.close("all")


def batches(count: int) -> Batches:
    """Pictures whose brighter half tells their class, but for every tenth, which is labelled wrong."""
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
