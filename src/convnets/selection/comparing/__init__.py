"""Comparing: the same runs from several seeds, and what may be said of their differences.

Begin with `groups.py`.
"""
