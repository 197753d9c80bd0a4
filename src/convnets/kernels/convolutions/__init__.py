"""Kernels of a convolution's three directions, and the convolution that runs the ones it is told to.

Begin with `convolution.py`; `candidates.py` lists the kernels by name.
"""
