"""Commands that measure speed.

Begin with `bench.py`.
"""
