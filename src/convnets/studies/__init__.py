"""Studies: one idea of the book each, measured again: a function that returns numbers, and a picture of them.

Begin with `catalogue.py`, then `dropout.py`.
"""
