"""Batch norm: each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.

N images, C channels or features, … any number of axes of pixels (none, H×W, …).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.layers.number_types import as_floats

__all__ = ["BatchNorm", "batch_norm"]


def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """y = γ · (x − mean) / √(variance + ε) + β by channel: x N×C×…, the others C → N×C×….

    Training takes mean and variance from `batch_statistics`, prediction the moving ones. Ioffe & Szegedy 2015, "Batch
    normalization: accelerating deep network training by reducing internal covariate shift".

    >>> x = torch.tensor([[1.0], [3.0]])
    >>> batch_norm(x, *batch_statistics(x), epsilon=0.0).flatten()
    tensor([-1.,  1.])
    """
    x, mean, variance = as_floats(x), as_floats(mean), as_floats(variance)
    channels = (1, -1, *[1] * (x.ndim - 2))
    y = (x - mean.view(channels)) / (variance.view(channels) + epsilon).sqrt()
    if gamma is not None:
        y = y * gamma.view(channels)
    return y if beta is None else y + beta.view(channels)


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance of each channel over images and pixels: N×C×… → C, C.

    >>> batch_statistics(torch.tensor([[1.0], [3.0]]))
    (tensor([2.]), tensor([1.]))
    """
    x = as_floats(x)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    mean = x.mean(axes, keepdim=True)
    return mean.flatten(), (x - mean).square().mean(axes)


class BatchNorm(nn.Module):
    """Batch norm that can stand in the place of PyTorch's: N×C after a linear layer, N×C×H×W after a convolution.

    In training, a channel's mean and variance are the batch's own, and the moving ones go towards them:
    moving ← (1 − momentum) · moving + momentum · batch, with the unbiased variance (divided by n − 1); where momentum
    is None they are the mean over all batches so far. In prediction the moving ones are used, so that an image's
    result does not depend on the others. Without `track_running_stats` there are none, and batches always count.

    Arguments and state-dict keys are those of `nn.BatchNorm1d` and `nn.BatchNorm2d`. Half-precision input is
    normalized in float32, whole numbers as floats. Raises InputError for another number of channels, and in training
    for one value per channel.

    >>> layer = BatchNorm(6)
    >>> y = layer(torch.rand(4, 6, 28, 28))
    >>> torch.allclose(y.mean((0, 2, 3)), torch.zeros(6), atol=1e-5)
    True
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None  # γ
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None  # β
        moving = track_running_stats
        self.register_buffer("running_mean", torch.zeros(num_features) if moving else None)
        self.register_buffer("running_var", torch.ones(num_features) if moving else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if moving else None)

    @classmethod
    def from_builtin(cls, layer: nn.Module) -> BatchNorm:
        """Ours with the very parameters, moving statistics and mode of one of PyTorch's batch norms.

        >>> BatchNorm.from_builtin(nn.BatchNorm2d(3)).num_features
        3
        """
        if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            raise InputError(f"{type(layer).__name__} is no batch norm; allowed: nn.BatchNorm1d, 2d or 3d")
        own = cls(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        own.weight, own.bias = layer.weight, layer.bias
        for name, value in layer.named_buffers():
            setattr(own, name, value)
        return own.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """As `x`: N×C×…."""
        if x.ndim < 2 or x.shape[1] != self.num_features:
            got = tuple(x.shape)
            raise InputError(f"batch norm of {self.num_features} channels got shape {got}; allowed: N×C×…")
        x = as_floats(x)
        values = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        if self.training or self.running_mean is None or self.running_var is None:
            count = x.numel() // self.num_features
            if self.training and count < 2:
                raise InputError(
                    f"batch norm got shape {tuple(x.shape)}: one value per channel has no variance; "
                    "use more images, or eval()"
                )
            mean, variance = batch_statistics(values)
            if self.training:
                self._move(mean.detach(), variance.detach() * count / (count - 1))
        else:
            mean, variance = self.running_mean, self.running_var
        return batch_norm(values, mean, variance, self.weight, self.bias, self.eps).to(x.dtype)

    @torch.no_grad()
    def _move(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (unbiased_variance - self.running_var)

    def extra_repr(self) -> str:
        """The arguments, for `print(network)`."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
