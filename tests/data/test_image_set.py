"""ImageSet refuses what is not labeled images, and keeps images, labels and names together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.data.image_set import ImageSet, Splits
from convnets.errors import DataError, InputError


def make(n: int = 6, channels: int = 1, side: int = 4) -> ImageSet:
    pixels = torch.arange(n * channels * side * side).remainder(256).to(torch.uint8)
    return ImageSet(pixels.view(n, channels, side, side), torch.arange(n) % 3, ("a", "b", "c"), "made up")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(6, 4, dtype=torch.uint8), r"shape \(6, 4\); allowed: N×H×W"),
        (torch.zeros(6, 4, 4), r"float32; allowed: uint8"),
        (np.zeros((6, 3, 4, 3), dtype=np.uint8), "could be N×C×H×W or N×H×W×C"),
        (
            np.zeros((6, 4, 4, 4), dtype=np.uint8),
            r"four channels; allowed: 1 or 3, such as images\[..., :3\]",
        ),
        (np.zeros((6, 4, 4)), "float64; allowed: uint8"),
        (np.full((6, 4, 4), 300), "int64 from 300 to 300; allowed: uint8 from 0 to 255"),
        ([np.zeros((4, 4)), np.zeros((4, 5))], r"different sizes, such as \(4, 4\) and \(4, 5\)"),
        (["a.png"] * 6, "images are of type|shape"),
        ("photos", r"images are a str; .* load_data\(folder\)"),
        (torch.zeros(6, 4, 4, 3, dtype=torch.uint8), r"N×H×W×C; use images.permute\(0, 3, 1, 2\)"),
        (torch.zeros(6, 2, 5, 5, dtype=torch.uint8), "C = 1 or 3"),
        (torch.zeros(6, 1, 4, 4), r"float32; allowed: uint8 .* \(x \* 255\)"),
    ],
)
def test_wrong_images_are_refused_with_the_remedy(images: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ImageSet(images, torch.zeros(6, dtype=torch.int64), ("a", "b"), "x")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1, 2, 0, 1, 3]), "label 3 with 3 classes; allowed: 0 to 2"),
        (torch.tensor([0, 1, 2, 0, 1, -1]), "label -1 with 3 classes"),
        (torch.tensor([0, 1, 2]), "6 images but 3 labels"),
        (torch.zeros(6), "float32; allowed: whole numbers"),
        (torch.zeros(6, 2, dtype=torch.int64), "one number for each image; shares of classes"),
    ],
)
def test_wrong_labels_are_refused(labels: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(make(), labels=labels)


CORNERS = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)  # N×H×W×C


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (CORNERS, CORNERS.transpose(0, 3, 1, 2)),
        (CORNERS.transpose(0, 3, 1, 2), CORNERS.transpose(0, 3, 1, 2)),
        (list(CORNERS), CORNERS.transpose(0, 3, 1, 2)),
        (CORNERS[..., 0], CORNERS[:, None, :, :, 0]),
        (CORNERS[..., :1], CORNERS[:, None, :, :, 0]),
        (CORNERS[..., 0].tolist(), CORNERS[:, None, :, :, 0]),
        (torch.from_numpy(CORNERS[..., 0].copy()), CORNERS[:, None, :, :, 0]),
        (CORNERS.astype(np.uint16), CORNERS.transpose(0, 3, 1, 2)),
        ([Image.fromarray(each) for each in CORNERS], CORNERS.transpose(0, 3, 1, 2)),
    ],
)
def test_images_are_taken_as_they_are_held(images: Any, expected: np.ndarray) -> None:
    found = ImageSet(images, [0, 1], ["a", "b"])
    assert found.pixels.dtype == torch.uint8
    assert np.array_equal(found.pixels.numpy(), expected)
    assert found.classes == ("a", "b")


@pytest.mark.parametrize(
    "labels",
    [[2, 0], (2, 0), np.array([2, 0], dtype=np.uint8), np.array([[2], [0]]), torch.tensor([2, 0], dtype=torch.int32),
     ["c", "a"], np.array(["c", "a"])],
)  # fmt: skip
def test_labels_are_taken_as_they_are_held(labels: Any) -> None:
    found = ImageSet(CORNERS, labels, ("a", "b", "c")).labels
    assert found.dtype == torch.int64
    assert found.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("a", "b", "a"), "'a' is named twice"),
        ("abc", "'abc'; allowed: a list of names"),
        ((1, 2), "allowed: a list"),
    ],
)
def test_class_names_are_names_and_each_is_there_once(classes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ImageSet(CORNERS, [0, 1], classes)


@pytest.mark.parametrize("form", [torch.tensor, np.array, list, tuple])
def test_a_mask_chooses_as_in_numpy(form: Any) -> None:
    whole = make()
    mask = [False, True, True, False, False, True]
    part = whole.subset(form(mask))
    assert np.array_equal(part.pixels.numpy(), whole.pixels.numpy()[np.array(mask)])
    assert part.labels.tolist() == [1, 2, 2]


@pytest.mark.parametrize(
    ("indices", "expected"),
    [([-1, 0], [5, 0]), (range(1, 3), [1, 2]), (slice(None, None, 2), [0, 2, 4]), (np.array([3], dtype=np.uint8), [3]),
     ((i for i in (4, 5)), [4, 5]), (torch.tensor(2), [2]), (np.int64(1), [1])],
)  # fmt: skip
def test_whole_numbers_choose_as_in_numpy(indices: Any, expected: list[int]) -> None:
    assert torch.equal(make().subset(indices).pixels, make().pixels[expected])


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (torch.tensor([0.0, 1.0]), "float32; allowed: whole numbers or a mask"),
        ([0.5, 1], "float64; allowed: whole numbers"),
        ([True, False], "the mask has 2 values for 6 images"),
        ([True, 1], "mix booleans and numbers"),
        ([6], "index 6 of 6 images; allowed: -6 to 5"),
        ([-7], "index -7 of 6 images"),
        (["a"], "of type <U1; allowed"),
        ("abc", "are a str; allowed"),
        ([[0, 1], [2, 3]], r"shape \(2, 2\)"),
    ],
)
def test_anything_else_is_no_index(indices: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make().subset(indices)


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        ImageSet(
            torch.zeros(0, 1, 4, 4, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64), ("a",), "empty"
        )


def test_a_subset_keeps_images_with_their_labels() -> None:
    whole = make()
    part = whole.subset([4, 0, 4])
    assert torch.equal(part.pixels, whole.pixels[[4, 0, 4]])
    assert part.labels.tolist() == [1, 0, 1]
    assert part.classes == whole.classes


def test_the_hash_follows_content_labels_and_names() -> None:
    assert make().content_hash() == make().content_hash()
    changed = make()
    changed.pixels[5, 0, 3, 3] ^= 1
    others = [
        changed,
        replace(make(), labels=torch.zeros(6, dtype=torch.int64)),
        replace(make(), classes=("a", "b", "d")),
        replace(make(), images=make().pixels.view(6, 1, 2, 8)),
        make(5),
    ]
    assert len({make().content_hash(), *(other.content_hash() for other in others)}) == 6
    assert replace(make(), source="elsewhere").content_hash() == make().content_hash()


def test_counts_memory_and_repr() -> None:
    assert make(7).class_counts() == {"a": 3, "b": 2, "c": 2}
    assert make().nbytes == 6 * 16
    assert repr(make()) == "ImageSet(made up: 6 images, 1 × 4 × 4, 3 classes)"


def test_splits_need_equal_classes() -> None:
    with pytest.raises(DataError, match="must be equal"):
        Splits(make(), test=replace(make(), classes=("a", "b", "x")))
    assert list(Splits(make(), test=make()).parts()) == ["train", "test"]


@pytest.mark.fashion_mnist
def test_fashion_mnist_at_28_pixels_takes_less_than_200_mb(fashion_mnist_root: object) -> None:
    from convnets.data.sources import load_data

    splits = load_data("fashion-mnist")
    assert sum(part.nbytes for part in splits.parts().values()) == 70_000 * 28 * 28
    assert 70_000 * 28 * 28 < 200e6
