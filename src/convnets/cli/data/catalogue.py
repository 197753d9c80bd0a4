"""`convnets data list | show | download | check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.data.check import check
from convnets.cli.numbers import real_number, whole_number
from convnets.cli.output import aligned, check_file, progress_bar, write_json

__all__ = ["data_app"]

data_app = typer.Typer(
    help="Look at data sets, and get them.\n\nExample: convnets data show fashion-mnist --augment flip,crop",
    no_args_is_help=True,
    rich_markup_mode=None,
)
data_app.command()(check)


@data_app.command("list")
def list_command(json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False) -> None:
    """List the data sets that have names.

    Any folder or zip of images is a data set too; give its path.

    Example: convnets data list
    """
    from convnets.data.catalogue import list_data
    from convnets.data.data_root import data_root

    entries = list_data()
    if json:
        write_json(
            [
                {
                    "name": e.name,
                    "title": e.title,
                    "train_images": e.train_images,
                    "test_images": e.test_images,
                    "classes": list(e.classes),
                    "channels": e.channels,
                    "size": e.size,
                    "mean": list(e.mean),
                    "std": list(e.std),
                    "license": e.license,
                    "home": e.home,
                    "download_bytes": e.download_bytes,
                }
                for e in entries
            ]
        )
        return
    rows = [
        (
            e.name,
            f"{e.train_images:,} + {e.test_images:,}",
            f"{e.channels}×{e.size}×{e.size}",
            str(len(e.classes)),
            f"{e.download_bytes / 1e6:.0f} MB" if e.download_bytes else "none",
            e.title,
        )
        for e in entries
    ]
    typer.echo(
        aligned(("data", "train + test", "images", "classes", "download", "what"), rows, right=(1, 2, 3, 4))
    )
    typer.echo(f"files are read from and downloaded to {data_root()} ($CONVNETS_DATA)")


@data_app.command()
def download(
    names: Annotated[
        list[str], typer.Argument(help="Data sets, as `convnets data list` lists them.", metavar="DATA")
    ],
) -> None:
    """Get data sets and verify them.

    What is there already is only verified.

    Example: convnets data download fashion-mnist
    """
    from convnets.data.catalogue import data_entry
    from convnets.data.sources import load_data

    for name in names:
        data_entry(name)  # so that a wrong name is refused before anything is downloaded
    for name in names:
        with progress_bar() as progress:
            splits = load_data(name, progress=progress)
        parts = ", ".join(f"{len(part):,} {part_name}" for part_name, part in splits.parts().items())
        typer.echo(f"{name}: {parts} images, verified")


@data_app.command()
def show(
    data: Annotated[
        str, typer.Argument(help="Data set's name, or a folder or zip of images.", metavar="DATA")
    ],
    augment: Annotated[
        str, typer.Option(help="Augmentations in order, such as flip,crop:4,erasing.", metavar="A,B,…")
    ] = "",
    mixup: Annotated[
        float, typer.Option(help="Alpha of mixup; 0 for none.", metavar="X", parser=real_number)
    ] = 0.0,
    cutmix: Annotated[
        float, typer.Option(help="Alpha of CutMix; 0 for none.", metavar="X", parser=real_number)
    ] = 0.0,
    count: Annotated[
        int, typer.Option(help="How many images to show.", metavar="N", parser=whole_number)
    ] = 16,
    seed: Annotated[
        int,
        typer.Option(help="Seed of the choice and of the augmentations.", metavar="N", parser=whole_number),
    ] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="PNG to write. [default: NAME.png]", metavar="FILE.png"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Count images, and draw some before and after augmentation.

    Example: convnets data show fashion-mnist --augment flip,crop
    """
    check_file(output)
    from convnets.data.augmentation.augment import parse_augmentations
    from convnets.data.augmentation.mixing import choose_mixing
    from convnets.data.augmentation.preview import preview_augmentations
    from convnets.data.decode import probe_pictures
    from convnets.data.sources import load_data

    augmentations, mixing = parse_augmentations([augment]), choose_mixing(mixup, cutmix)
    with progress_bar(quiet=json) as progress:
        splits = load_data(data, progress=progress)
    path = preview_augmentations(
        splits.train,
        augmentations,
        output or Path(f"{Path(data).stem}.png"),
        count=count,
        seed=seed,
        mixing=mixing,
    )
    probe = probe_pictures(splits.train)
    size = "mixed sizes" if probe.uniform_size is None else "×".join(map(str, probe.uniform_size))
    if json:
        counts = {name: part.class_counts() for name, part in splits.parts().items()}
        write_json(
            {
                "source": splits.source,
                "channels": probe.channels,
                "size": size,
                "classes": counts,
                "picture": str(path),
            }
        )
        return
    parts = splits.parts()
    rows = [(name, *(f"{part.class_counts()[name]:,}" for part in parts.values())) for name in splits.classes]
    rows.append(("all", *(f"{len(part):,}" for part in parts.values())))
    typer.echo(f"{splits.source}: {'gray' if probe.channels == 1 else 'color'}, {size}")
    typer.echo(aligned(("class", *parts), rows, right=range(1, len(parts) + 1)))
    typer.echo(f"picture: {path}")
