"""What the commands that look into a network share: a run, its images, and the file that the picture goes to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import check_file, write_json
from convnets.errors import UsageError

if TYPE_CHECKING:
    from convnets.cli.output import ProgressBar
    from convnets.serving.model_and_images import ModelAndImages

__all__ = [
    "DataOption",
    "JsonOption",
    "OutputOption",
    "PartOption",
    "RunArgument",
    "finish",
    "numbers_between_commas",
    "open_images",
    "picture_path",
]

RunArgument = Annotated[Path, typer.Argument(help="Run, or model folder.", metavar="RUN")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Picture: .png, .svg or .html. [default: a .png here]", metavar="FILE"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON; a picture only with -o.")]
DataOption = Annotated[
    str | None,
    typer.Option(help="Data set's name, or a folder or zip. [default: the run's]", metavar="DATA"),
]
PartOption = Annotated[
    str | None,
    typer.Option(help="train, validation or test. [default: the last that is there]", metavar="PART"),
]


class Pictured(Protocol):
    """What has a picture, plain values and a text."""

    def save(self, path: Path) -> Path: ...

    def to_dict(self) -> dict[str, Any]: ...


def picture_path(output: Path | None, run: Path, what: str, endings: tuple[str, ...] | None = None) -> Path:
    """Where the picture goes; refused before any work where it cannot be written, or ends in something else."""
    path = output or Path(f"{run.resolve().name}-{what}.png")
    check_file(path)
    from convnets.explanation.pictures.figure_file import ENDINGS, check_picture_ending

    check_picture_ending(path, endings or ENDINGS)
    return path


def open_images(
    run: Path, data: str | None, part: str | None, images: int | None, progress: ProgressBar
) -> ModelAndImages:
    """The model, and at most `images` of the part, at equal distances."""
    from dataclasses import replace

    from convnets.explanation.sample import spread_sample
    from convnets.serving.model_and_images import open_model_and_images

    found = open_model_and_images(run, data, part=part, progress=progress)
    return replace(found, images=spread_sample(found.images, images))


def finish(found: Pictured, path: Path, *, words: str, json: bool, wanted: bool) -> None:
    """Write the picture, and the record as JSON or in words."""
    if wanted or not json:
        found.save(path)
    if json:
        write_json(found.to_dict())
        return
    typer.echo(words)
    typer.echo(f"picture: {path}")


def numbers_between_commas(text: str, option: str, count: int | None = None) -> list[int]:
    """Whole numbers from `3,5,8`; of them `count`, where that is given.

    >>> numbers_between_commas("3, 5", "--units")
    [3, 5]
    """
    found = [whole_number(each.strip()) for each in text.split(",")]
    if count is not None and len(found) != count:
        raise UsageError(f"{option} is {text!r}; allowed: {count} whole numbers with commas, such as 3,5,8")
    return found
