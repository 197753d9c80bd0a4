"""Capture: what a network's layers give, and the gradients there; the one place where hooks are set."""
