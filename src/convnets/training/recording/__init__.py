"""What a run records while it trains and at its end: best weights, state, health, final figures, report.

Begin with `saver.py`.
"""
