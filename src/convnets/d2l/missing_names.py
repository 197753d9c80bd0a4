"""Names of the book that are not here: what to use in their place."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

__all__ = ["missing_name"]

_INSTEAD = {
    "train_ch8": "recurrent networks are not covered",
    "train_seq2seq": "recurrent networks are not covered",
    "Vocab": "text is not covered",
    "load_data_time_machine": "text is not covered",
    "torchvision": "import it yourself; pictures load without it: convnets.load_data",
    "transforms": "import it from torchvision, or use TrainConfig(augment=…) and convnets.train",
    "split_batch": "use train_batch_ch13, which takes several graphics cards",
    "MTFraEng": "recurrent networks are not covered",
    "RNN": "recurrent networks are not covered",
    "MultiHeadAttention": "attention is not covered",
    "bbox_to_rect": "object detection is not covered",
    "train_2d": "the chapter on optimization algorithms is not covered",
    "multibox_prior": "object detection is not covered",
    "Benchmark": "use d2l.Timer",
    "train_ch11": "the chapter on optimization algorithms is not covered",
}


def missing_name(name: str, known: Sequence[str]) -> str:
    """One line on a name that is not among those that are `known`.

    >>> missing_name("train_ch66", ["train_ch6", "train_ch3"])
    "convnets.d2l has no 'train_ch66'; nearest: train_ch6, train_ch3"
    """
    instead = _INSTEAD.get(name)
    if instead is None:
        nearest = difflib.get_close_matches(name, known, n=3)
        covered = "it covers the chapters up to modern convolutional networks"
        instead = f"nearest: {', '.join(nearest)}" if nearest else covered
    return f"convnets.d2l has no {name!r}; {instead}"
