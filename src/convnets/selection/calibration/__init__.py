"""Calibration and decisions: whether a confidence is a chance of being right, and what to do with it.

Begin with `calibration.py`.
"""
