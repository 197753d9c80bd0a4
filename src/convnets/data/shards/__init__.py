"""Tar shards (WebDataset's layout) as a data set and as batches, local or from URLs.

Begin with `dataset.py`.
"""
