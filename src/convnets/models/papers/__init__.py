"""Networks as their papers define them, one architecture per file.

Begin with `lenet.py`.
"""
