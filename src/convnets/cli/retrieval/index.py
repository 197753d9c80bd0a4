"""`convnets index`: the list of its commands; build, add and remove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convnets.cli.output import progress_bar, write_json
from convnets.cli.placement import Device
from convnets.cli.retrieval.index_scores import evaluate, stats
from convnets.cli.retrieval.loaded_index import AsJson, IndexPath, Part, Strict, load_index
from convnets.cli.retrieval.search import near_duplicates, search

if TYPE_CHECKING:
    from convnets.retrieval.image_index import ImageIndex

__all__ = ["index_app"]

index_app = typer.Typer(
    help="Find similar images.\n\n"
    "Example: convnets index build runs/lenet_bn-fashion-mnist-1 fashion-mnist -o fashion.index",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_FAILURES_SHOWN = 10


def build(
    run: Annotated[Path, typer.Argument(help="Run, or model folder.", metavar="RUN")],
    data: Annotated[
        str, typer.Argument(help="Data set's name, or a folder or zip of pictures.", metavar="DATA")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.", metavar="INDEX")],
    part: Part = None,
    stage: Annotated[
        str | None,
        typer.Option(
            help="pixels, features, embed, logits or a module. [default: the run's, else embed]",
            metavar="NAME",
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            help="flatten, average, maximum, both, gem, grid, grid-maximum or rmac.", metavar="NAME"
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(help="exact; hnsw or ivfpq for many images; or a Qdrant server's URL.", metavar="NAME"),
    ] = "exact",
    stored: Annotated[
        str, typer.Option(help="How vectors are stored: fp32 or bf16.", metavar="NAME")
    ] = "fp32",
    strict: Strict = False,
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="Of the network: auto, fp32 or bf16.", metavar="NAME")
    ] = "fp32",
    json: AsJson = False,
) -> None:
    """Index pictures, so that similar ones can be found.

    Pictures that cannot be read are left out and named. A build that was interrupted goes on when it is repeated.

    Example: convnets index build runs/lenet_bn-fashion-mnist-1 fashion-mnist -o fashion.index
    """
    from convnets.core.hardware import choose_hardware
    from convnets.retrieval.building.listing import list_images
    from convnets.retrieval.image_index import ImageIndex

    with progress_bar(quiet=json) as progress:
        index = ImageIndex.build(
            run,
            list_images(data, part),
            output,
            descriptor=_descriptor(stage, pooling),
            hardware=choose_hardware(device, precision),
            engine=_engine(engine, run, output, stage, pooling),
            precision=stored,
            strict=strict,
            progress=progress,
        )
    _report(
        index, index.failures, f"{output}: {len(index):,} images, vectors of {index.index.dimension}", json
    )


def _descriptor(stage: str | None, pooling: str | None) -> Any:
    if stage is None and pooling is None:
        return None
    from convnets.retrieval.descriptors.descriptor import Descriptor

    maps = pooling not in (None, "flatten")
    return Descriptor(stage=stage or ("features" if maps else "embed"), pooling=pooling or "flatten")


def _engine(name: str, run: Path, output: Path, stage: str | None, pooling: str | None) -> Any:
    if not name.startswith(("http://", "https://")):
        return name
    from convnets.retrieval.backends.qdrant_index import QdrantIndex
    from convnets.retrieval.descriptors.embedder import Embedder

    dimension = Embedder.of(run, _descriptor(stage, pooling)).dimension
    return QdrantIndex(output.name, dimension, location=name)


def _report(index: ImageIndex, failures: Any, line: str, json: bool) -> None:
    from convnets.data.images.names import printable

    if json:
        left_out = [{"path": printable(path), "error": reason} for path, reason in failures]
        write_json({"images": len(index), "dimension": index.index.dimension, "left_out": left_out})
        return
    for _, reason in failures[:_FAILURES_SHOWN]:
        typer.echo(f"not read: {reason}", err=True)
    if failures:
        more = len(failures) - _FAILURES_SHOWN
        rest = f", {more:,} more than shown" if more > 0 else ""
        typer.echo(f"left out: {len(failures):,} pictures that cannot be read{rest}", err=True)
    typer.echo(line)


def add(
    index: IndexPath,
    data: Annotated[
        str, typer.Argument(help="Data set's name, a picture, or a folder or zip of them.", metavar="DATA")
    ],
    part: Part = None,
    strict: Strict = False,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Index more pictures, all of them or, when anything fails, none.

    Example: convnets index add holiday.index new-pictures
    """
    from convnets.retrieval.building.listing import list_images

    is_picture = Path(data).is_file() and not data.lower().endswith(".zip")
    loaded = load_index(index, None, device)
    before = len(loaded)
    with progress_bar(quiet=json) as progress:
        failures = loaded.add(
            list_images([Path(data).absolute()] if is_picture else data, part),
            strict=strict,
            progress=progress,
        )
    _report(loaded, failures, f"{index}: {len(loaded) - before:,} images added, {len(loaded):,} in all", json)


def remove(
    index: IndexPath,
    paths: Annotated[list[str], typer.Argument(help="Paths as searches show them.", metavar="PATH")],
    device: Device = "auto",
) -> None:
    """Forget images, all of those named or, when one is not there, none.

    Example: convnets index remove fashion.index fashion-mnist/train/17
    """
    loaded = load_index(index, None, device)
    loaded.remove(list(dict.fromkeys(paths)))
    typer.echo(f"{index}: {len(set(paths)):,} images removed, {len(loaded):,} left")


index_app.command()(build)
index_app.command()(add)
index_app.command()(remove)
index_app.command()(search)
index_app.command()(evaluate)
index_app.command("near-duplicates")(near_duplicates)
index_app.command()(stats)
