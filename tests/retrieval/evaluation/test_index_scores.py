"""Scores and statistics of an index."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.image_set import ImageSet
from convnets.errors import DataError, UnknownNameError
from convnets.evaluation.ranking import score_retrieval
from convnets.retrieval.backends.exact_index import ExactIndex
from convnets.retrieval.descriptors.describe import describe
from convnets.retrieval.entries import Entries
from convnets.retrieval.evaluation.index_scores import evaluate_index, index_statistics, search_quality
from convnets.retrieval.image_index import ImageIndex

from ..conftest import small_set


def test_scores_are_those_of_the_vectors(model: TrainedModel) -> None:
    images, queries = small_set(60), small_set(20, seed=3)
    index = ImageIndex.build(model, images)
    vectors, asked = (
        F.normalize(describe(model.network, each, model.preprocess)) for each in (images, queries)
    )
    among = score_retrieval(vectors, images.labels, images.classes)
    assert evaluate_index(index).map_at_r == pytest.approx(among.map_at_r)
    outside = score_retrieval(asked, queries.labels, images.classes, gallery=(vectors, images.labels))
    found = evaluate_index(index, queries)
    assert (found.map_at_r, found.recall[1], found.gallery) == (
        pytest.approx(outside.map_at_r),
        pytest.approx(outside.recall[1]),
        60,
    )


def test_classes_are_needed(model: TrainedModel) -> None:
    images = small_set(10)
    index = ImageIndex.build(model, list(images.pixels))
    with pytest.raises(DataError, match="the index has no classes"):
        evaluate_index(index)
    with pytest.raises(UnknownNameError, match="unknown class of others 'boot'"):
        evaluate_index(
            ImageIndex.build(model, images),
            ImageSet(images.pixels, images.labels, ("boot", "coat"), "others"),
        )


def test_statistics() -> None:
    vectors = F.normalize(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)))
    index = ExactIndex(6)
    index.add(
        vectors, Entries([str(row) for row in range(50)], {"class": ["a"] * 20 + ["b"] * 25 + [None] * 5})
    )
    found = index_statistics(index)
    assert (found.images, found.classes, found.columns) == (50, {"a": 20, "b": 25}, ("class",))
    distances = torch.cdist(vectors.double(), vectors.double()).fill_diagonal_(9).amin(1)
    assert found.nearest_distances["50 %"] == pytest.approx(float(distances.quantile(0.5)), abs=1e-6)
    assert found.nearest_distances["0 %"] == pytest.approx(float(distances.min()), abs=1e-6)
    assert found.vector_bytes == 50 * 6 * 4
    alone = ExactIndex(6)
    alone.add(vectors[:1], Entries(["a"]))
    assert index_statistics(alone).nearest_distances == {}


class _Blind(ExactIndex):
    """Never finds the lower half of the rows."""

    def find(self, queries: torch.Tensor, k: int, allowed: torch.Tensor | None) -> torch.Tensor:
        upper = torch.arange(len(self)) >= len(self) // 2
        return super().find(queries, k, upper)


def test_the_quality_of_a_search_that_misses_half() -> None:
    vectors = F.normalize(torch.randn(400, 16, generator=torch.Generator().manual_seed(0)))
    for kind, least, most in ((ExactIndex, 1.0, 1.0), (_Blind, 0.4, 0.6)):
        index = kind(16)
        index.add(vectors, Entries([str(row) for row in range(400)]))
        quality = search_quality(index, k=10, queries=100)
        assert least <= quality.recall <= most
        assert (quality.k, quality.queries) == (10, 100)
        assert quality.milliseconds > 0
