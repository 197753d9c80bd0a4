"""Commands that train, list runs, compare and reproduce them.

Begin with `train.py`.
"""
