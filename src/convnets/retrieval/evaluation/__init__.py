"""How good vectors and indexes are at finding images of the same class.

Begin with `metrics.py`.
"""
