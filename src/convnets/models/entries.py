"""The catalogue's entries as data: what is known of each network before any of it is imported."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["ENTRIES", "ModelEntry"]


@dataclass(frozen=True)
class ModelEntry:
    """One network of the catalogue: its defaults, its limits and where it comes from."""

    name: str
    """What `create_model` knows it by."""
    builder: str
    """Where it is built: `module:callable` within `convnets.models`."""
    in_channels: int
    """Channels of the images, by default."""
    num_classes: int
    """Classes, by default."""
    input_size: int
    """Side of the images it is published with, in pixels."""
    min_size: int
    """Smallest side, in pixels, that it can take, or be built for where its head fixes the size."""
    year: int
    """Year of the paper."""
    paper: str
    """The paper: authors and title."""
    idea: str
    """What was new."""
    fixed_size: bool = False
    """Whether a fully connected head fixes the size; `input_size` then builds it for another."""
    options: tuple[str, ...] = ()
    """Further arguments that `create_model` takes for it."""
    axes: int = 2
    """Sides of an input: 2 of an image, 1 of a series."""

    def input_shape(self, channels: int | None = None, size: int | None = None) -> tuple[int, ...]:
        """C×H×W of one image, or C×L of one series; as it is published where nothing is given."""
        return (channels or self.in_channels, *(size or self.input_size,) * self.axes)


_SOFTMAX = ModelEntry(
    name="softmax",
    builder="book.softmax:SoftmaxRegression",
    in_channels=1,
    num_classes=10,
    input_size=28,
    min_size=1,
    year=1958,
    paper="Cox, The regression analysis of binary sequences",
    idea="one weight per pixel and class: the baseline",
    fixed_size=True,
)
_MLP = replace(
    _SOFTMAX,
    name="mlp",
    builder="book.mlp:MLP",
    year=1986,
    paper="Rumelhart, Hinton & Williams, Learning representations by back-propagating errors",
    idea="a hidden layer learns its own features of the whole picture",
    options=("widths", "width", "activation", "dropout", "batch_norm"),
)
_LINEAR = replace(
    _SOFTMAX,
    name="linear",
    builder="book.linear:LinearRegression",
    num_classes=1,
    year=1805,
    paper="Legendre, Nouvelles méthodes pour la détermination des orbites des comètes",
    idea="a weighted sum, fitted by least squares",
)
_LENET = replace(
    _SOFTMAX,
    name="lenet",
    builder="papers.lenet:LeNet",
    min_size=12,
    year=1998,
    paper="LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document recognition",
    idea="small filters shared by all positions",
)
_LENET_BN = replace(
    _LENET,
    name="lenet_bn",
    builder="compact.lenet_bn:LeNetBatchNorm",
    min_size=16,
    year=2015,
    paper="Ioffe & Szegedy, Batch normalization",
    idea="normalize each channel over the batch, so that a large learning rate works",
    options=("width",),
)
_ALEXNET_D2L = replace(
    _SOFTMAX,
    name="alexnet_d2l",
    builder="book.alexnet_d2l:AlexNetD2L",
    input_size=224,
    min_size=65,
    year=2012,
    paper="Krizhevsky, Sutskever & Hinton, ImageNet classification with deep convolutional neural networks",
    idea="a LeNet grown large, with ReLU and dropout",
    options=("dropout",),
)
_NIN = ModelEntry(
    name="nin",
    builder="papers.nin:NiN",
    in_channels=1,
    num_classes=10,
    input_size=224,
    min_size=67,
    year=2013,
    paper="Lin, Chen & Yan, Network in network",
    idea="a small perceptron at every pixel, and an average instead of a fully connected head",
    options=("dropout", "last_relu"),
)
_GOOGLENET = ModelEntry(
    name="googlenet",
    builder="papers.googlenet:GoogLeNet",
    in_channels=1,
    num_classes=10,
    input_size=96,
    min_size=1,
    year=2014,
    paper="Szegedy et al., Going deeper with convolutions",
    idea="filters of several sizes in parallel, paid for by 1×1 convolutions",
    options=("auxiliary",),
)
_RESNET_D2L = ModelEntry(
    name="resnet18_d2l",
    builder="book.resnet_d2l:ResNet18D2L",
    in_channels=1,
    num_classes=10,
    input_size=96,
    min_size=1,
    year=2015,
    paper="He, Zhang, Ren & Sun, Deep residual learning for image recognition",
    idea="learn what to add to the input; the skip path carries the gradient",
)
_DENSENET_D2L = ModelEntry(
    name="densenet_d2l",
    builder="book.densenet_d2l:DenseNetD2L",
    in_channels=1,
    num_classes=10,
    input_size=96,
    min_size=29,
    year=2016,
    paper="Huang, Liu, van der Maaten & Weinberger, Densely connected convolutional networks",
    idea="concatenate where ResNet adds: every layer sees all earlier maps",
)
_ALEXNET = replace(
    _ALEXNET_D2L,
    name="alexnet",
    builder="papers.alexnet:AlexNet",
    in_channels=3,
    num_classes=1000,
    min_size=63,
    year=2014,
    paper="Krizhevsky, One weird trick for parallelizing convolutional neural networks",
    idea="AlexNet in one column",
    fixed_size=False,
)
_VGG = ModelEntry(
    name="vgg11",
    builder="papers.vgg:vgg11",
    in_channels=3,
    num_classes=1000,
    input_size=224,
    min_size=32,
    year=2014,
    paper="Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition",
    idea="blocks of small convolutions, repeated",
    options=("dropout",),
)
_GOOGLENET_BN = replace(
    _GOOGLENET,
    name="googlenet_bn",
    builder="papers.googlenet_bn:GoogLeNetBatchNorm",
    in_channels=3,
    num_classes=1000,
    input_size=224,
    min_size=15,
    idea="Inception blocks with batch norm",
    options=("dropout", "auxiliary"),
)
_SPEEDNET = replace(
    _NIN,
    name="speednet",
    builder="compact.speednet:SpeedNet",
    input_size=28,
    min_size=10,
    year=2024,
    paper="Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU",
    idea="the first filters are computed from the images, so that a few epochs are enough",
    options=("widths", "width"),
)
_LENET_1D = replace(
    _LENET,
    name="lenet1d",
    builder="compact.lenet1d:LeNet1D",
    input_size=128,
    min_size=16,
    year=2016,
    paper="Le Guennec, Malinowski & Tavenard, Data augmentation for time series classification",
    idea="LeNet's convolutions and pooling along one axis, for series",
    axes=1,
)
_RESNET_1D = replace(
    _LENET_1D,
    name="resnet1d",
    builder="papers.resnet1d:ResNet1D",
    min_size=1,
    year=2017,
    paper="Wang, Yan & Oates, Time series classification from scratch with deep neural networks",
    idea="three residual blocks along one axis, and an average in the end",
    fixed_size=False,
)
_TCN = replace(
    _RESNET_1D,
    name="tcn",
    builder="papers.tcn:TCN",
    year=2018,
    paper="Bai, Kolter & Koltun, An empirical evaluation of generic convolutional and recurrent networks",
    idea="dilated causal convolutions: each step sees those before it alone, and far back",
)
_RESNET = replace(_RESNET_D2L, in_channels=3, num_classes=1000, input_size=224)
_RESNET_SMALL = replace(_RESNET, num_classes=10, input_size=32)
_DENSENET = replace(_DENSENET_D2L, in_channels=3, num_classes=1000, input_size=224)


def _vgg(name: str) -> ModelEntry:
    return replace(_VGG, name=name, builder=f"papers.vgg:{name}")


_IN_ORDER: tuple[ModelEntry, ...] = (
    # the networks of the book, as it builds them: 1 channel, 10 classes (linear: 1 number)
    _LINEAR,
    _SOFTMAX,
    _MLP,
    _LENET,
    _LENET_BN,
    _ALEXNET_D2L,
    replace(
        _VGG,
        name="vgg11_quarter",
        builder="book.vgg_d2l:VGG11Quarter",
        in_channels=1,
        num_classes=10,
        fixed_size=True,
        idea="VGG-11 with a quarter of the channels",
    ),
    _NIN,
    _GOOGLENET,
    _RESNET_D2L,
    _DENSENET_D2L,
    # the standard networks: 3 channels, 1000 classes
    _ALEXNET,
    *(_vgg(f"vgg{depth}{suffix}") for suffix in ("", "_bn") for depth in (11, 13, 16, 19)),
    _GOOGLENET_BN,
    *(
        replace(_RESNET, name=f"resnet{n}", builder=f"papers.resnet:resnet{n}")
        for n in (18, 34, 50, 101, 152)
    ),
    *(
        replace(_DENSENET, name=f"densenet{n}", builder=f"papers.densenet:densenet{n}")
        for n in (121, 161, 169, 201)
    ),
    # for small images: 3 channels (the last: 1), 10 classes
    *(
        replace(
            _RESNET_SMALL,
            name=f"resnet{n}",
            builder=f"papers.resnet_cifar:resnet{n}",
            idea="depth alone helps",
        )
        for n in (20, 32, 44, 56, 110)
    ),
    replace(
        _RESNET_SMALL,
        name="resnet18_small",
        builder="compact.resnet_small:ResNet18Small",
        idea="ResNet-18 that does not shrink small images first",
    ),
    replace(
        _DENSENET,
        name="densenet_bc100",
        builder="papers.densenet_bc:DenseNetBC100",
        num_classes=10,
        input_size=32,
        min_size=4,
        idea="bottlenecks and compression make dense connections cheap",
    ),
    _SPEEDNET,
    # for series: 1 channel, 10 classes
    _LENET_1D,
    _RESNET_1D,
    _TCN,
)

ENTRIES: dict[str, ModelEntry] = {entry.name: entry for entry in _IN_ORDER}
"""Every network by its name: the book's, the standard ones, those for small images."""
