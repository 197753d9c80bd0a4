"""CKA, against its definition with centering matrices in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError
from convnets.explanation.capture.capture import capture
from convnets.explanation.representations.cka import CkaSums, linear_cka
from convnets.explanation.representations.cka_matrix import compare_layers
from convnets.models.catalogue import create_model


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hsic(k: Tensor, c: Tensor) -> float:
    """tr(K H L H) / (n − 1)², as Gretton et al. 2005 define it."""
    n = len(k)
    h = torch.eye(n, dtype=torch.float64) - 1 / n
    return float(torch.trace(k @ h @ c @ h)) / (n - 1) ** 2


def unbiased_hsic(k: Tensor, c: Tensor) -> float:
    """Song et al. 2012, equation 5, written with loops over pairs, triples and quadruples of different images."""
    n = len(k)
    pairs = triples = quadruples = 0.0
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            pairs += float(k[i, j] * c[i, j])
            for q in range(n):
                if q in (i, j):
                    continue
                triples += float(k[i, j] * c[i, q])
                for r in range(n):
                    if r not in (i, j, q):
                        quadruples += float(k[i, j] * c[q, r])
    two, three = n * (n - 1), n * (n - 1) * (n - 2)
    return pairs / two - 2 * triples / three + quadruples / (three * (n - 3))


@pytest.mark.parametrize("sides", [(3, 5), (30, 4), (40, 60)])
def test_both_forms_are_the_definition(sides: tuple[int, int]) -> None:
    x, y = numbers(20, sides[0], seed=1), numbers(20, sides[1], seed=2)
    y[:, :3] += x[:, :3]
    k, c = x @ x.T, y @ y.T
    assert linear_cka(x, y) == pytest.approx(hsic(k, c) / (hsic(k, k) * hsic(c, c)) ** 0.5, abs=1e-12)


def test_turning_and_scaling_change_nothing_but_stretching_does() -> None:
    x = numbers(15, 4, seed=3)
    turn, _ = torch.linalg.qr(numbers(4, 4, seed=4))
    assert linear_cka(x, 7 * x @ turn + 2) == pytest.approx(1.0, abs=1e-12)
    assert linear_cka(x, x * torch.tensor([1.0, 1.0, 1.0, 20.0])) < 0.95


def test_sums_are_the_unbiased_definition() -> None:
    x, y = numbers(7, 3, seed=5), numbers(7, 2, seed=6)
    sums = CkaSums()
    sums.add([x], [y])
    k, c = x @ x.T, y @ y.T
    expected = unbiased_hsic(k, c) / (unbiased_hsic(k, k) * unbiased_hsic(c, c)) ** 0.5
    assert float(sums.matrix()) == pytest.approx(expected, abs=1e-10)


def test_batches_add_up_and_come_near_to_all_at_once() -> None:
    x = numbers(4096, 6, seed=7)
    y = x @ numbers(6, 6, seed=8) + numbers(4096, 6, seed=9)
    sums = CkaSums()
    for start in range(0, 4096, 64):
        sums.add([x[start : start + 64]], [y[start : start + 64]])
    assert sums.images == 4096
    assert float(sums.matrix()) == pytest.approx(linear_cka(x, y), abs=0.01)


def test_constant_layers_and_few_images() -> None:
    x = numbers(5, 3, seed=1)
    with pytest.raises(InputError, match="same for every image"):
        linear_cka(x, torch.ones(5, 2))
    with pytest.raises(InputError, match="5 and 4 images"):
        linear_cka(x, x[:4])
    sums = CkaSums()
    with pytest.raises(InputError, match="at least 4"):
        sums.add([x[:3]], [x[:3]])
    sums.add([x], [torch.ones(5, 2)])
    assert bool(sums.matrix().isnan().all())


def test_layers_of_two_networks() -> None:
    images = ImageSet(
        torch.randint(256, (40, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8),
        torch.arange(40) % 10,
        tuple("abcdefghij"),
    )
    preprocess = Preprocess.plain(1, 28)
    first, second = (create_model("lenet_bn", in_channels=1, num_classes=10, seed=seed) for seed in (0, 1))
    layers = ["convolutions.2", "hidden.6"]
    found = compare_layers(
        first, images, preprocess, second, layers=layers, other_layers=["classifier"], batch_size=40
    )
    assert (found.rows, found.columns, found.images) == (tuple(layers), ("classifier",), 40)
    x = preprocess(images.pixels)
    own = capture(first, x, layers).maps["hidden.6"]
    sums = CkaSums()
    sums.add([own.double()], [capture(second, x, ["classifier"]).maps["classifier"].double()])
    assert found.values[1, 0] == pytest.approx(float(sums.matrix()), abs=1e-5)
    alone = compare_layers(first, images, preprocess, layers=layers, batch_size=19)
    assert np.allclose(np.diag(alone.values), 1.0)
    assert np.allclose(alone.values, alone.values.T)
    assert alone.images == 38  # the rest of 2 is left out
    with pytest.raises(ConfigError, match="batch_size is 3"):
        compare_layers(first, images, preprocess, batch_size=3)
