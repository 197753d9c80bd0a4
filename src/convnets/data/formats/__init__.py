"""Formats of published data sets: IDX, CIFAR's binary records, scikit-learn's digits.

Begin with `idx.py`.
"""
