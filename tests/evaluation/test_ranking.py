"""Retrieval metrics against plain loops, and against pytorch-metric-learning's calculator."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import InputError
from convnets.evaluation import ranking
from convnets.evaluation.distances import Distance, pairwise_distances
from convnets.evaluation.ranking import score_retrieval

NAMES = tuple("abcdef")


def vectors_of(seed: int, count: int, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Classes that overlap, so that every measure is well between 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    centers = torch.randn(classes, 4, generator=torch.Generator().manual_seed(classes))
    return centers[labels] + torch.randn(count, 4, generator=generator), labels


def loop(
    queries: Tensor,
    labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    own: bool,
    distance: str | Distance,
) -> list[dict[str, float]]:
    """For each query its measures; an empty dictionary where there is nothing to find."""
    d = pairwise_distances(queries.double(), gallery.double(), distance).tolist()
    named, found = labels.tolist(), gallery_labels.tolist()
    rows = []
    for i, name in enumerate(named):
        places = [j for j in range(len(found)) if not (own and j == i)]
        places.sort(key=lambda j, i=i: (d[i][j], j))
        hits = [found[j] == name for j in places]
        partners = sum(hits)
        if partners == 0:
            rows.append({})
            continue
        row = {f"recall{k}": float(any(hits[:k])) for k in (1, 2, 4, 8)}
        row["r_precision"] = sum(hits[:partners]) / partners
        row["map"] = sum(sum(hits[: k + 1]) / (k + 1) for k in range(partners) if hits[k]) / partners
        rows.append(row)
    return rows


def mean(rows: list[dict[str, float]], key: str) -> float:
    values = [row[key] for row in rows if row]
    return sum(values) / len(values)


@pytest.mark.parametrize("distance", ["euclidean", "squared", "cosine", "l1"])
@pytest.mark.parametrize("own", [True, False])
def test_every_measure_equals_the_loop(own: bool, distance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_BYTES_AT_ONCE", 7 * ranking._BYTES_PER_CELL * 90)  # 7 queries at a time
    gallery, gallery_labels = vectors_of(0, 90)
    queries, labels = (gallery, gallery_labels) if own else vectors_of(1, 40)
    scores = score_retrieval(
        queries, labels, NAMES, gallery=None if own else (gallery, gallery_labels), distance=distance
    )
    rows = loop(queries, labels, gallery, gallery_labels, own, distance)
    for k in (1, 2, 4, 8):
        assert scores.recall[k] == pytest.approx(mean(rows, f"recall{k}"))
    assert 0.2 < scores.map_at_r < scores.r_precision < 0.95
    assert scores.precision_at_1 == scores.recall[1]
    assert scores.r_precision == pytest.approx(mean(rows, "r_precision"))
    assert scores.map_at_r == pytest.approx(mean(rows, "map"))
    for each in scores.per_class:
        members = [row for row, label in zip(rows, labels.tolist(), strict=True) if NAMES[label] == each.name]
        assert each.queries == len(members)
        assert each.recall_at_1 == pytest.approx(mean(members, "recall1"))
        assert each.r_precision == pytest.approx(mean(members, "r_precision"))
        assert each.map_at_r == pytest.approx(mean(members, "map"))


def test_values_of_pytorch_metric_learning() -> None:
    accuracy = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
    inference = pytest.importorskip("pytorch_metric_learning.utils.inference")
    vectors, labels = vectors_of(4, 150)

    calculator = accuracy.AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"),
        k="max_bin_count",
        knn_func=inference.CustomKNN(_LpDistance(), batch_size=32),
    )
    theirs = calculator.get_accuracy(vectors, labels)
    own = score_retrieval(vectors, labels, NAMES)
    assert own.precision_at_1 == pytest.approx(theirs["precision_at_1"])
    assert own.r_precision == pytest.approx(theirs["r_precision"])
    assert own.map_at_r == pytest.approx(theirs["mean_average_precision_at_r"])


def _LpDistance() -> object:  # noqa: N802  their name
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    return distances.LpDistance(normalize_embeddings=False)


def test_queries_without_a_partner_are_left_out() -> None:
    vectors = torch.tensor([[0.0], [0.1], [5.0]])
    scores = score_retrieval(vectors, torch.tensor([0, 0, 1]), ("a", "b"))
    assert (scores.queries, scores.left_out, scores.map_at_r) == (2, 1, 1.0)
    assert [each.name for each in scores.per_class] == ["a"]
    assert "1 queries have no other image" in str(scores)


def test_of_equal_distances_the_first_image_is_the_nearer() -> None:
    vectors = torch.zeros(5, 2)
    labels = torch.tensor([0, 1, 0, 1, 1])
    scores = score_retrieval(vectors, labels, ("a", "b"))
    rows = loop(vectors, labels, vectors, labels, True, "euclidean")
    assert scores.map_at_r == pytest.approx(mean(rows, "map"))
    assert scores.recall[1] == pytest.approx(mean(rows, "recall1"))


def test_near_neighbors_far_from_the_origin() -> None:
    """‖a‖² + ‖b‖² − 2 a·b alone would lose these distances: 1e-3 beside squares of 1e8."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.randperm(40, generator=generator)[:, None].float()
    vectors = 8192 + steps.repeat(1, 4) / 64  # exact in float32
    labels = steps.flatten().long() // 10
    assert score_retrieval(vectors, labels, NAMES).map_at_r == pytest.approx(
        mean(loop(vectors, labels, vectors, labels, True, "euclidean"), "map")
    )


