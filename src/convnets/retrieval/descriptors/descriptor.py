"""Descriptor: which stage of a network is looked at, and how its answer becomes one vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.former_names import current_names, takes_former_names
from convnets.errors import ConfigError, ModelFolderError, UnknownNameError
from convnets.layers.global_pooling import POOLINGS
from convnets.retrieval.descriptors.whitening import Whitening

__all__ = ["Descriptor", "descriptor_of"]


@takes_former_names
@dataclass(frozen=True)
class Descriptor:
    """Which stage of a network is looked at, and how its answer becomes one vector.

    >>> Descriptor(stage="features", pooling="gem", p=4.0)
    Descriptor(stage='features', pooling='gem', p=4.0, grid=6, levels=3, whitening=None, normalize=True)
    """

    stage: str = "embed"
    """pixels, features, embed, logits, or the name of a module such as convolutions.3."""
    pooling: str = "flatten"
    """flatten, average, maximum, both, gem, grid, grid-maximum or rmac; all but flatten need maps N×C×H×W."""
    p: float = 3.0
    """Exponent of gem."""
    grid: int = 6
    """Cells along each side of grid and grid-maximum."""
    levels: int = 3
    """Scales of rmac."""
    whitening: Whitening | None = None
    """Fitted on a set by `fit_whitening`, or by `whitened` in one go; None for none."""
    normalize: bool = True
    """Bring each vector to length 1, before whitening and after it."""

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise UnknownNameError("pooling", self.pooling, POOLINGS)
        if not self.p > 0 or self.grid < 1 or self.levels < 1:
            raise ConfigError(
                f"descriptor has p {self.p}, grid {self.grid}, levels {self.levels}; allowed: p above 0, others from 1"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the whitening's numbers are in `arrays`, what is here says that there is one."""
        explained = None if self.whitening is None else self.whitening.explained
        return {
            "stage": self.stage,
            "pooling": self.pooling,
            "p": self.p,
            "grid": self.grid,
            "levels": self.levels,
            "whitening": None if explained is None else {"explained": explained},
            "normalize": self.normalize,
        }

    def arrays(self) -> dict[str, Tensor]:
        """The whitening's tensors by name; empty without one."""
        if self.whitening is None:
            return {}
        return {
            "whitening.mean": self.whitening.mean,
            "whitening.projection": self.whitening.projection,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], arrays: Mapping[str, Tensor] | None = None) -> Descriptor:
        """The inverse of `to_dict` and `arrays`; raises ConfigError for what they did not write."""
        values, arrays = current_names(values, "descriptor"), arrays or {}
        try:
            known = values["whitening"]
            whitening = None
            if known is not None:
                mean, projection = arrays["whitening.mean"], arrays["whitening.projection"]
                whitening = Whitening(mean, projection, float(known["explained"]))
            return cls(
                str(values["stage"]),
                str(values["pooling"]),
                float(values["p"]),
                int(values["grid"]),
                int(values["levels"]),
                whitening,
                bool(values["normalize"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"descriptor {str(values)[:80]} lacks or mistypes {error}") from None

    def __str__(self) -> str:
        options = {
            "gem": f" with p {self.p:g}",
            "grid": f" of {self.grid} × {self.grid}",
            "grid-maximum": f" of {self.grid} × {self.grid}",
            "rmac": f" at {self.levels} scales",
        }
        text = (
            self.stage
            if self.pooling == "flatten"
            else f"{self.pooling}{options.get(self.pooling, '')} of {self.stage}"
        )
        return text if self.whitening is None else f"{text}, whitened to {len(self.whitening.projection)}"


def descriptor_of(model: TrainedModel) -> Descriptor:
    """The descriptor that a model was trained for (`convnets train … --objective triplet`), else `Descriptor()`."""
    known = model.metrics.get("embedding")
    if known is None:
        return Descriptor()
    try:
        return Descriptor(str(known["stage"]), str(known["pooling"]), float(known["p"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"the model's embedding {str(known)[:60]} lacks or mistypes {error}; train again"
        ) from None
