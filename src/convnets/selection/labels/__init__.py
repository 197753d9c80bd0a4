"""Label errors: images whose label is probably wrong, and training without them or with better ones.

Begin with `confident_learning.py`.
"""
