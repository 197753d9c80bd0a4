"""Whitening against scikit-learn's PCA and its own definition."""

from __future__ import annotations

import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from convnets.errors import ConfigError, InputError
from convnets.retrieval.descriptors.whitening import fit_whitening


def sample(count: int = 200) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(6, 6, generator=generator)
    return torch.randn(count, 6, generator=generator) @ mixing + 5


@pytest.mark.parametrize("size", [None, 1, 3])
def test_it_is_the_principal_components_of_scikit_learn_up_to_signs(size: int | None) -> None:
    vectors = sample()
    reference = PCA(size, whiten=True).fit(vectors.double().numpy())
    expected = torch.from_numpy(reference.transform(vectors.double().numpy())).float()
    whitening = fit_whitening(vectors, size)
    found = whitening(vectors)
    signs = (found * expected).sum(0).sign()
    assert torch.allclose(found * signs, expected, atol=1e-3)
    assert whitening.explained == pytest.approx(reference.explained_variance_ratio_.sum(), rel=1e-6)


def test_directions_without_spread_are_left_out() -> None:
    vectors = torch.cat([sample(), torch.ones(200, 2)], dim=1)
    assert fit_whitening(vectors)(vectors).shape == (200, 6)
    few = fit_whitening(sample(4))
    assert few.projection.shape == (3, 6)  # four points span three directions


def test_what_is_not_allowed() -> None:
    with pytest.raises(ConfigError, match="allow 1 to 3"):
        fit_whitening(sample(4), 4)
    with pytest.raises(InputError, match="all equal"):
        fit_whitening(torch.ones(5, 3))
    with pytest.raises(InputError, match="N ≥ 2"):
        fit_whitening(torch.ones(1, 3))
    with pytest.raises(InputError, match="fitted on N×6"):
        fit_whitening(sample())(torch.ones(2, 5))
