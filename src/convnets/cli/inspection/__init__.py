"""Commands that look into networks.

Begin with `summary.py`.
"""
