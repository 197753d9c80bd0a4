"""How an image becomes one vector.

Begin with `descriptor.py`.
"""
