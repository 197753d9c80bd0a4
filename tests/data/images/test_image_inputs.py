"""One picture in every form that a caller may hold it in is the same picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.data.images.image_inputs import expand_folders, file_of, name_of, open_given
from convnets.errors import InputError

COLOR = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
GRAY = COLOR[..., 0].copy()


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def written(array: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file  # at its end, as whoever saved into it left it


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda a: a,
    "array of floats": lambda a: a.astype(np.float64) / 255,
    "array with one channel": lambda a: a[..., None] if a.ndim == 2 else a,
    "array C×H×W": lambda a: a[None] if a.ndim == 2 else a.transpose(2, 0, 1),
    "tensor": lambda a: torch.from_numpy(a[None] if a.ndim == 2 else a.transpose(2, 0, 1).copy()),
    "Pillow": Image.fromarray,
    "bytes": png,
    "bytearray": lambda a: bytearray(png(a)),
    "BytesIO at its end": written,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("array", [GRAY, COLOR], ids=["gray", "color"])
def test_every_form_is_the_same_picture(form: str, array: np.ndarray) -> None:
    assert np.array_equal(np.asarray(open_given(FORMS[form](array), "it")), array)


def test_transparent_arrays_are_laid_on_white_as_files_are() -> None:
    alpha = np.concatenate([COLOR, np.full((6, 8, 1), 128, dtype=np.uint8)], axis=2)
    assert np.array_equal(np.asarray(open_given(alpha, "it")), np.asarray(open_given(png(alpha), "it")))


def test_files_by_path_home_address_and_handle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "a cat ö.png"
    path.write_bytes(png(COLOR))
    with path.open("rb") as file:
        forms = [path, str(path), "~/a cat ö.png", Path("~/a cat ö.png"), path.as_uri(), file]
        for form in forms:
            assert np.array_equal(np.asarray(open_given(form, "it")), COLOR)
        assert name_of(file, 0) == str(path)
    assert name_of(io.BytesIO(), 3) == "picture 3"
    assert expand_folders("~") == [path]


def test_one_picture_is_a_list_of_one() -> None:
    for form in FORMS.values():
        assert len(expand_folders(form(COLOR))) == 1
    assert len(expand_folders(np.zeros((5, 6, 8, 3), dtype=np.uint8))) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((4, 5, 2), dtype=np.uint8), r"shape \(4, 5, 2\); allowed: an array H×W or H×W×C"),
        (np.zeros((4, 5), dtype=np.int32), "int32; allowed: uint8"),
        (np.full((4, 5), 2.0), "from 2 to 2; allowed: 0 to 1"),
        (np.full((4, 5), np.nan), "nan"),
        (io.StringIO("text"), "open as text; open it with mode 'rb'"),
        (object(), "is a object; allowed: a path, an open file"),
    ],
)
def test_what_is_no_picture_is_named(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_given(given, "it")


def test_a_file_on_another_host_is_refused() -> None:
    with pytest.raises(InputError, match="host elsewhere; allowed: files of this machine"):
        file_of("file://elsewhere/a.png")
