"""The book's chapter on hyperparameter optimization: searchers, schedulers, the tuner.

Begin with `tuner.py`.
"""
