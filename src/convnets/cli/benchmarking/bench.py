"""`convnets bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.cli.output import aligned, progress_bar, write_json
from convnets.cli.placement import Device, Threads
from convnets.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from convnets.benchmarking.result import BenchResult

__all__ = ["bench"]

# side, batch size and learning rate of networks that the notes do not run; others get their own size and the last two
_MORE = {"resnet20": (28, 256, 0.1)}
_BATCH_SIZE, _LEARNING_RATE = 128, 0.01


def bench(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            help="Networks to measure. [default: the eight of the notes, and resnet20]",
            metavar="NETWORK",
        ),
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option("--baseline", help="Also the book's standard loop and hand-tuned PyTorch, in turn."),
    ] = False,
    compiled: Annotated[
        bool,
        typer.Option("--compiled", help="Also hand-tuned PyTorch under torch.compile, in training."),
    ] = False,
    data: Annotated[
        str, typer.Option(help="Data set's name, or a folder or zip of images.", metavar="DATA")
    ] = "fashion-mnist",
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images per step. [default: the notes', else 128; with --peers 1, 8 and 64]",
            metavar="N",
            parser=whole_number,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the input in pixels. [default: the notes', else the network's]",
            metavar="N",
            parser=whole_number,
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(help="Slices of each side.", metavar="N", parser=whole_number)] = 5,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="That a slice lasts, about. [default: 3, with --peers 0.3]", metavar="X", parser=real_number
        ),
    ] = None,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers",
            help="Inference alone, beside plain PyTorch, torch.compile, ONNX Runtime and OpenVINO where installed.",
        ),
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(help="With --peers: leave this engine out, such as torch.compile.", metavar="NAME"),
    ] = None,
    inference: Annotated[
        bool, typer.Option("--inference/--no-inference", help="Also measure evaluation.")
    ] = True,
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32 or bf16; the standard loop keeps fp32.", metavar="NAME")
    ] = "auto",
    threads: Threads = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, with every slice.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Also write bench.json, bench.svg and bench.png here.", metavar="FOLDER"
        ),
    ] = None,
) -> None:
    """Measure how fast networks train.

    Images per second, GFLOP/s and their share of the machine's peak; against the standard loop with --baseline.
    With --peers, milliseconds of a trained network's answers beside other engines, with one thread and with all.

    Example: convnets bench lenet --baseline
    """
    plans = _plans(networks, size, batch_size)  # an unknown one is refused before PyTorch is loaded
    if peers:
        refused = {"--baseline": baseline, "--compiled": compiled, "--no-inference": not inference}
        refused |= {"--output": output is not None, f"--device {device}": device not in ("auto", "cpu")}
        for name in (name for name, given in refused.items() if given):
            raise UsageError(f"{name} with --peers, which measures inference on the processor; leave one out")
        measuring = (rounds, 0.3 if seconds is None else seconds)
        _bench_peers(plans, (batch_size, threads, precision), without or [], measuring, json=json)
        return
    if without:
        raise UsageError(f"--without {without[0]} without --peers, which it belongs to; add --peers")
    from convnets.benchmarking.bench import bench as measure
    from convnets.benchmarking.workload import Workload

    workloads = [Workload(name, data, *plan, device, precision, threads) for name, plan in plans.items()]
    with progress_bar(quiet=json) as progress:
        result = measure(
            workloads,
            baseline=baseline,
            compiled=compiled,
            inference=inference,
            rounds=rounds,
            seconds=3.0 if seconds is None else seconds,
            output=output,
            progress=progress,
        )
    if json:
        write_json(result.to_dict())
    else:
        _print(result, output)


def _bench_peers(
    plans: dict[str, tuple[int, int, float]],
    asked: tuple[int | None, int | None, str],
    without: list[str],
    measuring: tuple[int, float],
    *,
    json: bool,
) -> None:
    from convnets.benchmarking.peers import BATCHES, PEERS, bench_peers
    from convnets.benchmarking.workload import Workload

    for name in without:
        if name not in PEERS:
            raise UnknownNameError("engine", name, PEERS)
    (batch_size, threads, precision), (rounds, seconds) = asked, measuring
    workloads = [Workload(name, "", *plan, "cpu", precision) for name, plan in plans.items()]
    with progress_bar(quiet=json) as progress:
        found = bench_peers(
            workloads,
            batches=BATCHES if batch_size is None else (batch_size,),
            threads=None if threads is None else (threads,),
            peers=[name for name in PEERS if name not in without],
            rounds=rounds,
            seconds=seconds,
            progress=progress,
        )
    if json:
        write_json(found.to_dict())
        return
    header, rows = found.table()
    typer.echo(f"{aligned(header, rows, right=(1, 2, 3, *range(5, len(header))))}\n")
    typer.echo("\n".join(found.notes()))


def _plans(
    networks: list[str] | None, size: int | None, batch_size: int | None
) -> dict[str, tuple[int, int, float]]:
    """Side, batch size and learning rate by network."""
    from convnets.models.catalogue import model_entry
    from convnets.recipes.notes import NOTES

    numbers = {**{name: values[:3] for name, values in NOTES.items()}, **_MORE}
    plans = {}
    for name in networks or numbers:
        own = numbers.get(name, (model_entry(name).input_size, _BATCH_SIZE, _LEARNING_RATE))
        plans[name] = (own[0] if size is None else size, own[1] if batch_size is None else batch_size, own[2])
    return plans


def _print(result: BenchResult, output: Path | None) -> None:
    for kind in ("training", "inference"):
        header, rows = result.table(kind)
        if rows:
            typer.echo(f"{kind}\n{aligned(header, rows, right=(1, 2, *range(4, len(header))))}\n")
    typer.echo("\n".join(result.notes()))
    if output is not None:
        typer.echo(f"results: {output}")