def test_recall_beyond_the_gallery() -> None:
    scores = score_retrieval(
        torch.tensor([[0.0], [1.0], [0.1]]), torch.tensor([0, 0, 1]), ("a", "b"), ks=(5,)
    )
    assert scores.recall == {1: 0.0, 5: 1.0}


def test_more_classes_than_a_page_shows() -> None:
    vectors, names = torch.randn(80, 3), [f"class {i}" for i in range(40)]
    text = str(score_retrieval(vectors, torch.arange(80) % 40, names))
    assert text.endswith("(30 classes of lowest MAP@R, of 40)")
    assert len(text.splitlines()) == 34


@pytest.mark.parametrize(
    ("vectors", "labels", "message"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), "N×D"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), "N×D"),
        (torch.zeros(3, 2), torch.tensor([0, 0, 9]), "each from 0 to 5"),
        (torch.full((3, 2), torch.nan), torch.zeros(3, dtype=torch.int64), "finite"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), "no query has another"),
    ],
)
def test_bad_input(vectors: Tensor, labels: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_retrieval(vectors, labels, NAMES)


def test_per_class_figures_add_up() -> None:
    vectors, labels = vectors_of(2, 70)
    scores = score_retrieval(F.normalize(vectors), labels, NAMES)
    assert sum(each.queries * each.map_at_r for each in scores.per_class) / scores.queries == pytest.approx(
        scores.map_at_r
    )
    assert scores.to_dict()["precision_at_1"] == scores.recall[1]


# of any sign, of any type, with ties, and with places that are never near
FUNCTIONS: dict[str, Distance] = {
    "negative product": lambda a, b: -(a @ b.T),
    "all negative": lambda a, b: torch.cdist(a.float(), b.float()) - 1e6,
    "float64": lambda a, b: -(a.double() @ b.double().T),
    "whole numbers": lambda a, b: (torch.cdist(a.float(), b.float()) * 10).long() - 20,
    "bool": lambda a, b: torch.cdist(a.float(), b.float()) > 2,
    "half": lambda a, b: (-(a @ b.T)).half(),
    "infinite": lambda a, b: torch.cdist(a.float(), b.float()).masked_fill(
        a[:, :1] * b[:, 0] < -2, torch.inf
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("own", [True, False])
def test_a_function_of_ones_own_is_compared_as_it_is(
    own: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "_BYTES_AT_ONCE", 7 * ranking._BYTES_PER_CELL * 60)
    gallery, gallery_labels = vectors_of(0, 60)
    queries, labels = (gallery, gallery_labels) if own else vectors_of(1, 30)

    def as_searched(a: Tensor, b: Tensor) -> Tensor:  # the loop asks in float64
        return FUNCTIONS[name](a.float(), b.float())

    rows = loop(queries, labels, gallery, gallery_labels, own, as_searched)
    scores = score_retrieval(
        queries, labels, NAMES, gallery=None if own else (gallery, gallery_labels), distance=FUNCTIONS[name]
    )
    for k in (1, 2, 4, 8):
        assert scores.recall[k] == pytest.approx(mean(rows, f"recall{k}"))
    assert scores.r_precision == pytest.approx(mean(rows, "r_precision"))
    assert scores.map_at_r == pytest.approx(mean(rows, "map"))


def test_a_negative_product_finds_what_scikit_learn_finds() -> None:
    from sklearn.neighbors import NearestNeighbors

    vectors, labels = vectors_of(3, 80)
    vectors = F.normalize(vectors)
    found = NearestNeighbors(n_neighbors=2, metric=lambda a, b: 1 - a @ b).fit(vectors.numpy())
    nearest = found.kneighbors(vectors.numpy(), return_distance=False)[:, 1]
    asked = torch.bincount(labels)[labels] > 1
    expected = (labels[torch.from_numpy(nearest)] == labels)[asked].double().mean()
    scores = score_retrieval(vectors, labels, NAMES, distance=lambda a, b: -(a @ b.T))
    assert scores.recall[1] == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("distance", "message"),
    [
        (
            lambda a, b: (a @ b.T)[:1],
            r"shape \(1, 60\), torch.float32 for \d+ and 60 vectors; allowed: a tensor N×M",
        ),
        (lambda a, b: a @ b.T / 0 * 0, "gave nan"),
        (lambda a, b: (a @ b.T).tolist(), "gave list"),
        (lambda a, b: (a @ b.T) * 1j, "complex64"),
    ],
)
def test_what_cannot_be_put_in_order_is_refused(distance: Distance, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_retrieval(*vectors_of(0, 60), NAMES, distance=distance)
