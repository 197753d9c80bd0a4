"""Which kernel runs each of the three directions of a convolution, and what that choice rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from convnets.kernels.convolutions.shape import ConvolutionShape

__all__ = ["DIRECTIONS", "ONEDNN", "ConvolutionPlan", "PlanRow", "describe"]

DIRECTIONS: Final = ("forward", "input_gradient", "weight_gradient")


@dataclass(frozen=True)
class ConvolutionPlan:
    """The kernel for each direction by its name in `convnets.kernels.convolutions.candidates`.

    - `seconds`: direction → kernel → the time that was measured, of every kernel that gave the right result
    - `dropped`: direction → kernel → why it was not timed

    Both are empty in a plan that was not measured.

    >>> ConvolutionPlan(weight_gradient="im2col").chosen("weight_gradient")
    'im2col'
    """

    forward: str = "onednn"
    input_gradient: str = "onednn"
    weight_gradient: str = "onednn"
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict, compare=False)
    dropped: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)

    def chosen(self, direction: str) -> str:
        """The kernel's name for one of DIRECTIONS."""
        name: str = getattr(self, direction)
        return name

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **{direction: self.chosen(direction) for direction in DIRECTIONS},
            "seconds": {direction: dict(times) for direction, times in self.seconds.items()},
            "dropped": {direction: dict(reasons) for direction, reasons in self.dropped.items()},
        }

    @classmethod
    def from_dict(cls, values: Any) -> ConvolutionPlan:
        """The plan that `to_dict` wrote. Raises KeyError, TypeError, ValueError or AttributeError for others."""
        return cls(
            **{direction: str(values[direction]) for direction in DIRECTIONS},
            seconds={
                str(direction): {str(name): float(time) for name, time in times.items()}
                for direction, times in values["seconds"].items()
            },
            dropped={
                str(direction): {str(name): str(reason) for name, reason in reasons.items()}
                for direction, reasons in values["dropped"].items()
            },
        )


ONEDNN: Final = ConvolutionPlan()
"""The plan that PyTorch itself follows."""


@dataclass(frozen=True)
class PlanRow:
    """One direction of one convolution in a report.

    `speed_up` is oneDNN's time over that of the chosen kernel, None where oneDNN was not timed.
    """

    shape: str
    direction: str
    kernel: str
    gflops: float
    speed_up: float | None


def describe(plans: Mapping[ConvolutionShape, ConvolutionPlan]) -> list[PlanRow]:
    """A row for each direction that was measured: the kernel, 10⁹ floating-point operations a second, the gain.

    >>> shape = ConvolutionShape(1, 1, 4, 4, 1, (1, 1))
    >>> plan = ConvolutionPlan(forward="product", seconds={"forward": {"onednn": 2e-6, "product": 1e-6}})
    >>> describe({shape: plan})[0].speed_up
    2.0
    """
    rows = []
    for shape, plan in plans.items():
        for direction in DIRECTIONS:
            times = plan.seconds.get(direction, {})
            name = plan.chosen(direction)
            if name not in times:
                continue
            onednn = times.get("onednn")
            gain = None if onednn is None else onednn / times[name]
            rows.append(PlanRow(shape.key(), direction, name, 2e-9 * shape.macs / times[name], gain))
    return rows
