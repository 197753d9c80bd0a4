"""Commands that help to choose: folds, label errors, replicates, calibration, search.

Begin with `cross_validate.py`.
"""
