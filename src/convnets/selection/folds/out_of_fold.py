"""Out-of-fold probabilities: what a network says of every training image when it was not trained on it.

N images, K classes.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.core.storage.files import atomic_path
from convnets.errors import DataError, UsageError

__all__ = ["OutOfFold", "read_out_of_fold"]

_FIXED = ("index", "name", "label", "predicted")
_PREFIX = "p_"


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """A row for each image, in the order of the training set."""

    probabilities: Tensor
    """float32 N×K, the mean over repeats; each row adds up to 1."""
    labels: Tensor
    """int64 N, as they are given."""
    classes: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Paths of the pictures; empty for images that have none."""

    @property
    def accuracy(self) -> float:
        """Share of images whose most probable class is their label."""
        return float((self.probabilities.argmax(1) == self.labels).double().mean())

    def save(self, path: Path | str) -> Path:
        """Write a CSV file, or a Parquet file where the name ends so and pyarrow is there; returns the path.

        Columns: index, name, label, predicted, and `p_CLASS` for each class.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            return self._save_parquet(path)
        if path.suffix != ".csv":
            raise UsageError(f"{path.name} ends in {path.suffix!r}; allowed: .csv, .parquet")
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*_FIXED, *(_PREFIX + name for name in self.classes)])
            for index, row in enumerate(self.probabilities.tolist()):
                writer.writerow([*self._fixed(index), *(f"{value:.9g}" for value in row)])
        return path

    def _fixed(self, index: int) -> list[Any]:
        predicted = self.classes[int(self.probabilities[index].argmax())]
        name = self.names[index].encode("utf-8", "backslashreplace").decode() if self.names else ""
        return [index, name, self.classes[int(self.labels[index])], predicted]

    def _save_parquet(self, path: Path) -> Path:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise UsageError(f"{path.name} needs pyarrow; install it, or write a .csv file") from None
        rows = [self._fixed(index) for index in range(len(self.labels))]
        columns: dict[str, Any] = dict(zip(_FIXED, map(list, zip(*rows, strict=True)), strict=True))
        columns |= {_PREFIX + name: self.probabilities[:, k].numpy() for k, name in enumerate(self.classes)}
        with atomic_path(path) as temporary:
            parquet.write_table(pyarrow.table(columns), temporary)
        return path


def read_out_of_fold(path: Path | str) -> OutOfFold:
    """Read the CSV file of a cross-validation, or one like it. Raises DataError for what is none.

    A row's probabilities have to add up to 1 to within 1e-3.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = list(csv.reader(file))
        if tuple(head[: len(_FIXED)]) != _FIXED or not rows:
            raise ValueError(f"its columns are {','.join(head)[:60]}")
        classes = tuple(name.removeprefix(_PREFIX) for name in head[len(_FIXED) :])
        place = {name: label for label, name in enumerate(classes)}
        labels = torch.tensor([place[row[2]] for row in rows])
        probabilities = torch.tensor([[float(cell) for cell in row[len(_FIXED) :]] for row in rows])
        if [int(row[0]) for row in rows] != list(range(len(rows))):
            raise ValueError("its rows are not 0, 1, 2, …")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, IndexError) as error:
        raise DataError(
            f"{path} is no out_of_fold.csv: {str(error)[:80]}; make it by cross-validate"
        ) from None
    if (probabilities.sum(1) - 1).abs().max() > 1e-3 or probabilities.min() < 0:
        raise DataError(f"{path}: probabilities of a row do not add up to 1; make it by cross-validate")
    names = tuple(row[1] for row in rows)
    return OutOfFold(probabilities, labels, classes, names if any(names) else ())
