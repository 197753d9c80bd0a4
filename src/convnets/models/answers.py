"""Answers: the logits in whatever a network gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from convnets.errors import InputError

__all__ = ["logits_of"]


def logits_of(answer: Any) -> Tensor:
    """Logits N×K from a tensor N×K or N×K×1×1, a tuple of one of these, or what has them under `logits`.

    The last is how Hugging Face's networks answer (a mapping), and torchvision's GoogLeNet in training (an object with
    that attribute). Raises InputError for anything else.

    >>> import torch
    >>> logits_of((torch.zeros(2, 3, 1, 1),)).shape, logits_of({"logits": torch.zeros(2, 3)}).shape
    (torch.Size([2, 3]), torch.Size([2, 3]))
    """
    if isinstance(answer, Tensor) and answer.ndim == 2:
        return answer
    if isinstance(answer, Tensor) and answer.ndim == 4 and answer.shape[2:] == (1, 1):
        return answer.flatten(1)
    if isinstance(answer, Mapping) and "logits" in answer:
        return logits_of(answer["logits"])
    if isinstance(getattr(answer, "logits", None), Tensor):
        return logits_of(answer.logits)
    if isinstance(answer, tuple | list) and len(answer) == 1:
        return logits_of(answer[0])
    raise InputError(
        f"the network answers with {_shown(answer)}; allowed: logits N×K (N images, K classes), N×K×1×1, "
        "a tuple of one tensor, or a dict with 'logits'"
    )


def _shown(answer: Any) -> str:
    if isinstance(answer, Tensor):
        return f"a tensor of shape {'×'.join(map(str, answer.shape)) or '()'}"
    if isinstance(answer, Mapping):
        return f"a {type(answer).__name__} with {', '.join(map(repr, list(answer)[:5])) or 'nothing'}"
    if isinstance(answer, tuple | list):
        return f"a {type(answer).__name__} of {len(answer)}"
    return "None" if answer is None else f"a {type(answer).__name__}"
