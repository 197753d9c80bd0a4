"""Plots of runs and evaluations, as SVG text.

Begin with `figures.py`; `drawing.py` holds the look that all plots share.
"""
