"""Curves that say what to do next: accuracy against the number of images, loss against the learning rate.

Begin with `learning_curve.py`.
"""
