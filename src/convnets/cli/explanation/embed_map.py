"""`convnets embed-map`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.explanation.pictured import (
    DataOption,
    JsonOption,
    OutputOption,
    PartOption,
    RunArgument,
    finish,
    open_images,
    picture_path,
)
from convnets.cli.numbers import whole_number
from convnets.cli.output import progress_bar
from convnets.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from convnets.cli.output import ProgressBar
    from convnets.serving.model_and_images import ModelAndImages

__all__ = ["embed_map"]

_SHOWN = ("map", "prototypes", "probes", "cka")


def embed_map(
    run: RunArgument,
    show: Annotated[
        str,
        typer.Option(
            help="map; prototypes: the middle of each class and its boundaries; probes: what a linear layer can tell, "
            "by stage; cka: how alike layers are.",
            metavar="NAME",
        ),
    ] = "map",
    method: Annotated[str, typer.Option(help="Of the map: pca or tsne.", metavar="NAME")] = "pca",
    stage: Annotated[
        str,
        typer.Option(
            help="Whose vectors: embed, features, logits, pixels or a module's name.", metavar="NAME"
        ),
    ] = "embed",
    other: Annotated[
        Path | None,
        typer.Option(
            help="Run or model folder whose layers cka sets beside. [default: the same]", metavar="RUN"
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(help="Images, at equal distances in the part.", metavar="N", parser=whole_number)
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Of t-SNE's start.", metavar="N", parser=whole_number)] = 0,
    data: DataOption = None,
    part: PartOption = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Map the vectors that a network makes of images.

    As .html, each image shows itself when it is pointed at.

    Example: convnets embed-map runs/lenet_bn --method tsne -o map.html
    """
    if show not in _SHOWN:
        raise UnknownNameError("view", show, _SHOWN)
    if other is not None and show != "cka":
        raise UsageError("--other belongs to --show cka; leave it out")
    path = picture_path(output, run, show)
    wanted = output is not None
    with progress_bar(quiet=json) as progress:
        opened = open_images(run, data, part, images, progress)
        network, preprocess = opened.model.network, opened.model.preprocess
        if show == "probes":
            _probes(opened, run, data, images, path, progress, json=json, wanted=wanted)
        elif show == "cka":
            _cka(opened, other, path, json=json, wanted=wanted)
        elif show == "prototypes":
            from convnets.explanation.representations.prototypes import find_prototypes

            found = find_prototypes(network, opened.images, preprocess, stage=stage)
            words = f"prototypes of {len(found.nearest)} classes"
            finish(found, path, words=words, json=json, wanted=wanted)
        else:
            from convnets.explanation.representations.embedding_map import map_embeddings

            laid_out = map_embeddings(
                network, opened.images, preprocess, method=method, stage=stage, seed=seed
            )
            finish(laid_out, path, words=str(laid_out), json=json, wanted=wanted)


def _probes(
    opened: ModelAndImages,
    run: Path,
    data: str | None,
    images: int,
    path: Path,
    progress: ProgressBar,
    *,
    json: bool,
    wanted: bool,
) -> None:
    from convnets.explanation.representations.linear_probe import probe_stages

    if opened.part == "train":
        raise UsageError("probes are fitted on the train part and asked about another; choose another --part")
    train = open_images(run, data, "train", 2 * images, progress).images
    found = probe_stages(
        opened.model.network,
        train,
        opened.images,
        opened.model.preprocess,
        progress=lambda stage, done, total: progress(f"probing {stage}", done, total),
    )
    words = "\n".join(
        f"{each.stage}: {each.accuracy:.3f} ({each.low:.3f} to {each.high:.3f})" for each in found.probes
    )
    finish(found, path, words=words, json=json, wanted=wanted)


def _cka(opened: ModelAndImages, other: Path | None, path: Path, *, json: bool, wanted: bool) -> None:
    from convnets.checkpoints.model_source import open_model
    from convnets.explanation.representations.cka_matrix import compare_layers

    beside = None if other is None else open_model(other)
    found = compare_layers(
        opened.model.network,
        opened.images,
        opened.model.preprocess,
        None if beside is None else beside.network,
        other_preprocess=None if beside is None else beside.preprocess,
    )
    words = f"{len(found.rows)} × {len(found.columns)} layers, {found.images:,} images"
    finish(found, path, words=words, json=json, wanted=wanted)
