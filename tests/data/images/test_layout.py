"""Layouts of folders and zips, as tables of paths and what they must become."""

from __future__ import annotations

import pytest

from convnets.data.images.layout import Layout, arrange_pictures
from convnets.errors import DataError


def arrange(*paths: str, empty: tuple[str, ...] = ()) -> Layout:
    return arrange_pictures(
        [tuple(p.split("/")) for p in paths], [tuple(p.split("/")) for p in empty], "pets"
    )


def labeled(*paths: str, empty: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
    """Part → path → class name."""
    layout = arrange(*paths, empty=empty)
    return {
        part: {paths[i]: layout.classes[label] for i, label in zip(indices, labels, strict=True)}
        for part, (indices, labels) in layout.parts.items()
    }


@pytest.mark.parametrize("wrapper", ["", "cifar10/", "a/b/"])
@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val", "dev"])
def test_splits(wrapper: str, validation: str) -> None:
    parts = {"train": "train", "validation": validation, "test": "test"}
    paths = {p: [f"{wrapper}{f}/{c}/1.jpg" for c in ("dog", "cat")] for p, f in parts.items()}
    found = labeled(*paths["test"], *paths["train"], *paths["validation"])
    assert found == {p: {path: path.split("/")[-2] for path in paths[p]} for p in parts}
    assert list(found) == ["train", "validation", "test"]


@pytest.mark.parametrize("train", ["training", "Training", "TRAIN"])
@pytest.mark.parametrize("test", ["testing", "Test"])
@pytest.mark.parametrize("wrapper", ["", "pets/"])
def test_splits_by_other_names(wrapper: str, train: str, test: str) -> None:
    paths = [f"{wrapper}{part}/{name}/1.jpg" for part in (train, test) for name in ("cat", "dog")]
    assert list(arrange(*paths).parts) == ["train", "test"]
    assert arrange(*paths).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train", "eval"), "eval/ beside train/ may mean validation or test; rename it to val or test"),
        (("train", "Holdout"), "Holdout/ beside train/ may mean validation or test"),
        (("train", "training"), "'train' and 'training' are both train; one is allowed"),
        (("train", "val", "dev"), "'val' and 'dev' are both validation"),
        (("eval", "test"), "pictures lie in eval/, test/ without train/CLASS/ above them"),
        (("testing", "validation"), "without train/CLASS/ above them"),
    ],
)
def test_splits_that_could_be_either_are_refused(folders: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        arrange(*(f"{part}/{name}/1.jpg" for part in folders for name in ("cat", "dog")))


@pytest.mark.parametrize("wrapper", ["", "pets/"])
def test_classes_only(wrapper: str) -> None:
    found = labeled(f"{wrapper}b/1.jpg", f"{wrapper}a/2.jpg", f"{wrapper}a/deeper/3.jpg")
    assert found == {
        "train": {f"{wrapper}b/1.jpg": "b", f"{wrapper}a/2.jpg": "a", f"{wrapper}a/deeper/3.jpg": "a"}
    }


def test_classes_are_sorted_and_the_same_in_every_part() -> None:
    layout = arrange("train/b/1", "train/a/1", "train/c/1", "test/c/1", "test/a/1", "test/b/1")
    assert layout.classes == ("a", "b", "c")
    assert layout.parts == {"train": ([0, 1, 2], [1, 0, 2]), "test": ([3, 4, 5], [2, 0, 1])}


def test_a_class_may_be_called_train() -> None:
    assert labeled("bus/1.jpg", "train/1.jpg") == {"train": {"bus/1.jpg": "bus", "train/1.jpg": "train"}}


def test_class_names_can_be_shown_and_written_anywhere() -> None:
    layout = arrange("b\udce4r/1.jpg", "a\nb/1.jpg", "猫/1.jpg")
    assert layout.classes == ("a\\nb", "b\\xe4r", "猫") or set(layout.classes) == {"a\\nb", "b\\xe4r", "猫"}
    "".join(layout.classes).encode()


@pytest.mark.parametrize(
    ("paths", "empty", "said"),
    [
        ((), (), "no pictures"),
        (("a/1.jpg",), (), "one class, 'a'"),
        (("train/a/1.jpg", "test/a/1.jpg"), (), "one class, 'a'"),
        (("1.jpg", "2.jpg"), (), "1.jpg in train lies in no class folder"),
        (("a/1.jpg", "b/1.jpg", "stray.jpg"), (), "stray.jpg in train lies in no class folder"),
        (("train/1.jpg", "test/2.jpg"), (), "pictures lie in test/, train/ without"),
        (("train/a/1.jpg", "train/b/1.jpg", "test/1.jpg"), (), "1.jpg in test lies in no class folder"),
        (("train/a/1.jpg", "train/b/1.jpg", "extra/a/1.jpg"), (), "extra/a/1.jpg lies beside train/"),
        (
            ("train/a/1", "train/b/1", "val/a/1", "val/b/1", "valid/a/1"),
            (),
            "'val' and 'valid' are both validation",
        ),
        (("train/a/1", "train/b/1", "val/a/1"), (), "class 'b' of train is missing from validation"),
        (("train/a/1", "train/b/1", "test/a/1"), (), "class 'b' of train is missing from test"),
        (
            ("train/a/1", "train/b/1", "val/a/1", "val/b/1", "val/c/1"),
            (),
            "class 'c' of validation is missing from",
        ),
        (("Cat/1", "cat/1", "dog/1"), (), "classes 'Cat' and 'cat' differ in case"),
        (
            ("train/Cat/1", "train/dog/1", "val/cat/1", "val/dog/1"),
            (),
            "classes 'Cat' and 'cat' differ in case",
        ),
        (("caf\u00e9/1", "cafe\u0301/1"), (), "Unicode form only"),
        (("a/1", "b/1"), ("c",), "class folder 'c' holds no pictures"),
        (("train/a/1", "train/b/1"), ("train/c",), "class folder 'c' holds no pictures"),
        (("test/a/1", "test/b/1"), (), "without train/CLASS/"),
    ],
)
def test_layouts_that_would_mislabel_are_refused(
    paths: tuple[str, ...], empty: tuple[str, ...], said: str
) -> None:
    with pytest.raises(DataError) as caught:
        arrange(*paths, empty=empty)
    assert said in str(caught.value)
    assert str(caught.value).startswith("pets: ")
    assert "\n" not in str(caught.value)
