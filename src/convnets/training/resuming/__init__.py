"""Resuming a stopped run, and training further from a finished one.

Begin with `going_on.py`.
"""
