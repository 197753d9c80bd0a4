"""Confident learning: which labels are wrong, counted and found from out-of-fold probabilities.

Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset labels". N images, K classes;
i is the class that an image is given, j the one that it probably is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.errors import InputError

__all__ = [
    "class_thresholds",
    "confident_joint",
    "estimated_joint",
    "normalized_margins",
    "prune_by_noise_rate",
]


def class_thresholds(probabilities: Tensor, labels: Tensor) -> Tensor:
    """float64 K: t_j, the mean probability of class j over the images labeled j (equation 2); 1 for a class of none.

    >>> class_thresholds(torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]]), torch.tensor([0, 0, 1])).round(decimals=3)
    tensor([0.8000, 0.8000], dtype=torch.float64)
    """
    _check(probabilities, labels)
    own = probabilities.double().gather(1, labels[:, None]).flatten()
    sums = torch.zeros(probabilities.shape[1], dtype=torch.float64).index_add_(0, labels, own)
    counts = torch.bincount(labels, minlength=probabilities.shape[1])
    return torch.where(counts > 0, sums / counts.clamp(min=1), torch.ones_like(sums))


def confident_joint(probabilities: Tensor, labels: Tensor) -> Tensor:
    """int64 K×K: images labeled i that are confidently j (equation 1).

    Confident are the classes with p_j ≥ t_j; of several the most probable of them. Images that are confidently nothing
    are not counted.
    """
    confident = probabilities.double() >= class_thresholds(probabilities, labels) - 1e-9
    believed = probabilities.double().masked_fill(~confident, -1.0).argmax(1)
    counted = confident.any(1)
    classes = probabilities.shape[1]
    cells = labels[counted] * classes + believed[counted]
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes)


def estimated_joint(joint: Tensor, labels: Tensor) -> Tensor:
    """float64 K×K that adds up to 1: the joint distribution of given and true classes (equation 3).

    Each row of the confident joint is scaled to the images that have that label; a row of zeros is all right.
    """
    counts = torch.bincount(labels, minlength=len(joint)).double()
    rows = joint.double()
    rows = torch.where(rows.sum(1, keepdim=True) > 0, rows, torch.eye(len(joint), dtype=torch.float64))
    scaled = rows / rows.sum(1, keepdim=True) * counts[:, None]
    return scaled / scaled.sum()


def normalized_margins(probabilities: Tensor, labels: Tensor) -> Tensor:
    """float64 N: p of the given class minus the largest other one; from −1, surely wrong, to 1.

    >>> normalized_margins(torch.tensor([[0.25, 0.75]]), torch.tensor([0])).item()
    -0.5
    """
    _check(probabilities, labels)
    p = probabilities.double()
    given = p.gather(1, labels[:, None]).flatten()
    return given - p.scatter(1, labels[:, None], -1.0).max(1).values


def prune_by_noise_rate(probabilities: Tensor, labels: Tensor) -> Tensor:
    """bool N: the images that are probably labeled wrong ("PBNR", section 3.2).

    For each pair i ≠ j as many images as the estimated joint expects, N·Q_ij to the nearest: of those labeled i, the
    ones with the largest p_j − p_i. An image whose given class is the most probable one is never among them.
    """
    p = probabilities.double()
    expected = estimated_joint(confident_joint(probabilities, labels), labels) * len(labels)
    wrong = torch.zeros(len(labels), dtype=torch.bool)
    for given in range(p.shape[1]):
        members = (labels == given).nonzero().flatten()
        for other in range(p.shape[1]):
            count = round(float(expected[given, other]))
            if other != given and count and len(members):
                gaps = p[members, other] - p[members, given]
                wrong[members[gaps.argsort(descending=True, stable=True)[:count]]] = True
    return wrong & (normalized_margins(probabilities, labels) < 0)


def _check(probabilities: Tensor, labels: Tensor) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or len(labels) == 0:
        raise InputError(
            f"probabilities have shape {tuple(probabilities.shape)}, labels {tuple(labels.shape)}; allowed: N×K and N"
        )
    if labels.dtype != torch.int64 or int(labels.min()) < 0 or int(labels.max()) >= probabilities.shape[1]:
        raise InputError(f"labels are {labels.dtype}; allowed: int64 from 0 to {probabilities.shape[1] - 1}")
