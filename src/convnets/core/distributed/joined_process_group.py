"""JoinedProcessGroup: a process group of several processes, on torch.distributed."""

from __future__ import annotations

import contextlib
import datetime
import io
import itertools
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]  # public, not declared so

import convnets.errors as errors
from convnets.core.distributed.heartbeat import Heartbeat, Store, Unreachable
from convnets.core.distributed.process_group import ProcessGroup, local_rank_in_environment
from convnets.errors import ConfigError, ConvnetsError, TrainingError

__all__ = ["JoinedProcessGroup"]

T = TypeVar("T")

# what PyTorch's own errors say when another process has gone
_SIGNS = ("gloo", "nccl", "connection", "timed out", "timeout", "broken pipe", "socket", "recvvalue", "store")
_REMEDY = "the run goes on from its last save with --resume auto"
_meetings = itertools.count()  # of one process after another, each with names of its own in the store


class JoinedProcessGroup(ProcessGroup):
    """Made by `join_process_group`; `leave` ends it."""

    def __init__(self, rank: int, size: int, minutes: float, *, cuda: bool) -> None:
        if dist.is_initialized():
            raise ConfigError("torch.distributed is initialized already; leave that to convnets.train")
        self.rank, self.size = rank, size
        self._minutes = minutes
        self._said = False
        timeout = datetime.timedelta(minutes=minutes)
        # after an elastic restart nobody may find what the processes before left behind
        names = f"convnets/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{next(_meetings)}"
        # torchrun's own process keeps the store, or process 0 does
        kept_elsewhere = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        self._serves = not kept_elsewhere and rank == 0
        if self._serves:
            _serve(int(os.environ["MASTER_PORT"]))

        def connect() -> Store:
            return cast(Store, PrefixStore(names, self._connect()))

        try:
            self._board = Heartbeat(connect, rank, size, f"process {os.getpid()} on {platform.node()}")
            # a collective would wait for a process that never came, and not name it; starting may take its time
            self._board.meet("joined", patience=60 * minutes)
            groups = PrefixStore(f"{names}/groups", self._connect())
            backend = "nccl" if cuda else "gloo"
            if cuda:
                torch.cuda.set_device(local_rank_in_environment())
            dist.init_process_group(backend, store=groups, rank=rank, world_size=size, timeout=timeout)
        except Unreachable as error:
            raise TrainingError(f"{error}; {_REMEDY}") from None
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                f"rank {rank} did not meet the others at {os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']} "
                f"({str(error).splitlines()[0][:200]}); start all with the same rendezvous address"
            ) from None
        group = dist.group.WORLD
        self._control = dist.new_group(backend="gloo", timeout=timeout) if cuda else group

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place and on the tensor's device."""
        dist.all_reduce(tensor)
        return tensor

    def total(self, count: int) -> int:
        """The sum of a whole number over all processes."""
        return self._reduce(count, dist.ReduceOp.SUM)

    def all_reduce_max(self, code: int) -> int:
        """The largest number that any process gives, on all."""
        return self._reduce(code, dist.ReduceOp.MAX)

    def broadcast(self, value: T) -> T:
        """Process 0's value, made of plain values and tensors, on all."""
        data = torch.empty(0, dtype=torch.uint8)
        if self.first:
            content = io.BytesIO()
            torch.save(value, content)
            data = torch.frombuffer(bytearray(content.getvalue()), dtype=torch.uint8)
        data = (
            data.new_zeros(self.all_reduce_max(len(data)))
            if not self.first
            else data[: self.all_reduce_max(len(data))]
        )
        dist.broadcast(data, 0, group=self._control)
        if self.first:
            return value
        return cast(T, torch.load(io.BytesIO(data.numpy().tobytes()), "cpu", weights_only=True))

    @torch.no_grad()
    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Give tensors of the same shapes the values that they have in process 0."""
        for tensor in tensors:
            sent = tensor.detach().contiguous()
            dist.broadcast(sent, 0)
            tensor.copy_(sent)

    def from_first(self, function: Callable[[], T]) -> T:
        """What `function` gives in process 0; its error there is raised everywhere, and said once."""
        if not self.first:
            answer: dict[str, Any] = self.broadcast({})
        else:
            try:
                answer = {"value": function()}
            except ConvnetsError as error:
                self.broadcast({"error": _packed(error)})
                self._said = True
                raise
            self.broadcast(answer)
        if "error" in answer:
            self._said = True
            raise _unpacked(answer["error"])
        value: T = answer["value"]
        return value

    @contextlib.contextmanager
    def raise_on_all_ranks(self, what: str) -> Iterator[None]:
        """An error inside, on any process, is raised on all; who is early waits for the others."""
        own: ConvnetsError | None = None
        try:
            yield
        except ConvnetsError as error:
            own = error
        try:
            answers = self._board.meet(what, "" if own is None else _packed(own))
        except (Unreachable, RuntimeError) as error:
            raise self.cause_of(error) from None
        failed = [rank for rank, answer in enumerate(answers) if answer]
        if not failed:
            return
        self._said = True
        if own is None:
            raise _unpacked(answers[failed[0]])
        own.told = failed[0] != self.rank
        raise own

    def cause_of(self, error: Exception) -> Exception:
        """The error that names who is to blame where `error` comes from another process's end; else `error`."""
        found: Unreachable | None = error if isinstance(error, Unreachable) else None
        if found is None and not self._comes_from_elsewhere(error):
            self._say(error)
            return error
        self._said = True
        if found is None:
            try:
                found = self._board.fate_of_others()
            except RuntimeError:  # the store is gone, and with it whoever kept it
                found = Unreachable([0], "rank 0, or the torchrun that the others met at, no longer answers")
        waited = "" if found.ranks else f" ({self._minutes:g} minutes: rank_timeout)"
        cause = TrainingError(f"{found}{waited}; {_REMEDY}")
        # else the lowest that is left says it
        cause.told = found.said or any(rank not in found.ranks for rank in range(self.rank))
        return cause

    def leave(self, error: BaseException | None) -> None:
        """Part: without an error when all have come to their end, else at once, leaving word why."""
        if error is not None:
            with contextlib.suppress(RuntimeError):
                self._say(error)
            self._board.close()
            if dist.get_backend() == "gloo":  # on GPUs a group that lacks a member may never end
                dist.destroy_process_group()
            return
        try:
            self._board.meet("end")
            if not self.first:
                self._board.post("left", "yes")
            elif self._serves:  # the others still ask it whether all have come
                until = time.monotonic() + 5
                others = range(1, self.size)
                while time.monotonic() < until and any(self._board.read("left", r) is None for r in others):
                    time.sleep(0.01)
        except (Unreachable, RuntimeError):
            pass  # all that was to be done is done
        self._board.close()
        dist.destroy_process_group()

    def _connect(self) -> TCPStore:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        timeout = datetime.timedelta(minutes=self._minutes)
        return TCPStore(address, port, timeout=timeout, wait_for_workers=False)

    def _reduce(self, number: int, by: Any) -> int:
        value = torch.tensor([number])
        dist.all_reduce(value, by, group=self._control)
        return int(value)

    def _comes_from_elsewhere(self, error: Exception) -> bool:
        plain = isinstance(error, RuntimeError) and not isinstance(error, ConvnetsError)
        return plain and any(sign in str(error).lower() for sign in _SIGNS)

    def _say(self, error: BaseException) -> None:
        """Leave word that this process ends, and find out whether another says the same to the user."""
        if self._said:
            return
        self._said = True
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        self._board.post("error", text)
        if isinstance(error, ConvnetsError):
            error.told = self._board.is_said_by_lower(text)


@cache
def _serve(port: int) -> TCPStore:
    """The store of all runs of this process: whoever is late may still ask it, so it stays until the process ends."""
    return TCPStore(os.environ["MASTER_ADDR"], port, is_master=True, wait_for_workers=False)


def _packed(error: ConvnetsError) -> str:
    return json.dumps([type(error).__name__, str(error)])


def _unpacked(text: str) -> ConvnetsError:
    """The error of another process; that process says it to the user."""
    name, message = json.loads(text)
    kind = getattr(errors, name, ConvnetsError)
    error = cast(ConvnetsError, kind.__new__(kind))
    error.args, error.told = (message,), True
    return error
