"""The digits that come with scikit-learn, read from its file: loading scikit-learn itself takes most of a second."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convnets.data.stratified import stratified_part

__all__ = ["read_digits"]

_Part = tuple[Tensor, Tensor]


def read_digits(test_images: int) -> tuple[_Part, _Part]:
    """Images and labels to learn from and to be judged on: uint8 N×1×8×8, values 0 to 16 scaled to 0 to 255; int64 N.

    A fixed stratified choice of `test_images` is the second part.

    >>> (images, labels), _ = read_digits(360)
    >>> images.shape, labels.shape
    (torch.Size([1437, 1, 8, 8]), torch.Size([1437]))
    """
    table = _table()
    labels = table[:, -1].long()
    images = table[:, :-1].view(-1, 1, 8, 8).mul(255 / 16).round().to(torch.uint8)
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    chosen[stratified_part(labels.numpy(), test_images, seed=0)] = True
    return (images[~chosen], labels[~chosen]), (images[chosen], labels[chosen])


def _table() -> Tensor:
    """float64 1797×65: 64 values of each picture, and the digit that it shows."""
    path = _file()
    if path is not None:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return torch.from_numpy(np.loadtxt(file, delimiter=","))
    from sklearn.datasets import load_digits  # a version that keeps the file elsewhere

    digits = load_digits()
    return torch.from_numpy(np.column_stack([digits.data, digits.target]))


def _file() -> Path | None:
    found = importlib.util.find_spec("sklearn")  # finds the package without loading it
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return path
    return None
