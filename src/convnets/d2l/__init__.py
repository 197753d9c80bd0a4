"""The names of *Dive into Deep Learning*'s listings: one line changes, and they run.

`from convnets import d2l` stands in place of `from d2l import torch as d2l`. Both generations are here: the functions
of version 0.17 (`train_ch3`, `train_ch6`, `load_data_fashion_mnist`, `Animator` …) and the classes of 1.0 (`Module`,
`DataModule`, `Trainer` …), for the chapters on linear networks, multilayer perceptrons, convolutional networks, modern
ones, training's optimisation and image augmentation.
"""

from __future__ import annotations

import difflib
import sys

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import Module as nn_Module
from torch.nn import functional as F

from convnets.d2l.blocks import (
    Residual,
    ResNeXtBlock,
    corr2d,
    init_cnn,
    linreg,
    resnet18,
    sgd,
    squared_loss,
)
from convnets.d2l.devices import (
    cpu,
    gpu,
    num_gpus,
    try_all_gpus,
    try_gpu,
)
from convnets.d2l.figures import (
    Animator,
    ProgressBoard,
    plot,
    plt,
    set_axes,
    set_figsize,
    show_images,
    use_svg_display,
)
from convnets.d2l.loaders import (
    ImageLoader,
    data_iter,
    get_dataloader_workers,
    get_fashion_mnist_labels,
    load_array,
    load_data_fashion_mnist,
    synthetic_data,
)
from convnets.d2l.measures import (
    Accumulator,
    Timer,
    accuracy,
    evaluate_accuracy,
    evaluate_accuracy_gpu,
    evaluate_loss,
)
from convnets.d2l.modules import (
    Classifier,
    DataModule,
    FashionMNIST,
    HyperParameters,
    LeNet,
    Module,
    Trainer,
    add_to_class,
)
from convnets.d2l.regression import (
    SGD,
    LinearRegression,
    LinearRegressionScratch,
    SyntheticRegressionData,
)
from convnets.d2l.tensors import (
    abs,
    arange,
    argmax,
    astype,
    batch_matmul,
    concat,
    cos,
    cosh,
    exp,
    expand_dims,
    eye,
    float32,
    int32,
    int64,
    linspace,
    log,
    matmul,
    meshgrid,
    normal,
    ones,
    ones_like,
    rand,
    randn,
    reduce_mean,
    reduce_sum,
    repeat,
    reshape,
    sigmoid,
    sin,
    sinh,
    size,
    stack,
    swapaxes,
    tanh,
    tensor,
    to,
    transpose,
    zeros,
    zeros_like,
)
from convnets.d2l.tensors import (
    numpy_of as numpy,
)
from convnets.d2l.training import (
    predict_ch3,
    train_batch_ch13,
    train_ch3,
    train_ch6,
    train_ch13,
    train_epoch_ch3,
)

__all__ = [
    "SGD",
    "Accumulator",
    "Animator",
    "Classifier",
    "DataModule",
    "F",
    "FashionMNIST",
    "HyperParameters",
    "Image",
    "ImageLoader",
    "LeNet",
    "LinearRegression",
    "LinearRegressionScratch",
    "Module",
    "ProgressBoard",
    "ResNeXtBlock",
    "Residual",
    "SyntheticRegressionData",
    "Timer",
    "Trainer",
    "abs",
    "accuracy",
    "add_to_class",
    "arange",
    "argmax",
    "astype",
    "batch_matmul",
    "concat",
    "corr2d",
    "cos",
    "cosh",
    "cpu",
    "data_iter",
    "evaluate_accuracy",
    "evaluate_accuracy_gpu",
    "evaluate_loss",
    "exp",
    "expand_dims",
    "eye",
    "float32",
    "get_dataloader_workers",
    "get_fashion_mnist_labels",
    "gpu",
    "init_cnn",
    "int32",
    "int64",
    "linreg",
    "linspace",
    "load_array",
    "load_data_fashion_mnist",
    "log",
    "matmul",
    "meshgrid",
    "nn",
    "nn_Module",
    "normal",
    "np",
    "num_gpus",
    "numpy",
    "ones",
    "ones_like",
    "plot",
    "plt",
    "predict_ch3",
    "rand",
    "randn",
    "reduce_mean",
    "reduce_sum",
    "repeat",
    "reshape",
    "resnet18",
    "set_axes",
    "set_figsize",
    "sgd",
    "show_images",
    "sigmoid",
    "sin",
    "sinh",
    "size",
    "squared_loss",
    "stack",
    "swapaxes",
    "synthetic_data",
    "tanh",
    "tensor",
    "to",
    "torch",
    "train_batch_ch13",
    "train_ch3",
    "train_ch6",
    "train_ch13",
    "train_epoch_ch3",
    "transpose",
    "try_all_gpus",
    "try_gpu",
    "use_svg_display",
    "zeros",
    "zeros_like",
]

_ASKED_BY_TOOLS = ("_", "pytest", "setUp", "setup_", "tearDown", "teardown_")  # how such names begin
_INSTEAD = {
    "train_ch8": "recurrent networks are not covered",
    "train_seq2seq": "recurrent networks are not covered",
    "Vocab": "text is not covered",
    "load_data_time_machine": "text is not covered",
    "download": "use convnets.load_data, which downloads and verifies",
    "download_extract": "use convnets.load_data, which downloads and verifies",
    "DATA_HUB": "use convnets.list_data()",
    "DATA_URL": "use convnets.load_data, which downloads and verifies",
    "torchvision": "import it yourself; pictures load without it: convnets.load_data",
    "transforms": "import it from torchvision, or use TrainConfig(augment=…) and convnets.train",
    "split_batch": "use train_batch_ch13, which takes several graphics cards",
    "MTFraEng": "recurrent networks are not covered",
    "RNN": "recurrent networks are not covered",
    "MultiHeadAttention": "attention is not covered",
    "bbox_to_rect": "object detection is not covered",
    "train_2d": "the chapter on optimisation algorithms is not covered",
    "multibox_prior": "object detection is not covered",
    "Benchmark": "use d2l.Timer",
    "extract": "use convnets.load_data on a folder or zip",
    "train_ch11": "the chapter on optimisation algorithms is not covered",
}


def __getattr__(name: str) -> object:
    """What the book has and this package has not: say what to use in its place."""
    if name.startswith(_ASKED_BY_TOOLS):
        raise AttributeError(name)
    instead = _INSTEAD.get(name)
    if instead is None:
        nearest = difflib.get_close_matches(name, __all__, n=3)
        instead = (
            f"nearest: {', '.join(nearest)}"
            if nearest
            else "it covers the chapters up to modern convolutional networks"
        )
    raise ImportError(
        f"convnets.d2l has no {name!r}; {instead}", name=name, path=sys.modules[__name__].__file__
    )
