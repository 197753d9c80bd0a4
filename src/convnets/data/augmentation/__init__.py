"""Augmentations: changes that keep an image's class, each image with random parameters of its own.

Begin with `augment.py`; `mixing.py` has mixup and CutMix.
"""
