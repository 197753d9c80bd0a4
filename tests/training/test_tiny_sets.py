"""Sets of a few pictures: trained where that can be, else refused before a folder is made, with cause and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from convnets import ImageSet, TrainConfig, train
from convnets.data.image_set import Splits
from convnets.errors import ConvnetsError


def images(counts: list[int], side: int = 8) -> ImageSet:
    labels = torch.tensor([label for label, count in enumerate(counts) for _ in range(count)])
    pixels = torch.randint(256, (len(labels), 1, side, side), generator=torch.Generator().manual_seed(0))
    return ImageSet(pixels.to(torch.uint8), labels, tuple(f"class {n}" for n in range(len(counts))), "a few")


def learn(data: Any, folder: Path, **options: Any) -> Any:
    return train("mlp", data, TrainConfig(epochs=1, **options), output=folder / "runs", listeners=())


@pytest.mark.parametrize(
    ("counts", "options", "parts"),
    [
        (
            [1, 1],
            {},
            ["0.1 of 2 images would hold 0", "at least 1 on both sides", "validation=0 (--validation 0)"],
        ),
        ([1, 30], {}, ["'class 0' has 1 image", "--validation 0"]),
        ([3] * 8, {}, ["cannot hold each of 8 classes", "--validation 0"]),
        (
            [3] * 8,
            {"objective": "triplet"},
            ["no class has 4 images", "2 could be validated", "--validation 0"],
        ),
    ],
)
def test_too_few_to_split(counts: list[int], options: Any, parts: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConvnetsError) as caught:
        learn(images(counts), tmp_path, **options)
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert not (tmp_path / "runs").exists()
    assert learn(images(counts), tmp_path, validation=0, **options).status == "finished"


def test_triplets_of_thirty_classes_with_five_pictures_each(tmp_path: Path) -> None:
    run = learn(images([5] * 30), tmp_path, objective="triplet")
    assert run.status == "finished"
    assert run.metrics[0]["validation_accuracy"] is not None


@pytest.mark.parametrize("name", ["validation", "test"])
def test_parts_in_which_no_image_has_another_of_its_class(name: str, tmp_path: Path) -> None:
    data = Splits(images([5] * 4), **{name: images([1] * 4)})
    with pytest.raises(ConvnetsError, match=f"no class has 2 images in {name}"):
        learn(data, tmp_path, objective="triplet")
    assert not (tmp_path / "runs").exists()
