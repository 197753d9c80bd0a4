"""The pace of a run: how many threads its steps are computed with, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from convnets.core.distributed.process_group import ProcessGroup
from convnets.core.hardware import Hardware
from convnets.core.thread_pace import ThreadPace
from convnets.training.config import TrainConfig

__all__ = ["choose_pace"]

_ENDS = (  # of what is said of each change; a machine that others use all day would fill the screen
    "results may differ in their last bits (--threads {most} or --deterministic keeps to {most})",
    "--threads {most} keeps to {most}",
    "later changes are not reported",
)


def choose_pace(
    hardware: Hardware, config: TrainConfig, group: ProcessGroup, say: Callable[[str], None]
) -> ThreadPace:
    """A pace for the steps of a run, which keeps to the hardware's threads where results must not depend on it.

    So it is in a deterministic run, where the number was given, and where several processes train together.
    """

    ends = iter(_ENDS)

    def tell(before: int, now: int, gain: float) -> None:
        end = next(ends, None)
        if end is not None:
            say(
                f"the machine is {'busy' if now < before else 'free again'}: training goes on with {now} "
                f"thread{'s' * (now != 1)}, {gain:.1f} times as fast as with {before}; "
                + end.format(most=hardware.threads)
            )

    left_to_us = hardware.paced and group.size == 1 and not config.deterministic
    return ThreadPace(replace(hardware, paced=left_to_us), tell)
