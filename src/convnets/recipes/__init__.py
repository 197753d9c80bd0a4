"""Named, reproducible runs, each with the score it is expected to reach and where that comes from.

Begin with `catalogue.py`.
"""
