"""Cross-entropy: how many nats the network's prediction costs, given what is true. N images, K classes."""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.errors import ConfigError, InputError
from convnets.layers.softmax import log_softmax

__all__ = ["cross_entropy"]


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean over images of −Σ_k t_k log softmax(logits)_k, in nats: a scalar.

    Args:
        logits: float N×K; softmax is part of the loss, so that its logarithm is never taken of a rounded 0.
        targets: whole numbers N, the class indices, or float N×K, the shares of the classes.
        label_smoothing: share of the target that all classes get alike (Szegedy et al. 2015, "Rethinking the
            Inception architecture for computer vision", section 7).

    Raises InputError for shapes or classes that do not go together, ConfigError for a smoothing outside 0 to 1.

    >>> cross_entropy(torch.zeros(2, 10), torch.tensor([3, 7]))  # log 10: nothing is known
    tensor(2.3026)
    """
    if not 0 <= label_smoothing <= 1:
        raise ConfigError(f"label_smoothing is {label_smoothing}; allowed: 0 to 1")
    if logits.ndim != 2 or len(targets) != len(logits):
        got = f"logits {tuple(logits.shape)}, targets {tuple(targets.shape)}"
        raise InputError(f"cross-entropy got {got}; allowed: N×K with N or N×K")
    classes = logits.shape[1]
    logs = log_softmax(logits, dim=1)  # N×K
    if targets.is_floating_point():
        if targets.shape != logits.shape:  # which would be broadcast, N shares to every image
            got = f"float targets {tuple(targets.shape)} for logits {tuple(logits.shape)}"
            raise InputError(
                f"cross-entropy got {got}; allowed: float N×K shares, or whole numbers N; use .long()"
            )
        shares = targets
    elif targets.ndim != 1 or targets.dtype == torch.bool:
        got = f"{targets.dtype} targets {tuple(targets.shape)} for logits {tuple(logits.shape)}"
        raise InputError(
            f"cross-entropy got {got}; allowed: whole numbers N, or float N×K shares; use .float()"
        )
    else:
        if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < classes:
            raise InputError(
                f"targets are {int(targets.min())} to {int(targets.max())}; allowed: 0 to {classes - 1}"
            )
        shares = torch.zeros_like(logs).scatter(1, targets.long()[:, None], 1.0)  # N×K, one 1 in each row
    shares = (1 - label_smoothing) * shares + label_smoothing / classes
    # 0 · −∞ is 0 here: a class that has no share costs nothing, however unlikely it is
    terms = torch.where(shares == 0, torch.zeros_like(logs), shares * logs)
    return -terms.sum(1).mean()
