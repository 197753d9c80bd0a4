"""The loops that are compared: ours, and those of a tutorial and of a good practitioner.

Begin with `own_loop.py` and `standard_loop.py`.
"""
