"""Splitting off a validation set, against counts worked out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convnets.data.image_set import ImageSet
from convnets.data.splits import split_off
from convnets.errors import ConfigError, DataError


def image_set(counts: list[int], seed: int = 0) -> ImageSet:
    """Images whose first two pixels say which they are, in shuffled order of the classes."""
    labels = torch.tensor([label for label, count in enumerate(counts) for _ in range(count)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    pixels = torch.zeros(len(labels), 1, 1, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = torch.arange(len(labels)) // 256, torch.arange(len(labels)) % 256
    return ImageSet(pixels, labels, tuple(f"class {n}" for n in range(len(counts))), "made up")


def numbers(images: ImageSet) -> list[int]:
    return (images.pixels[:, 0, 0, 0].int() * 256 + images.pixels[:, 0, 0, 1]).tolist()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(4, 60), min_size=2, max_size=6),
    st.floats(0.3, 0.7),
    st.booleans(),
    st.integers(0, 2**63),
)
def test_both_sides_make_up_the_whole_in_order(
    counts: list[int], fraction: float, balanced: bool, seed: int
) -> None:
    whole = image_set(counts)
    if balanced:
        fraction = 0.5 * len(counts) * min(counts) / sum(counts)
    rest, part = split_off(whole, fraction, seed=seed, balanced=balanced)
    assert sorted(numbers(rest) + numbers(part)) == list(range(sum(counts)))
    for side in (rest, part):
        assert numbers(side) == sorted(numbers(side))
        assert torch.equal(side.labels, whole.labels[torch.tensor(numbers(side))])
        assert (side.classes, side.source) == (whole.classes, whole.source)
    found = list(part.class_counts().values())
    size = round(fraction * sum(counts))
    if balanced:
        assert set(found) == {size // len(counts)}
    else:
        assert len(part) == size
        assert all(abs(n - size * count / sum(counts)) < 1 for n, count in zip(found, counts, strict=True))


@pytest.mark.parametrize("balanced", [False, True])
def test_the_seed_decides(balanced: bool) -> None:
    whole = image_set([40, 40])
    one, same, other = (numbers(split_off(whole, 20, seed=s, balanced=balanced)[1]) for s in (1, 1, 2))
    assert one == same
    assert one != other


def test_every_image_is_chosen_by_some_seed() -> None:
    whole = image_set([10, 10])
    for balanced in (False, True):
        chosen = {
            n for seed in range(60) for n in numbers(split_off(whole, 4, seed=seed, balanced=balanced)[1])
        }
        assert chosen == set(range(20))


def test_a_whole_number_is_a_number_of_images() -> None:
    assert len(split_off(image_set([50, 50]), 10, seed=0)[1]) == 10
    assert split_off(image_set([70, 20, 10]), 10, seed=0)[1].class_counts() == {
        "class 0": 7,
        "class 1": 2,
        "class 2": 1,
    }
    part = split_off(image_set([70, 20, 10]), 11, seed=0, balanced=True)[1]
    assert part.class_counts() == {"class 0": 3, "class 1": 3, "class 2": 3}


def test_classes_without_images_are_passed_over() -> None:
    whole = image_set([6, 0, 6])
    for balanced in (False, True):
        assert split_off(whole, 4, seed=0, balanced=balanced)[1].class_counts() == {
            "class 0": 2,
            "class 1": 0,
            "class 2": 2,
        }


@pytest.mark.parametrize(
    "fraction", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf"), 0, -1, 100, 101, True, "half", None]
)
def test_sizes_that_make_no_sense_are_refused(fraction: object) -> None:
    with pytest.raises(ConfigError, match="split"):
        split_off(image_set([50, 50]), fraction, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counts", "size", "balanced", "error", "said"),
    [
        ([50, 1], 10, False, DataError, "class 'class 1' has 1 image"),
        ([50, 5, 5], 2, False, DataError, "58 and 2 images cannot hold each of 3 classes"),
        ([5, 5, 5], 13, False, DataError, "2 and 13 images"),
        ([50, 5], 10, True, DataError, "class 'class 1' has 5 images; a balanced split takes 5"),
        ([50, 50, 50], 2, True, ConfigError, "2 images for 3 classes"),
    ],
)
def test_classes_that_are_too_small_are_named(
    counts: list[int], size: int, balanced: bool, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        split_off(image_set(counts), size, seed=0, balanced=balanced)
    assert "\n" not in str(caught.value)


def test_the_number_in_the_advice_works() -> None:
    split_off(image_set([50, 5]), 9, seed=0, balanced=True)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=40), st.integers(0, 9))
def test_in_company_no_image_is_alone_on_either_side(counts: list[int], seed: int) -> None:
    if max(counts) < 4:
        with pytest.raises(DataError, match="no class has 4 images"):
            split_off(image_set(counts), 0.1 if sum(counts) > 5 else 1, seed=seed, company=2)
        return
    if round(0.1 * sum(counts)) == 0:
        return
    whole = image_set(counts)
    rest, part = split_off(whole, 0.1, seed=seed, company=2)
    assert sorted(numbers(rest) + numbers(part)) == sorted(numbers(whole))
    assert 1 not in part.class_counts().values()
    left = rest.class_counts()
    assert all(left[name] >= 2 for name, count in part.class_counts().items() if count)
    assert len(part) <= 0.1 * sum(counts) + max(2, 0.1 * max(counts)) + 1


def test_where_every_class_has_company_anyway_the_split_is_the_usual_one() -> None:
    whole = image_set([40, 60])
    assert numbers(split_off(whole, 0.1, seed=3, company=2)[1]) == numbers(split_off(whole, 0.1, seed=3)[1])
