"""What a network is given: NumPy's own mean and spread, before and after JSON, batch by batch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from convnets.errors import ConfigError, DataError
from convnets.series.examples import encoded
from convnets.series.load_series import load_series
from convnets.series.series_encoder import SeriesEncoder
from convnets.tables.load_table import load_table
from convnets.tables.table_encoder import TableEncoder


def test_channels_are_standardized_by_the_training_series() -> None:
    rng = np.random.default_rng(0)
    x, new = rng.normal(3, 2, (20, 2, 15)), rng.normal(0, 9, (4, 2, 15))
    x[3, 1, 4] = np.nan
    encoder = SeriesEncoder.fit(load_series(x))
    again = SeriesEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    mean, std = np.nanmean(x, (0, 2))[:, None], np.nanstd(x, (0, 2))[:, None]
    for values in (x, new):
        wanted = np.nan_to_num((values - mean) / std).astype(np.float32)
        assert np.allclose(again(load_series(values)), wanted, rtol=1e-6, atol=1e-7)
    assert again(load_series(x))[3, 1, 4] == 0


def test_windows_are_made_batch_by_batch_and_kept_once() -> None:
    long = np.random.default_rng(0).normal(size=(2, 500))
    series = load_series(long, "x1", window=50)
    inputs = SeriesEncoder.fit(series).encode(series)
    whole = inputs[:]
    places = torch.tensor([7, 0, 7, 300])
    assert torch.equal(inputs[places], whole[places])
    assert inputs.nbytes < 2 * long.nbytes < whole.nbytes
    flat = SeriesEncoder.fit(series, flat=True)
    assert flat.shape == (100,)
    assert torch.equal(flat.encode(series)[places], whole[places].flatten(1))
    assert torch.equal(inputs.to("cpu")[places], whole[places])


def test_other_series_and_tables_are_refused() -> None:
    series = load_series(np.zeros((3, 2, 8)))
    encoder = SeriesEncoder.fit(series)
    with pytest.raises(
        DataError, match=r"1 channels \(x1\) of 8 steps; the model was trained on x1, x2 of 8"
    ):
        encoder.encode(load_series(np.zeros((3, 8))))
    table = load_table(np.eye(3))
    with pytest.raises(DataError, match="is a table, and the model was trained on a series"):
        encoded(table, encoder)
    with pytest.raises(DataError, match="is a series, and the model was trained on a table"):
        encoded(series, TableEncoder.fit(table))
    with pytest.raises(ConfigError, match="lacks or mistypes 'mean'"):
        SeriesEncoder.from_dict({})


def test_an_array_that_may_not_be_written_is_taken_without_a_warning() -> None:
    given = np.arange(24.0).reshape(2, 12)
    given.flags.writeable = False  # as pandas hands them out
    series = load_series(given, "x1", window=4)
    assert SeriesEncoder.fit(series)(series).shape == (8, 2, 4)
