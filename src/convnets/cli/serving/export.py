"""`convnets export`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.output import check_file, progress_bar, write_json
from convnets.errors import UnknownNameError, UsageError

__all__ = ["export"]

_NEEDED = ("onnx", "onnxruntime", "onnxscript")


def export(
    run: Annotated[Path, typer.Argument(help="Run, or model folder.", metavar="RUN")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write. [default: model.onnx or model.pt2 in RUN]", metavar="FILE"
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", help="onnx, or pt2: a program of PyTorch.", metavar="NAME")
    ] = "onnx",
    form: Annotated[
        str,
        typer.Option(
            "--input",
            help="pictures: uint8 N×H×W×C in, probabilities out; tensor: normalized floats N×C×H×W in, logits out.",
            metavar="NAME",
        ),
    ] = "pictures",
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Write a model for other programs, and check it.

    The file is compared on random inputs of three batch sizes and on 1,000 images of the run's own data.

    Example: convnets export runs/lenet_bn-digits-1 -o lenet.onnx
    """
    if to not in ("onnx", "pt2"):
        raise UnknownNameError("form of export", to, ("onnx", "pt2"))
    if form not in ("pictures", "tensor"):
        raise UnknownNameError("input", form, ("pictures", "tensor"))
    lacking = [name for name in _NEEDED if to == "onnx" and importlib.util.find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"exporting needs {', '.join(lacking)}; install it with: pip install 'convnets[onnx]'"
        )
    from convnets.checkpoints.onnx_model import is_onnx

    if is_onnx(run):
        raise UsageError(f"{run} is exported already; give the run or model folder that it was exported from")
    path = run / f"model.{to}" if output is None else output
    check_file(path)
    from convnets.checkpoints.model_source import open_model
    from convnets.errors import DataError
    from convnets.serving.export.onnx_export import export_onnx
    from convnets.serving.export.pt2_export import export_pt2
    from convnets.serving.model_and_images import open_model_and_images

    with progress_bar() as progress:
        try:
            opened = open_model_and_images(run, progress=progress)
            model, images, part = opened.model, opened.images, opened.part
        except (DataError, UsageError) as error:  # the data have moved, or a model folder names none
            typer.echo(f"no images to compare with: {error}", err=True)
            model, images, part = open_model(run), None, ""
        progress("exporting", 0, 1)
        write = export_onnx if to == "onnx" else export_pt2
        found = write(model, path, form="pictures" if form == "pictures" else "tensor", images=images)
    if json:
        write_json(found.to_dict())
        return
    about = "a program of PyTorch" if found.opset is None else f"opset {found.opset}"
    typer.echo(f"{found.path}: {found.megabytes:.2f} MB, {about}, input {found.form}, any batch size")
    typer.echo(
        f"largest difference {found.error:.1e} of the largest answer (random inputs, batches of 1, 3 and 17)"
    )
    if found.accuracy is not None:
        before, after = found.accuracy
        typer.echo(
            f"{found.images:,} {part} images: {found.agreement:.2%} answered alike, accuracy {before:.4f} → {after:.4f}"
        )
