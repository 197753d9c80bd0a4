"""`convnets index evaluate | stats`."""

from __future__ import annotations

from typing import Annotated

import typer

from convnets.cli.output import aligned, progress_bar, write_json
from convnets.cli.placement import Device
from convnets.cli.retrieval.loaded_index import AsJson, IndexPath, Part, facts_of, load_index
from convnets.errors import UsageError

__all__ = ["evaluate", "stats"]


def evaluate(
    index: IndexPath,
    data: Annotated[
        str | None,
        typer.Argument(
            help="Images that search the index. [default: each of its own the others]", metavar="[DATA]"
        ),
    ] = None,
    part: Part = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Measure how often what is found is of the query's class: Recall@K, R-precision, MAP@R, by class.

    Example: convnets index evaluate fashion.index fashion-mnist --part test
    """
    if data is None and part is not None:
        raise UsageError("--part chooses among DATA; give the data set, too")
    from convnets.retrieval.building.listing import list_images
    from convnets.retrieval.evaluation.index_scores import evaluate_index

    loaded = load_index(index, None, device)
    with progress_bar(quiet=json) as progress:
        queries = None if data is None else list_images(data, part)
        scores = evaluate_index(loaded, queries, progress=progress)
    if json:
        write_json(scores.to_dict())
    else:
        typer.echo(str(scores))


def stats(index: IndexPath, device: Device = "auto", json: AsJson = False) -> None:
    """Show what is in an index: images by class, sizes, distances, and what a quick search finds of the nearest.

    Example: convnets index stats fashion.index
    """
    from convnets.retrieval.evaluation.index_scores import index_statistics, search_quality

    loaded = load_index(index, None, device)
    found = index_statistics(loaded.stored)
    quality = search_quality(loaded.stored) if len(loaded) else None
    engine = dict(loaded.folder.manifest.engine)["kind"] if loaded.folder is not None else "exact"
    if json:
        made_by = loaded.embedder.identity()
        content = {**found.to_dict(), "engine": engine, "made_by": made_by, "left_out": len(loaded.failures)}
        write_json({**content, "search": None if quality is None else vars(quality)})
        return
    for key, value in facts_of(loaded, str(index)).items():
        typer.echo(f"{key}: {value}")
    columns = ", ".join(found.columns) or "none"
    typer.echo(f"engine: {engine}, {found.vector_bytes / 1e6:,.1f} MB of vectors; columns: {columns}")
    if loaded.failures:
        typer.echo(f"left out: {len(loaded.failures):,} pictures that could not be read")
    if quality is not None:
        typer.echo(
            f"search: {quality.milliseconds:.2f} ms a query, finds {quality.recall:.4f} of the {quality.k} nearest "
            f"({quality.queries} queries)"
        )
    if found.nearest_distances:
        rows = [
            (name, *(f"{value:.4f}" for value in values.values()))
            for name, values in (
                ("nearest other image", found.nearest_distances),
                ("two at random", found.pair_distances),
            )
        ]
        typer.echo(aligned(("distance", *found.nearest_distances), rows, right=range(1, 7)))
    if found.classes:
        counts = [(name, f"{count:,}") for name, count in found.classes.items()]
        typer.echo(aligned(("class", "images"), counts, right=(1,)))
