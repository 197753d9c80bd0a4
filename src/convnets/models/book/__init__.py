"""Networks as *Dive into Deep Learning* builds them, often smaller than the paper's.

Begin with `softmax.py`; `alexnet_d2l.py` is the first convolutional one.
"""
