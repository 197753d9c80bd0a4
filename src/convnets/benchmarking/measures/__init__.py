"""What is measured: time in slices that take turns, peak speed, memory, energy, latency.

Begin with `slices.py`, then `rounds.py`.
"""
