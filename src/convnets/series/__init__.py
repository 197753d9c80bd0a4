"""Series: numbers in the order of time, as a `SeriesSet`, and a `SeriesEncoder`, which travels with the model.

Begin with `series_set.py`, then `load_series.py` and `series_encoder.py`.

Order, highest first; each imports only from below:

- unencoded
- examples
- series_encoder
- load_series
- csv_series · sounds
- windows
- augmentation · series_options · series_set
"""
