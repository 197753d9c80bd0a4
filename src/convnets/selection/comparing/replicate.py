"""replicate(): the same network, data and options from several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convnets.core.progress import Progress
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import ConfigError
from convnets.models.catalogue import model_entry
from convnets.selection.comparing.groups import Replicates, read_replicates
from convnets.series.examples import ExampleSet
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run import ENDED, Run
from convnets.training.runs.run_folders import check_output
from convnets.training.train import train

__all__ = ["replicate"]


def replicate(
    network: str,
    data: Splits | ImageSet | ExampleSet | str | Path,
    config: TrainConfig | None = None,
    *,
    seeds: int = 5,
    arguments: dict[str, Any] | None = None,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> Replicates:
    """Train from `seeds` seeds, from that of `config` on: ordinary runs `seed0`, `seed1` … in `output`/NAME.

    Each seed draws its own weights, validation images, order and augmentation.

    Args:
        seeds: 2 or more; with `go_on` more than before adds runs to those that are there.
        go_on: the folder may be there: runs that have ended are kept, one that was stopped goes on exactly.

    Ctrl-C or SIGTERM saves the run at its next step and ends it all; `stopped` says so. Raises UsageError, DataError,
    TrainingError, and RunError for a folder with other runs.

    >>> found = replicate("softmax", "digits", TrainConfig(epochs=1), seeds=2, output=tmp_path, listeners=())
    >>> sorted(found.values("test"))
    [0, 1]
    """
    config = config or TrainConfig()
    model_entry(network)
    if seeds < 2:
        raise ConfigError(f"seeds is {seeds}; allowed: 2 or more, for one says nothing of the spread")
    source = data if isinstance(data, str | Path) else data.source
    path = Path(output) / (name or f"{network}-{Path(source).stem}-seeds")
    check_output(path.parent, None if go_on else path.name)
    stopped = None
    for seed in range(config.seed, config.seed + seeds):
        own = path / f"seed{seed}"
        if own.exists() and Run(own).status in ENDED:
            continue
        run = train(
            network,
            data,
            replace(config, seed=seed),
            arguments=arguments,
            output=path,
            name=own.name,
            go_on=True,
            listeners=listeners,
            progress=progress,
        )
        if run.status in (INTERRUPTED, TERMINATED):
            stopped = run.status
            break
    return replace(read_replicates(path), stopped=stopped)
