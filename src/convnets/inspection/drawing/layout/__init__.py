"""Where boxes and links of a drawing stand: sizes, layers, order, coordinates.

Begin with `boxes.py`, then `placing.py`.
"""
