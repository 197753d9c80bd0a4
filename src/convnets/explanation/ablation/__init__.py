"""Ablation: parts of a network switched off, and what that costs."""
