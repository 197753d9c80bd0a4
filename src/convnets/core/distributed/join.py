"""Meeting the other processes of a run, and parting from them in the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from convnets.core.distributed.process_group import (
    ALONE,
    ProcessGroup,
    rank_in_environment,
    size_in_environment,
)
from convnets.errors import ConfigError

__all__ = ["join_process_group"]


@contextlib.contextmanager
def join_process_group(minutes: float, *, cuda: bool = False) -> Iterator[ProcessGroup]:
    """Meet the other processes, as `torchrun`'s environment variables say, and part from them in the end.

    minutes: how long a collective may take, after which the others are given up. cuda: tensors on GPUs are reduced,
    by NCCL. Alone nothing is imported and nothing happens. Raises ConfigError for an environment that is incomplete.
    """
    if size_in_environment() == 1:
        yield ALONE
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {size_in_environment()} and {missing[0]} is not set; start with torchrun "
            "--nproc-per-node=2 -m convnets train …, or unset WORLD_SIZE"
        )
    from convnets.core.distributed.joined_process_group import (
        JoinedProcessGroup,  # with torch: nobody who trains alone waits for it
    )

    group = JoinedProcessGroup(rank_in_environment(), size_in_environment(), minutes, cuda=cuda)
    try:
        yield group
    except Exception as error:
        cause = group.cause_of(error)
        group.leave(cause)
        if cause is error:
            raise
        raise cause from None
    except BaseException as error:
        group.leave(error)
        raise
    group.leave(None)
