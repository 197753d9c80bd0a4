"""`convnets export`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.output import ProgressBar, check_file, progress_bar, write_json
from convnets.cli.serving.export_tables import export_table, export_table_hub
from convnets.cli.serving.tables import is_for_tables, refuse_image_options
from convnets.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from convnets.data.image_set import ImageSet

__all__ = ["export"]

_NEEDED = ("onnx", "onnxruntime", "onnxscript")
_FORMS = ("onnx", "pt2", "hub")


def export(
    run: Annotated[Path, typer.Argument(help="Run, or model folder.", metavar="RUN")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write, or folder for hub. [default: model.onnx, model.pt2 or hub in RUN]",
            metavar="PATH",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="onnx; pt2: a program of PyTorch; hub: the Hugging Face Hub's files and card.",
            metavar="NAME",
        ),
    ] = "onnx",
    form: Annotated[
        str | None,
        typer.Option(
            "--input",
            help="pictures (uint8 N×H×W×C → probabilities), rows or series; or tensor: what these become (→ logits). "
            "[default: what RUN takes]",
            metavar="NAME",
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="onnx: 8 bits; refused where it costs over 0.5 points or is not faster. [file: model-int8.onnx]",
        ),
    ] = False,
    repository: Annotated[
        str | None,
        typer.Option(help="hub: name that the model will have, for the card.", metavar="USER/NAME"),
    ] = None,
    license: Annotated[
        str | None, typer.Option(help="hub: your license for the model, such as mit.", metavar="NAME")
    ] = None,
    corruptions: Annotated[
        bool,
        typer.Option("--corruptions", help="hub: measure corrupted images too, for the card."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="hub: replace a README.md that is there.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Write a model for other programs or people, and check it.

    An ONNX file is compared on random inputs of three batch sizes and on 1,000 images, rows or series of the run's own
    data. A folder for the Hub is measured on all of these, and its card is filled from the run.

    Example: convnets export runs/lenet_bn-digits-1 -o lenet.onnx
    """
    if to not in _FORMS:
        raise UnknownNameError("form of export", to, _FORMS)
    if int8 and to != "onnx":
        raise UsageError(f"--int8 with --to {to}; allowed with: onnx")
    from convnets.checkpoints.onnx.onnx_model import is_onnx

    if is_onnx(run):
        raise UsageError(f"{run} is exported already; give the run or model folder that it was exported from")
    of_rows = is_for_tables(run)
    if of_rows:
        refuse_image_options(run, {"int8": int8, "corruptions": corruptions})
    if to == "hub":
        if of_rows:
            export_table_hub(run, output, (repository, license), overwrite=overwrite, json=json)
        else:
            _export_hub(run, output, repository, license, corruptions, overwrite, json=json)
        return
    lacking = [name for name in _NEEDED if to == "onnx" and importlib.util.find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"exporting needs {', '.join(lacking)}; install it with: pip install 'convnets[onnx]'"
        )
    path = run / f"model{'-int8' * int8}.{to}" if output is None else output
    check_file(path)
    if of_rows:
        export_table(run, path, form, json=json)
        return
    if form not in (None, "pictures", "tensor"):
        raise UnknownNameError("input", form, ("pictures", "tensor"))
    if int8:
        _export_int8(run, path, form, json=json)
        return
    from convnets.checkpoints.model_source import open_model
    from convnets.serving.export.onnx_export import export_onnx
    from convnets.serving.export.pt2_export import export_pt2

    with progress_bar() as progress:
        images, part = _images(run, progress)
        progress("exporting", 0, 1)
        write = export_onnx if to == "onnx" else export_pt2
        chosen = open_model(run)
        found = write(chosen, path, form="tensor" if form == "tensor" else "pictures", images=images)
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


def _export_int8(run: Path, path: Path, form: str | None, *, json: bool) -> None:
    from convnets.checkpoints.model_source import open_model
    from convnets.serving.export.int8_export import export_int8
    from convnets.serving.model_and_images import open_parts
    from convnets.training.runs.run import Run

    with progress_bar() as progress:
        trained = open_model(run)
        if not (run / "model").is_dir():
            raise UsageError(
                f"{run} is no run, whose training images --int8 needs; give a run, or leave --int8 out"
            )
        parts = open_parts(Run(run), trained, progress=progress)
        part = "validation" if "validation" in parts else "test"
        if part not in parts:
            raise UsageError(f"{run} has neither validation nor test images to compare on; leave --int8 out")
        found = export_int8(
            trained,
            path,
            parts["train"],
            parts[part],
            form="tensor" if form == "tensor" else "pictures",
            progress=progress,
        )
    if json:
        write_json({**found.to_dict(), "part": part})
        return
    plain, small = found.megabytes
    before, after = found.accuracy
    typer.echo(
        f"{found.path}: {plain:.2f} → {small:.2f} MB, opset {found.opset}, input {form or 'pictures'}, any batch size"
    )
    typer.echo(
        f"{found.images:,} {part} images: {found.agreement:.2%} answered alike, accuracy {before:.4f} → {after:.4f}"
    )
    for each in found.milliseconds:
        ratio = each.float32 / each.int8
        times = f"{each.float32:.4g} → {each.int8:.4g} ms, {ratio:.2f} times as fast"
        typer.echo(f"batch {each.batch}: {times} on {found.hardware}")
    why = ", since this processor has no VNNI" if found.weight_bits < 8 else ""
    typer.echo(
        f"weights of {found.weight_bits} bits{why}; ranges from {found.calibration_images} training images"
    )


def _images(run: Path, progress: ProgressBar) -> tuple[ImageSet | None, str]:
    """The run's own images and their part; none, and a note, where the data moved or a model folder names none."""
    from convnets.errors import DataError
    from convnets.serving.model_and_images import open_model_and_images

    try:
        opened = open_model_and_images(run, progress=progress)
    except (DataError, UsageError) as error:
        typer.echo(f"no images to compare with: {error}", err=True)
        return None, ""
    return opened.images, opened.part


def _export_hub(
    run: Path,
    output: Path | None,
    repository: str | None,
    license: str | None,
    corruptions: bool,
    overwrite: bool,
    *,
    json: bool,
) -> None:
    from convnets.serving.corrupted import evaluate_corrupted
    from convnets.serving.export.hub_export import check_hub_folder, export_hub

    folder = run / "hub" if output is None else output
    check_hub_folder(run, folder, overwrite=overwrite)
    with progress_bar() as progress:
        images, part = _images(run, progress)
        robustness = evaluate_corrupted(run, progress=progress)[0] if corruptions else None
        found = export_hub(
            run,
            folder,
            images=images,
            part=part,
            robustness=robustness,
            repository=repository,
            license=license,
            overwrite=overwrite,
            progress=progress,
        )
    if json:
        write_json(found.to_dict())
        return
    typer.echo(f"{found.path}: {', '.join(found.files)}; weights {found.megabytes:.2f} MB, verified")
    if found.measured is not None:
        before = "" if found.recorded is None else f", {found.recorded:.4f} recorded"
        typer.echo(f"{found.images:,} {part} images: accuracy {found.measured:.4f}{before}")
    if license is None:
        typer.echo(f"license: yours to choose; write it into {found.path / 'README.md'}, or give --license")
