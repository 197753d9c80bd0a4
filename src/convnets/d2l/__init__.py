"""The names of *Dive into Deep Learning*'s listings: one line changes, and they run.

`from convnets import d2l` stands in place of `from d2l import torch as d2l`. Both generations are here: the functions
of version 0.17 (`train_ch3`, `train_ch6`, `load_data_fashion_mnist`, `Animator` …) and the classes of 1.0 (`Module`,
`DataModule`, `Trainer` …), for the chapters on linear networks, multilayer perceptrons, convolutional networks, modern
ones, training's optimization, image augmentation and hyper-parameter search.
"""

from __future__ import annotations

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
from convnets.d2l.classifiers import Classifier, LeNet, SoftmaxRegression
from convnets.d2l.data.archives import extract
from convnets.d2l.data.data_modules import DataModule, FashionMNIST
from convnets.d2l.data.hub import DATA_HUB, DATA_URL, download, download_all, download_extract
from convnets.d2l.data.kaggle_house import KaggleHouse, k_fold_data
from convnets.d2l.data.loaders import (
    ImageLoader,
    data_iter,
    get_dataloader_workers,
    get_fashion_mnist_labels,
    load_array,
    load_data_fashion_mnist,
    synthetic_data,
)
from convnets.d2l.devices import (
    cpu,
    gpu,
    num_gpus,
    try_all_gpus,
    try_gpu,
)
from convnets.d2l.figures import (
    plot,
    plt,
    set_axes,
    set_figsize,
    show_images,
    use_svg_display,
)
from convnets.d2l.house_prices import get_k_fold_data, k_fold, log_rmse, train_and_pred
from convnets.d2l.hyper_parameters import HyperParameters, add_to_class
from convnets.d2l.live_curves import Animator, ProgressBoard
from convnets.d2l.measures import (
    Accumulator,
    Timer,
    accuracy,
    evaluate_accuracy,
    evaluate_accuracy_gpu,
    evaluate_loss,
)
from convnets.d2l.missing_names import missing_name
from convnets.d2l.modules import Module, Trainer
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
from convnets.d2l.tuning.schedulers import BasicScheduler, HPOScheduler
from convnets.d2l.tuning.searchers import HPOSearcher, RandomSearcher
from convnets.d2l.tuning.successive_halving import SuccessiveHalvingScheduler
from convnets.d2l.tuning.trainer import HPOTrainer, hpo_objective_lenet
from convnets.d2l.tuning.tuner import HPOTuner

__all__ = [
    "DATA_HUB",
    "DATA_URL",
    "SGD",
    "Accumulator",
    "Animator",
    "BasicScheduler",
    "Classifier",
    "DataModule",
    "F",
    "FashionMNIST",
    "HPOScheduler",
    "HPOSearcher",
    "HPOTrainer",
    "HPOTuner",
    "HyperParameters",
    "Image",
    "ImageLoader",
    "KaggleHouse",
    "LeNet",
    "LinearRegression",
    "LinearRegressionScratch",
    "Module",
    "ProgressBoard",
    "RandomSearcher",
    "ResNeXtBlock",
    "Residual",
    "SoftmaxRegression",
    "SuccessiveHalvingScheduler",
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
    "download",
    "download_all",
    "download_extract",
    "evaluate_accuracy",
    "evaluate_accuracy_gpu",
    "evaluate_loss",
    "exp",
    "expand_dims",
    "extract",
    "eye",
    "float32",
    "get_dataloader_workers",
    "get_fashion_mnist_labels",
    "get_k_fold_data",
    "gpu",
    "hpo_objective_lenet",
    "init_cnn",
    "int32",
    "int64",
    "k_fold",
    "k_fold_data",
    "linreg",
    "linspace",
    "load_array",
    "load_data_fashion_mnist",
    "log",
    "log_rmse",
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
    "train_and_pred",
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


def __getattr__(name: str) -> object:
    """What the book has and this package has not: say what to use in its place.

    An ImportError for `from convnets.d2l import name`, an AttributeError for `d2l.name`, so that `hasattr` and a
    default of `getattr` work. (Python has no error that is both.)
    """
    message = missing_name(name, __all__)
    if sys._getframe(1).f_code.co_name == "_handle_fromlist":  # how Python's `from … import` asks a package
        raise ImportError(message, name=name, path=__file__)
    raise AttributeError(message, name=name)
