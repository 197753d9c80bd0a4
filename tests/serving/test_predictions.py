"""Predictions as CSV, read back by the standard library's reader."""

from __future__ import annotations

import csv
import io

from convnets.serving.predictions import Prediction, to_csv_rows


def test_rows_read_back_by_column() -> None:
    predictions = [
        Prediction('a "1", b.png', "cat", 0.75, (("cat", 0.75), ("dog, small", 0.25))),
        Prediction("b.png", None, None, error="b.png: damaged picture"),
    ]
    file = io.StringIO()
    csv.writer(file).writerows(to_csv_rows(predictions))
    one, two = csv.DictReader(io.StringIO(file.getvalue()))
    assert one == {
        "name": 'a "1", b.png',
        "label": "cat",
        "confidence": "0.750000",
        "label_2": "dog, small",
        "confidence_2": "0.250000",
        "error": "",
    }
    assert (two["label"], two["confidence"], two["error"]) == ("", "", "b.png: damaged picture")


def test_nothing_gives_a_header() -> None:
    assert to_csv_rows([]) == [["name", "label", "confidence", "error"]]
