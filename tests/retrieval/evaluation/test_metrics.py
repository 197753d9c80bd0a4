"""evaluate_retrieval describes and scores."""

from __future__ import annotations

import pytest
import torch

from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.models.catalogue import create_model
from convnets.retrieval.descriptors.describe import describe
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.evaluation.metrics import evaluate_retrieval, score_retrieval


def test_it_is_both_steps_in_one() -> None:
    digits = load_data("digits")
    images = digits.test if digits.test is not None else digits.train
    network, preprocess = create_model("lenet", seed=0), Preprocess.plain(1, 28)
    seen: list[tuple[int, int]] = []
    scores = evaluate_retrieval(
        network, images, preprocess, Descriptor("pixels"), ks=(1, 10), progress=lambda *at: seen.append(at)
    )
    vectors = describe(network, images, preprocess, Descriptor("pixels"))
    assert scores == score_retrieval(vectors, images.labels, images.classes, ks=(1, 10))
    assert seen[-1] == (len(images), len(images))
    # 28 × 28 digits of scikit-learn: pixels alone find them well, as its own nearest neighbor does
    from sklearn.neighbors import KNeighborsClassifier

    data, labels = vectors.numpy(), images.labels.numpy()
    nearest = KNeighborsClassifier(2, algorithm="brute").fit(data, labels).kneighbors(data)[1][:, 1]
    assert scores.recall[1] == pytest.approx((labels[nearest] == labels).mean(), abs=1.01 / len(labels))
    assert torch.isfinite(vectors).all()
