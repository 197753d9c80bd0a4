"""Logits in whatever a network gives."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch

from convnets.errors import InputError
from convnets.models.answers import logits_of

LOGITS = torch.arange(6.0).view(2, 3)
Outputs = namedtuple("Outputs", ["logits", "aux"])


@pytest.mark.parametrize(
    "answer",
    [LOGITS, LOGITS[..., None, None], (LOGITS,), [LOGITS], {"logits": LOGITS}, OrderedDict(loss=0, logits=LOGITS),
     Outputs(LOGITS, None), ({"logits": LOGITS[..., None, None]},)],
)  # fmt: skip
def test_logits_are_found(answer: Any) -> None:
    assert torch.equal(logits_of(answer), LOGITS)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [(None, "None"), (LOGITS[0], "shape 3"), (LOGITS[..., None], "2×3×1"), ((LOGITS, LOGITS), "a tuple of 2"),
     ({"out": 1}, "a dict with 'out'"), ({}, "with nothing"), ("logits", "a str"), (torch.tensor(1.0), "shape ()")],
)  # fmt: skip
def test_anything_else_is_named(answer: Any, shown: str) -> None:
    with pytest.raises(InputError) as caught:
        logits_of(answer)
    assert shown in str(caught.value)
    assert "N×K" in str(caught.value)
