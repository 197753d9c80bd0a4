"""Search: options that do better on validation images, found by trying, in a record that survives its workers.

Begin with `tune.py`.
"""
