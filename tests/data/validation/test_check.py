"""`check_data` finds what was put into the data, and nothing else; counts are held to plain counting."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnets.data.validation.check import check_data
from convnets.data.validation.image_facts import facts_of_file
from convnets.errors import ConfigError, DataError, UnknownNameError

Make = Callable[..., Path]


def noise(
    seed: int, format: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (9, 7), **options: object
) -> bytes:
    channels = {"L": (), "RGB": (3,)}[mode]
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, format, **options)
    return file.getvalue()


def sound() -> dict[str, bytes | None]:
    """Four pictures to learn from and two to test on, all different."""
    names = [
        "train/cat/1.png",
        "train/cat/2.png",
        "train/dog/1.png",
        "train/dog/2.png",
        "test/cat/9.png",
        "test/dog/9.png",
    ]
    return {name: noise(seed) for seed, name in enumerate(names)}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("threads", [1, 3])
def test_sound_data_have_no_problems_and_are_counted(make_tree: Make, kind: str, threads: int) -> None:
    check = check_data(make_tree(sound(), kind), threads=threads)
    assert (check.problems, check.notes, check.unreadable) == ([], [], [])
    assert check.pictures == 6
    assert check.counts == {"train": {"cat": 2, "dog": 2}, "test": {"cat": 1, "dog": 1}}
    assert check.sizes == {"width": [9, 9, 9], "height": [7, 7, 7], "different": 1}
    assert check.colors == {"gray": 0, "color": 6, "colorless": 0}
    assert check.formats == {"PNG": 6}
    assert json.loads(json.dumps(check.to_dict()))["problems"] == []


def test_the_same_file_in_two_splits_is_a_leak(make_tree: Make) -> None:
    files = sound()
    files["test/cat/leak.png"] = files["train/cat/2.png"]
    check = check_data(make_tree(files))
    (leak,) = check.leaks
    assert set(leak.names) == {"train/cat/2.png", "test/cat/leak.png"}
    assert set(leak.parts) == {"train", "test"}
    assert leak.same_file
    assert check.contradictions == check.repeats == []
    (problem,) = check.problems
    assert problem.startswith("in more than one split: 1 picture; the same file: ")


@pytest.mark.parametrize(
    "again", [("BMP", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PNG", {"compress_level": 1})]
)
def test_the_same_pixels_in_another_file_are_a_leak(
    make_tree: Make, again: tuple[str, dict[str, object]]
) -> None:
    files = sound()
    files["test/dog/leak.png"] = noise(3, again[0], **again[1])
    check = check_data(make_tree(files))
    (leak,) = check.leaks
    assert set(leak.names) == {"train/dog/2.png", "test/dog/leak.png"}
    assert not leak.same_file
    assert "the same pixels" in check.problems[0]


def test_gray_in_one_channel_and_in_three_is_the_same_picture(make_tree: Make) -> None:
    gray = Image.open(io.BytesIO(noise(50, mode="L")))
    three = io.BytesIO()
    gray.convert("RGB").save(three, "PNG")
    files = {**sound(), "train/cat/gray.png": noise(50, mode="L"), "test/cat/gray.png": three.getvalue()}
    check = check_data(make_tree(files))
    assert len(check.leaks) == 1
    assert check.colors == {"gray": 1, "color": 6, "colorless": 1}
    assert any("gray and color are mixed" in note for note in check.notes)
    assert any("gray but stored in three channels: 1 picture" in note for note in check.notes)


def test_one_pixel_more_or_another_shape_is_another_picture(make_tree: Make) -> None:
    flat = np.zeros((4, 6), np.uint8)
    shapes = {
        "a/1.png": flat,
        "a/2.png": flat.reshape(6, 4),
        "b/1.png": flat.reshape(3, 8),
        "b/2.png": flat.copy(),
    }
    shapes["b/2.png"][3, 5] = 1
    files = {}
    for name, values in shapes.items():
        file = io.BytesIO()
        Image.fromarray(values).save(file, "PNG")
        files[name] = file.getvalue()
    check = check_data(make_tree(files))
    assert check.leaks == check.contradictions == check.repeats == []
    assert check.sizes["different"] == 3


def test_one_picture_in_two_classes_contradicts_itself_and_twice_in_one_is_a_note(make_tree: Make) -> None:
    files = sound()
    files["train/dog/3.png"] = files["train/cat/1.png"]
    files["train/dog/4.png"] = files["train/dog/1.png"]
    check = check_data(make_tree(files))
    assert [set(each.names) for each in check.contradictions] == [{"train/cat/1.png", "train/dog/3.png"}]
    assert [set(each.names) for each in check.repeats] == [{"train/dog/1.png", "train/dog/4.png"}]
    assert [problem.split(";")[0] for problem in check.problems] == ["in more than one class: 1 picture"]
    assert check.notes[0].startswith("1 picture again in the same class and split")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_unreadable_pictures_are_all_named(make_tree: Make, kind: str) -> None:
    files = sound()
    files["train/cat/empty.jpg"] = b""
    files["train/cat/page.jpg"] = b"<!DOCTYPE html>"
    files["test/dog/9.png"] = noise(5)[:60]
    check = check_data(make_tree(files, kind))
    assert sorted(line.split(":")[0] for line in check.unreadable) == [
        "test/dog/9.png", "train/cat/empty.jpg", "train/cat/page.jpg",
    ]  # fmt: skip
    assert check.counts["test"] == {"cat": 1, "dog": 0}
    assert check.problems[0].startswith("3 pictures cannot be read; the first: ")
    assert "no picture of test can be read in class dog" in check.problems
    assert all("\n" not in line for line in check.problems)


LAYOUTS = {
    "one class": ({"cat/1.png": noise(1), "cat/2.png": noise(2)}, "one class, 'cat'"),
    "class missing from validation": (
        {"train/cat/1.png": noise(1), "train/dog/1.png": noise(2), "val/cat/1.png": noise(1)},
        "class 'dog' of train is missing from validation",
    ),
    "no classes": ({"1.png": noise(1), "2.png": noise(2)}, "lies in no class folder"),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_layout_that_training_refuses_is_a_problem_and_the_rest_is_checked_all_the_same(
    make_tree: Make, case: str
) -> None:
    files, said = LAYOUTS[case]
    check = check_data(make_tree(files))
    assert said in check.problems[0]
    assert check.pictures == len(files)
    assert sum(sum(counts.values()) for counts in check.counts.values()) == len(files)
    assert len(check.leaks) == (case == "class missing from validation")


def test_notes_on_animations_other_files_and_unequal_classes(make_tree: Make) -> None:
    frames = [Image.new("RGB", (5, 5), color) for color in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    files = {f"cat/{n}.png": noise(n) for n in range(22)} | {
        "dog/1.png": noise(99),
        "dog/2.gif": file.getvalue(),
    }
    check = check_data(make_tree({**files, "readme.txt": b"x"}))
    assert check.problems == []
    assert check.animated == 1
    assert check.ignored == 1
    assert check.notes == [
        "passed over: 1 file that is no picture by its name",
        "animated: 1 picture; the first frame is taken",
        "the largest class has 11 times as many pictures as the smallest",
    ]


def test_nothing_to_check_is_an_error(tmp_path: Path, make_tree: Make) -> None:
    with pytest.raises(DataError, match="no pictures"):
        check_data(make_tree({"readme.txt": b"x"}))
    with pytest.raises(UnknownNameError, match="fashion-mnits"):
        check_data("fashion-mnits")
    (tmp_path / "x.jpg").write_bytes(noise(1))
    with pytest.raises(DataError, match="neither a folder nor a zip"):
        check_data(tmp_path / "x.jpg")
    with pytest.raises(ConfigError, match="threads is -1"):
        check_data("digits", threads=-1)


def test_progress_ends_at_all(make_tree: Make) -> None:
    seen: list[tuple[str, int, int | None]] = []
    check_data(
        make_tree({f"{c}/{n}.png": noise(n + 50 * (c == "b")) for c in "ab" for n in range(40)}),
        progress=lambda *a: seen.append(a),
    )
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    assert seen[-1] == ("checking pictures", 80, 80)


def test_facts_of_a_large_picture_that_is_colorless_but_for_its_last_pixel() -> None:
    values = np.full((64, 8, 3), 7, np.uint8)
    for last, colorless in ((7, True), (8, False)):
        values[-1, -1, 2] = last
        file = io.BytesIO()
        Image.fromarray(values).save(file, "PNG")
        assert facts_of_file(file.getvalue(), "x").colorless is colorless


@pytest.mark.fashion_mnist
def test_fashion_mnist_has_as_many_repeats_as_numpy_finds(
    fashion_mnist_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convnets.data.sources import load_data

    monkeypatch.setenv("CONVNETS_DATA", str(fashion_mnist_root))
    splits = load_data("fashion-mnist")
    rows = np.concatenate([part.pixels.numpy().reshape(len(part), -1) for part in splits.parts().values()])
    different = len({row.tobytes() for row in rows})
    check = check_data("fashion-mnist")
    found = [*check.leaks, *check.repeats, *(d for d in check.contradictions if len(d.parts) == 1)]
    assert len(rows) - different == sum(len(duplicate.names) - 1 for duplicate in found)
    assert check.counts["train"]["Shirt"] == 6000
