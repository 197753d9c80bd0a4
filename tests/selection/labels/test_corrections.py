"""Corrections: exactly what the file says is done, and a file of other images is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from convnets.data.sources import load_data
from convnets.errors import DataError, InputError
from convnets.selection.folds.cross_validation import CrossValidation
from convnets.selection.labels.corrections import apply_corrections, train_corrected
from convnets.selection.labels.flipping import flip_labels
from convnets.selection.labels.label_errors import LabelErrors, find_label_errors
from convnets.selection.labels.pages import write_label_page, write_label_sheet

DIGITS = load_data("digits").train


@pytest.fixture(scope="module")
def errors(digits_folds: CrossValidation) -> LabelErrors:
    """Of digits whose labels were flipped after the folds were trained: as good as an oracle."""
    labels, _ = flip_labels(DIGITS.labels, 10, 0.02)
    return find_label_errors(replace(digits_folds.out_of_fold(), labels=labels))


@pytest.fixture(scope="module")
def flipped() -> torch.Tensor:
    return flip_labels(DIGITS.labels, 10, 0.02)[0]


def test_actions_are_done_to_the_row(errors: LabelErrors, flipped: torch.Tensor, tmp_path: Path) -> None:
    images = replace(DIGITS, labels=flipped)
    path = errors.save(tmp_path / "errors.csv")
    lines = path.read_text().splitlines()
    lines[1] = lines[1].removesuffix("drop") + "correct"
    lines[2] = lines[2].removesuffix("drop") + "keep"
    path.write_text("\n".join(lines) + "\n")
    done = apply_corrections(images, path)
    first, second, *rest = errors.errors
    assert (done.dropped, done.relabeled) == (len(rest), 1)
    gone = {each.index for each in rest}
    kept = [index for index in range(len(images)) if index not in gone]
    expected = flipped.clone()
    expected[first.index] = images.classes.index(first.suggested)
    assert done.images.labels.equal(expected[kept])
    assert done.images.pixels.equal(images.pixels[kept])
    every = apply_corrections(images, path, correct=True)
    assert (every.dropped, every.relabeled) == (0, len(rest) + 1)
    assert every.images.labels[second.index] == flipped[second.index]


def test_a_file_of_other_images_is_refused(errors: LabelErrors, tmp_path: Path) -> None:
    path = errors.save(tmp_path / "errors.csv")
    shifted = replace(DIGITS, labels=(DIGITS.labels + 1) % 10)
    with pytest.raises(DataError, match="the file is of other images"):
        apply_corrections(shifted, path)
    path.write_text(path.read_text().replace("drop", "burn"))
    with pytest.raises(DataError, match="allowed: drop, correct, keep"):
        apply_corrections(DIGITS, path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="lacks the columns index"):
        apply_corrections(DIGITS, path)


def test_it_trains_on_what_is_left(digits_folds: CrossValidation, tmp_path: Path) -> None:
    found = find_label_errors(digits_folds.out_of_fold())
    path = found.save(tmp_path / "errors.csv")
    run, done = train_corrected(digits_folds, path, output=tmp_path, listeners=[])
    assert run.status == "finished"
    assert done.dropped == len(found.errors)
    assert run.settings["data"]["content_hash"]["train"] == done.images.content_hash()


def test_sheet_and_page(errors: LabelErrors, flipped: torch.Tensor, tmp_path: Path) -> None:
    images = replace(DIGITS, labels=flipped)
    assert write_label_sheet(tmp_path / "a/sheet.png", errors, images).stat().st_size > 5000
    page = write_label_page(tmp_path / "page.html", errors, images).read_text()
    assert page.count("<img") == min(400, len(errors.errors))
    with pytest.raises(InputError, match="give those images"):
        write_label_page(tmp_path / "page.html", errors, images.subset([0, 1]))
