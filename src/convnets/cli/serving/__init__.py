"""Commands that use a trained network.

Begin with `predict.py`.
"""
