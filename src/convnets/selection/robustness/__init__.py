"""Robustness: pictures made worse in eighteen ways and five strengths, and how much accuracy that costs.

Begin with `corruptions.py`.
"""
