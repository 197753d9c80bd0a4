"""Kernels of our own for training on the processor, and the choice among them by measurement."""
