"""ProcessGroup: the processes that train one network together, as `torchrun` starts them; alone, nothing changes.

Collectives run on gloo between processors and on NCCL between GPUs; words about the run itself (whether to stop, how
it begins) travel by a gloo group of their own, so that no GPU is waited for. N images of a batch.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from convnets.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ALONE",
    "ProcessGroup",
    "local_rank_in_environment",
    "rank_in_environment",
    "size_in_environment",
    "threads_in_environment",
]

T = TypeVar("T")


class ProcessGroup:
    """`size` processes, of which this is `rank`. This class is the process that trains alone.

    >>> ALONE.rank, ALONE.size, ALONE.all_reduce_max(2), ALONE.from_first(lambda: "a")
    (0, 1, 2, 'a')
    """

    rank = 0
    """This process, from 0; process 0 writes the run."""
    size = 1
    """Processes in all."""

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    @property
    def purpose(self) -> tuple[str | int, ...]:
        """What is added to the purpose of a seed, so that each process draws numbers of its own."""
        return ("rank", self.rank) if self.size > 1 else ()

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place and on the tensor's device."""
        return tensor

    def total(self, count: int) -> int:
        """The sum of a whole number over all processes."""
        return count

    def all_reduce_max(self, code: int) -> int:
        """The largest number that any process gives, on all."""
        return code

    def broadcast(self, value: T) -> T:
        """Process 0's value, made of plain values and tensors, on all."""
        return value

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Give tensors of the same shapes the values that they have in process 0."""

    def from_first(self, function: Callable[[], T]) -> T:
        """What `function` gives in process 0; its error there is raised everywhere, and said once."""
        return function()

    @contextlib.contextmanager
    def raise_on_all_ranks(self, _what: str) -> Iterator[None]:
        """An error inside, on any process, is raised on all; who is early waits for the others."""
        yield

    def cause_of(self, error: Exception) -> Exception:
        """The error that names who is to blame where `error` comes from another process's end; else `error`."""
        return error


ALONE = ProcessGroup()
"""No other process."""


def rank_in_environment() -> int:
    """The rank that `torchrun` gave this process; 0 alone."""
    return _number("RANK", 0) if size_in_environment() > 1 else 0


def size_in_environment() -> int:
    """How many processes `torchrun` started; 1 alone."""
    return _number("WORLD_SIZE", 1)


def threads_in_environment(cores: int) -> int | None:
    """Threads for each of the processes on this machine, where nobody chose: its cores, shared out; None alone.

    `torchrun` sets OMP_NUM_THREADS=1 where it is not set, which therefore says nothing.
    """
    local = _number("LOCAL_WORLD_SIZE", 1)
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("OMP_NUM_THREADS") == "1"
    chosen = os.environ.get("OMP_NUM_THREADS", "").isdecimal() and not by_torchrun
    return None if size_in_environment() == 1 or chosen else max(1, cores // local)


def local_rank_in_environment() -> int:
    """Which of its machine's processes this one is, and thereby its GPU."""
    return _number("LOCAL_RANK", 0)


def _number(name: str, default: int) -> int:
    value: Any = os.environ.get(name, "")
    if value and not value.isdecimal():
        raise ConfigError(f"{name} is {value!r}; allowed: a whole number, as torchrun sets it")
    return int(value) if value else default
