"""Running a network to look at it, leaving it as it was: layers in order, their work and memory, where it fails.

Begin with `recording.py`.
"""
