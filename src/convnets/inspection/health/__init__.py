"""Whether signals reach a network's end and gradients its beginning, measured on one batch.

Begin with `measure.py`.
"""
