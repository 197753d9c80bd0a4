"""Batch norm over the batches of all processes of a distributed run. N images, C channels, … pixels (none, H×W, …)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from convnets.errors import InputError

__all__ = ["SynchronizedBatchNorm", "synchronize_batch_norm"]


class SynchronizedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose mean and variance are those of the images of all processes together, in training.

    Arguments and state-dict keys are those of `nn.BatchNorm2d`; it takes N×C and N×C×H×W alike. Every process must
    call it equally often; they may hold different numbers of images. Outside a distributed run, and in prediction,
    it is plain batch norm. Half-precision input is normalized in float32.

    >>> layer = SynchronizedBatchNorm(6)
    >>> x = torch.rand(4, 6, 28, 28)
    >>> torch.allclose(layer(x), nn.BatchNorm2d(6)(x))
    True
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise InputError(f"batch norm of {self.num_features} channels got shape {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """As the input: N×C×…."""
        if not self.training or not _several_processes():
            return super().forward(input)
        self._check_input_dim(input)
        values = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        result = cast("tuple[Tensor, ...]", _Normalize.apply(values, self.weight, self.bias, self.eps))  # type: ignore[no-untyped-call]
        y, mean, variance, count = result
        if self.track_running_stats:
            self._move(mean, variance * count / (count - 1).clamp(min=1))
        return y.to(input.dtype)

    @torch.no_grad()
    def _move(self, mean: Tensor, variance: Tensor) -> None:
        """Moving statistics, with the unbiased variance."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum: Any = self.momentum
        if momentum is None:
            momentum = 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), momentum)


class _Normalize(torch.autograd.Function):
    """y = γ · (x − mean) / √(variance + ε) + β with mean and variance over all processes.

    Each gives its images' number, mean and sum of squared deviations, which are put together as in Chan, Golub &
    LeVeque 1983, "Algorithms for computing the sample variance" (two sums of squares would cancel each other). With
    x̂ the normalized input and means over all processes, dx = γ / √(variance + ε) · (dy − mean(dy) − x̂ · mean(dy · x̂)).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gamma: Tensor | None, beta: Tensor | None, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        axes, shape = _axes(x), _shape(x)
        mean = x.mean(axes)
        squares = (x - mean.view(shape)).square().sum(axes)
        own = torch.cat([mean.new_tensor([x.numel() / x.shape[1]]), mean, squares]).double()
        all_ = _gathered(own)  # ranks × (1 + 2C)
        counts, means, sums = all_[:, :1], all_[:, 1 : 1 + len(mean)], all_[:, 1 + len(mean) :]
        count = counts.sum()
        together = (counts * means).sum(0) / count
        variance = (sums + counts * (means - together).square()).sum(0) / count
        scale = (variance + epsilon).rsqrt().to(x.dtype)
        normalized = (x - together.to(x.dtype).view(shape)) * scale.view(shape)
        ctx.save_for_backward(normalized, scale, gamma, count.to(x.dtype))
        ctx.has_beta = beta is not None
        y = normalized.clone() if gamma is None else normalized * gamma.view(shape)
        y = y if beta is None else y + beta.view(shape)
        ctx.mark_non_differentiable(together, variance, count)
        return y, together, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        normalized, scale, gamma, count = ctx.saved_tensors
        dy, axes, shape = gradients[0], _axes(normalized), _shape(normalized)
        sums = torch.stack([dy.sum(axes), (dy * normalized).sum(axes)])
        own_beta, own_gamma = (
            sums.clone().unbind()
        )  # of this process: the engine adds up parameters' gradients
        first, second = (_summed(sums) / count).unbind()
        dx = (dy - first.view(shape) - normalized * second.view(shape)) * scale.view(shape)
        if gamma is not None:
            dx = dx * gamma.view(shape)
        return dx, None if gamma is None else own_gamma, own_beta if ctx.has_beta else None, None


def synchronize_batch_norm(network: nn.Module) -> int:
    """Put a SynchronizedBatchNorm in the place of each of PyTorch's batch norms, in place; returns how many.

    Parameters, moving statistics, modes and names stay, so optimizers and state dicts know nothing of it.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    >>> synchronize_batch_norm(network), type(network[1]).__name__
    (1, 'SynchronizedBatchNorm')
    """
    made: dict[nn.Module, SynchronizedBatchNorm] = {}  # a module that stands in several places stays one
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):
            if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d):
                assert isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d)
                setattr(parent, name, made.setdefault(child, _synchronized(child)))
    return len(made)


def _synchronized(layer: nn.BatchNorm1d | nn.BatchNorm2d) -> SynchronizedBatchNorm:
    own = SynchronizedBatchNorm(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
    )
    own._parameters.update(layer._parameters)
    own._buffers.update(layer._buffers)
    return own.train(layer.training)


def _several_processes() -> bool:
    import torch.distributed as dist

    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _gathered(own: Tensor) -> Tensor:
    import torch.distributed as dist

    found = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(found, own)
    return torch.stack(found)


def _summed(values: Tensor) -> Tensor:
    import torch.distributed as dist

    dist.all_reduce(values)
    return values


def _axes(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]


def _shape(x: Tensor) -> tuple[int, ...]:
    return (1, -1, *[1] * (x.ndim - 2))
