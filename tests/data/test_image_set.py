"""ImageSet refuses what is not labelled images, and keeps images, labels and names together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from convnets.data.image_set import ImageSet, Splits
from convnets.errors import DataError, InputError


def make(n: int = 6, channels: int = 1, side: int = 4) -> ImageSet:
    pixels = torch.arange(n * channels * side * side).remainder(256).to(torch.uint8)
    return ImageSet(pixels.view(n, channels, side, side), torch.arange(n) % 3, ("a", "b", "c"), "made up")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(6, 4, dtype=torch.uint8), r"shape \(6, 4\); allowed: N×C×H×W"),
        (torch.zeros(6, 4, 4, dtype=torch.uint8), r"images\[:, None\]"),
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
        (torch.zeros(6), "float32 .* allowed: int64"),
        (torch.zeros(6, 1, dtype=torch.int64), "allowed: int64 of shape"),
    ],
)
def test_wrong_labels_are_refused(labels: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(make(), labels=labels)


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
