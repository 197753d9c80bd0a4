"""Native kernels (C++ compiled on this machine) for training on the processor, and the tuner that chooses among them.

Begin with `compiled.py`, then `convolutions/convolution.py`.

Order, highest first; each imports only from below:

- tuning
- convolutions · pointwise
- gradient_norm · native_call · pointwise_call
- compiled · pooling
"""
