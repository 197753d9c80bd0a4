"""Cross-validation: folds, a run for each of them, what they say of images they never saw, and their ensemble.

Begin with `cross_validate.py`.
"""
