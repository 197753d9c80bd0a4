"""Blocks against their formulas; the figures of the catalogue's networks hold them too."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from convnets.layers import (
    AveragePool,
    BatchNorm,
    Convolution,
    DenseBlock,
    Inception,
    Linear,
    RescaledSigmoid,
    Residual,
    Sequential,
    cross_entropy,
    nin_block,
    transition,
    vgg_block,
)


def test_inception_3a_has_the_parameters_of_the_table() -> None:
    block = Inception(192, 64, (96, 128), (16, 32), 32)
    assert sum(p.numel() for p in block.parameters()) == 163_696


def test_a_residual_block_that_learns_nothing_is_relu() -> None:
    block = Residual(3, 3)
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(block(x), F.relu(x))


def test_a_dense_block_lets_its_input_through() -> None:
    x = torch.randn(4, 3, 8, 8)
    assert torch.equal(DenseBlock(2, 3, 10)(x)[:, :3], x)


def test_blocks_make_a_network_of_ones_own() -> None:
    network = Sequential(
        vgg_block(1, 1, 4),
        nin_block(4, 8, kernel_size=3, stride=1, padding=1),
        Residual(8, 8),
        DenseBlock(2, 8, 4),
        transition(16, 8),
        Inception(8, 2, (2, 2), (2, 2), 2),
    )
    assert network(torch.rand(2, 1, 16, 16)).shape == (2, 8, 4, 4)


def test_a_network_of_written_out_operations_learns_step_for_step_as_one_of_pytorchs() -> None:
    own = Sequential(
        Convolution(1, 4, 3, padding=1),
        BatchNorm(4),
        RescaledSigmoid(),
        AveragePool(2),
        torch.nn.Flatten(),
        Linear(64, 3),
    ).double()
    builtin = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        RescaledSigmoid(),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 3),
    ).double()
    builtin.load_state_dict(own.state_dict())
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(12, 1, 8, 8, dtype=torch.float64, generator=generator)
    labels = torch.randint(3, (12,), generator=generator)
    losses: list[list[float]] = []
    for network, loss_of in ((own, cross_entropy), (builtin, F.cross_entropy)):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9)
        losses.append([])
        for _ in range(20):
            optimizer.zero_grad()
            loss = loss_of(network(images), labels)
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(losses[1]), rtol=1e-8, atol=1e-8)
    assert losses[0][-1] < losses[0][0] / 3
    torch.testing.assert_close(own.state_dict(), builtin.state_dict(), rtol=1e-7, atol=1e-7)
