"""Entries and filters: what an index knows beside the vectors."""

from __future__ import annotations

import pytest

from convnets.errors import InputError, UnknownNameError, UsageError
from convnets.retrieval.entries import Entries
from convnets.retrieval.hit import Hit
from convnets.retrieval.metadata_filter import MetadataFilter

ENTRIES = Entries(
    ["a", "b", "c", "d"],
    {"class": ["Bag", "Coat", "Bag", None], "part": ["train", "train", "test", "test"], "size": [1, 2, 3, 4]},
)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["class=Bag"], "ac"),
        (["class!=Bag"], "bd"),
        (["class=Bag", "class=Coat"], "abc"),
        (["class=Bag", "part=test"], "c"),
        (["part!=train", "class!=Bag"], "d"),
        (["size=3"], "c"),
        ([" size = 4 "], "d"),
    ],
)
def test_filters(texts: list[str], expected: str) -> None:
    where = MetadataFilter.parse(texts)
    assert where is not None
    mask = where.mask(ENTRIES).tolist()
    assert "".join(p for p, there in zip(ENTRIES.paths, mask, strict=True) if there) == expected


def test_filters_from_python() -> None:
    where = MetadataFilter.of({"class": ["Bag", "Coat"], "size": 2})
    assert where is not None
    assert where.mask(ENTRIES).tolist() == [False, True, False, False]
    missing = MetadataFilter.of({"class": None})
    assert missing is not None
    assert missing.mask(ENTRIES).tolist() == [False, False, False, True]
    assert MetadataFilter.of(None) is None
    assert MetadataFilter.parse([]) is None


@pytest.mark.parametrize("text", ["Bag", "=Bag", "", " =x"])
def test_a_filter_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"allowed: COLUMN=VALUE or COLUMN!=VALUE"):
        MetadataFilter.parse([text])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("klass=Bag", "unknown column 'klass'; nearest: class"),
        ("class=Bags", "unknown value of class 'Bags'; nearest: Bag"),
    ],
)
def test_names_that_nothing_has_are_refused_with_the_nearest(text: str, message: str) -> None:
    where = MetadataFilter.parse([text])
    assert where is not None
    with pytest.raises(UnknownNameError, match=message):
        where.mask(ENTRIES)


def test_columns_that_only_some_images_have() -> None:
    entries = Entries(["a"], {"class": ["Bag"]})
    entries.extend(Entries(["b"], {"year": [1998]}))
    assert [entries.row(0), entries.row(1)] == [{"class": "Bag"}, {"year": 1998}]
    with pytest.raises(InputError, match="'a' is in the index already"):
        entries.extend(Entries(["c", "a"]))
    assert entries.paths == ["a", "b"]
    with pytest.raises(InputError, match="column 'x' has 1 values for 2 paths"):
        Entries(["a", "b"], {"x": [1]})


def test_any_file_name_survives_json() -> None:
    names = ["b\udce4r.jpg", "狗.png", 'quote".png', "new\nline.png"]
    again = Entries.from_json(Entries(names, {"class": ["x", None, "y", "z"]}).to_json())
    assert again.paths == names
    assert again.row(1) == {}
    for content in (b"", b"[]", b"{}", b'{"paths": 3, "columns": {}}', b"\xff"):
        with pytest.raises(ValueError):
            Entries.from_json(content)


def test_a_hit_as_json() -> None:
    hit = Hit("b\udce4r.jpg", 1.0, {"class": "cat", "part": "test"})
    assert hit.to_dict() == {"path": "b\\xe4r.jpg", "label": "cat", "distance": 1.0, "part": "test"}
    assert hit.similarity == 0.5
    assert Hit("a", 0.0).label is None
