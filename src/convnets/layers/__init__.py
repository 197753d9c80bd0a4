"""Operations written out to be read, blocks of the classic networks, and the initializers of weights.

Begin with `convolution.py`, then `blocks.py`.

>>> from convnets.layers import BatchNorm, Residual, initialize

Order, highest first; each imports only from below:

- initialization
- convolution · cross_entropy
- global_pooling · linear · normalization · pooling · softmax
- activations · blocks · containers · dropout · number_types · synchronized_norm · windows
"""

from convnets.core.former_names import former_attribute
from convnets.layers.activations import RescaledSigmoid, rescaled_sigmoid
from convnets.layers.blocks import DenseBlock, Inception, Residual, nin_block, transition, vgg_block
from convnets.layers.containers import Sequential
from convnets.layers.convolution import Convolution, cross_correlation, pointwise_convolution
from convnets.layers.cross_entropy import cross_entropy
from convnets.layers.dropout import Dropout, dropout
from convnets.layers.initialization.initialize import INITIALIZERS, initialize
from convnets.layers.linear import Linear, linear
from convnets.layers.normalization import BatchNorm, batch_norm
from convnets.layers.pooling import (
    AdaptiveAveragePool,
    AveragePool,
    GlobalAveragePool,
    MaxPool,
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
)
from convnets.layers.softmax import Softmax, log_softmax, log_sum_exp, softmax

__all__ = [
    "INITIALIZERS",
    "AdaptiveAveragePool",
    "AveragePool",
    "BatchNorm",
    "Convolution",
    "DenseBlock",
    "Dropout",
    "GlobalAveragePool",
    "Inception",
    "Linear",
    "MaxPool",
    "RescaledSigmoid",
    "Residual",
    "Sequential",
    "Softmax",
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "batch_norm",
    "cross_correlation",
    "cross_entropy",
    "dropout",
    "global_average_pool",
    "global_max_pool",
    "initialize",
    "linear",
    "log_softmax",
    "log_sum_exp",
    "max_pool",
    "nin_block",
    "pointwise_convolution",
    "rescaled_sigmoid",
    "softmax",
    "transition",
    "vgg_block",
]

__getattr__ = former_attribute(__name__, globals())
