"""Principal components, against scikit-learn's and against the covariance matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from convnets.errors import InputError
from convnets.explanation.representations.pca import principal_components


@pytest.mark.parametrize("shape", [(50, 7), (12, 40), (9, 9)])
def test_scikit_learn_finds_the_same(shape: tuple[int, int]) -> None:
    vectors = (
        torch.randn(*shape, generator=torch.Generator().manual_seed(1)) * torch.arange(1, shape[1] + 1) + 3
    )
    found, theirs = principal_components(vectors, 5), PCA(5, svd_solver="full").fit(vectors.double().numpy())
    signs = np.sign((found.directions.numpy() * theirs.components_).sum(1))
    assert np.allclose(found.directions.numpy() * signs[:, None], theirs.components_, atol=1e-10)
    assert np.allclose(found.variances.numpy(), theirs.explained_variance_, rtol=1e-10)
    assert np.allclose(found.shares.numpy(), theirs.explained_variance_ratio_, rtol=1e-10)
    projected = theirs.transform(vectors.double().numpy())
    assert np.allclose(found.project(vectors).numpy() * signs, projected, atol=1e-9)


def test_variances_are_those_of_the_projected_vectors_and_signs_are_settled() -> None:
    vectors = torch.randn(30, 6, generator=torch.Generator().manual_seed(2))
    found = principal_components(vectors, 3)
    covariance = torch.cov(found.project(vectors).T)
    assert torch.allclose(covariance, torch.diag(found.variances), atol=1e-12)
    largest = found.directions.gather(1, found.directions.abs().argmax(1, keepdim=True))
    assert bool((largest > 0).all())


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (torch.zeros(2, 5), "2 components of vectors"),
        (torch.zeros(5), "allowed"),
        (torch.full((5, 3), torch.nan), "NaN"),
        (torch.ones(5, 3), "all vectors are equal"),
    ],
)
def test_what_has_no_components_is_refused(vectors: torch.Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        principal_components(vectors, 2)
