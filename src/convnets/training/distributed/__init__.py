"""One run on several processes: what each computes with, and how gradients are shared.

Begin with `ranks.py`.
"""
