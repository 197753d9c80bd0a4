"""Predictions: what a network says of pictures, as values, JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convnets.core.html.kit import card, note, share, table
from convnets.data.images.names import printable

__all__ = ["Prediction", "Predictions", "to_csv_rows"]

_SHOWN = 50


@dataclass(frozen=True)
class Prediction:
    """The class of one picture, or why there is none.

    >>> Prediction("a.png", "cat", 0.9, (("cat", 0.9), ("dog", 0.1))).to_dict()["label"]
    'cat'
    """

    name: str
    """The picture's file name, or its place among the pictures."""
    label: str | None
    """Name of the most probable class; None when the picture could not be read, or where it abstains."""
    confidence: float | None
    """Probability of that class; None when the picture could not be read."""
    top: tuple[tuple[str, float], ...] = ()
    """The most probable classes with their probabilities, the most probable first."""
    error: str | None = None
    """Why the picture could not be read; None when it could."""
    possible: tuple[str, ...] = ()
    """Classes among which the true one is with the coverage asked for; empty where none was."""
    abstained: bool = False
    """Whether the answer is "don't know": `confidence` is below the threshold of the precision asked for."""

    def _repr_html_(self) -> str:
        return Predictions([self])._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "confidence": self.confidence,
            "top": [{"class": name, "probability": probability} for name, probability in self.top],
            "error": self.error,
            **({"possible": list(self.possible)} if self.possible else {}),
            **({"abstained": True} if self.abstained else {}),
        }


class Predictions(list[Prediction]):
    """A list of predictions; a notebook shows it as a table."""

    def _repr_html_(self) -> str:
        shown = self[:_SHOWN]
        places = max([0, *(len(prediction.top) for prediction in shown)])
        head = ["picture", "class", *(f"{place}." for place in range(2, places + 1))]
        rows = []
        for prediction in shown:
            cells: list[str] = [share(value, f"{name} {value:.3f}") for name, value in prediction.top]
            if prediction.error is not None:
                cells = [prediction.error]
            rows.append([printable(prediction.name), *cells, *[""] * (len(head) - 1 - len(cells))])
        more = [note(f"… and {len(self) - len(shown):,} more")] if len(self) > len(shown) else []
        return card(f"{len(self):,} predictions", table(head, rows), *more)


def to_csv_rows(predictions: Sequence[Prediction]) -> list[list[str]]:
    """A header and a row for each prediction, for `csv.writer`.

    Columns: name, label, confidence, then label_2, confidence_2 … as far as any prediction has them, then error.

    >>> to_csv_rows([Prediction("a.png", "cat", 0.9, (("cat", 0.9),))])
    [['name', 'label', 'confidence', 'error'], ['a.png', 'cat', '0.900000', '']]
    """
    places = max([1, *(len(prediction.top) for prediction in predictions)])
    further = [f"{column}_{place}" for place in range(2, places + 1) for column in ("label", "confidence")]
    rows = [["name", "label", "confidence", *further, "error"]]
    for prediction in predictions:
        cells = [cell for name, probability in prediction.top for cell in (name, f"{probability:.6f}")]
        cells += [""] * (2 * places - len(cells))
        if prediction.abstained:
            cells[0] = ""  # the class that it would have named stands in the JSON
        rows.append([prediction.name, *cells, prediction.error or ""])
    return rows
