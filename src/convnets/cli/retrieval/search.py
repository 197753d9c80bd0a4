"""`convnets index search | near-duplicates`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.cli.output import aligned, check_file, progress_bar, write_json
from convnets.cli.placement import Device
from convnets.cli.retrieval.loaded_index import AsJson, IndexPath, facts_of, load_index
from convnets.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from convnets.retrieval.image_index import ImageIndex

__all__ = ["near_duplicates", "search"]


def search(
    index: IndexPath,
    images: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders of them, or paths of indexed images.", metavar="IMAGE"),
    ],
    k: Annotated[
        int, typer.Option("-k", "--count", help="Images to find for each.", metavar="N", parser=whole_number)
    ] = 10,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Only images with this value, such as class=Bag or part!=test.", metavar="NAME=VALUE"
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with the pictures.", metavar="FILE.html")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also write a contact sheet.", metavar="FILE.png")
    ] = None,
    maps: Annotated[
        bool, typer.Option("--maps", help="On page and sheet: which patches match the query.")
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Run that describes the queries. [default: the one kept in the index]", metavar="RUN"
        ),
    ] = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Find the images that are most similar.

    Example: convnets index search fashion.index picture.png -k 5 --where class=Bag --html found.html
    """
    check_file(html)
    check_file(sheet)
    if maps and html is None and sheet is None:
        raise UsageError("--maps draws on a page or a sheet; give --html FILE.html or --sheet FILE.png, too")
    from convnets.retrieval.index import check_count
    from convnets.retrieval.metadata_filter import MetadataFilter

    check_count(k)
    wanted = MetadataFilter.parse(where or [])
    loaded = load_index(index, run, device)
    queries = _queries(images)
    found = loaded.search_many([picture for _, picture in queries], k, where=wanted)
    if html is not None or sheet is not None:
        _draw(loaded, queries, found, str(index), (html, sheet, maps))
    if json:
        answers = [
            {"query": name, "hits": [hit.to_dict() for hit in hits]}
            for (name, _), hits in zip(queries, found, strict=True)
        ]
        write_json(answers)
        return
    for (name, _), hits in zip(queries, found, strict=True):
        if len(queries) > 1:
            typer.echo(name)
        rows = [(f"{hit.distance:.4f}", hit.label or "", hit.to_dict()["path"]) for hit in hits]
        typer.echo(aligned(("distance", "class", "image"), rows, right=(0,)) if rows else "nothing found")
    for path in (html, sheet):
        if path is not None:
            typer.echo(f"written: {path}")


def _queries(images: list[str]) -> list[tuple[str, Any]]:
    """Name and picture of each query; a folder stands for the pictures in it."""
    from convnets.data.images.image_inputs import expand_folders
    from convnets.data.images.names import printable
    from convnets.retrieval.results.indexed_picture import IndexedPictures

    pictures = IndexedPictures()
    names = [str(each) for each in expand_folders(images)]
    return [(printable(name), pictures.open(name)) for name in names]


def _draw(
    loaded: ImageIndex, queries: Any, found: Any, name: str, wanted: tuple[Path | None, Path | None, bool]
) -> None:
    from convnets.retrieval.results.hit_page import write_page
    from convnets.retrieval.results.hit_pictures import found_rows, write_sheet
    from convnets.retrieval.results.indexed_picture import IndexedPictures
    from convnets.retrieval.results.similarity_map import SimilarityMapper

    html, sheet, maps = wanted
    mapper = SimilarityMapper(loaded.embedder) if maps else None
    rows = found_rows(queries, found, IndexedPictures(loaded.listings), mapper)
    facts = facts_of(loaded, name)
    if html is not None:
        write_page(html, "Similar images", facts, rows)
    if sheet is not None:
        note = ", ".join(f"{key} {value}" for key, value in facts.items())
        write_sheet(
            sheet, "Similar images", [note, "Euclidean distance of unit vectors under each image."], rows
        )


def near_duplicates(
    index: IndexPath,
    distance: Annotated[
        float, typer.Option(help="Largest distance, 0 (equal) to 2.", metavar="X", parser=real_number)
    ] = 0.02,
    across: Annotated[
        str | None,
        typer.Option(
            help="Only pairs whose images differ in it: part (in two parts of the data) or class.",
            metavar="COLUMN",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with the pictures.", metavar="FILE.html")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also write a contact sheet.", metavar="FILE.png")
    ] = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """List groups of images that are nearly the same to the network.

    Example: convnets index near-duplicates fashion.index --distance 0.01 --across part --sheet twins.png
    """
    check_file(html)
    check_file(sheet)
    from convnets.retrieval.results.near_duplicates import find_pairs, group_pairs, pairs_across

    loaded = load_index(index, None, device)
    columns = loaded.entries.columns
    if across is not None and across not in columns:
        raise UnknownNameError(f"column of {index}", across, columns)
    with progress_bar(quiet=json) as progress:
        pairs = find_pairs(loaded.vectors, distance, lambda done, total: progress("comparing", done, total))
    if across is not None:
        pairs = pairs_across(pairs, columns[across])
    groups = group_pairs(pairs)
    hits = [_group_hits(loaded, group) for group in groups]
    if json:
        write_json(
            {
                "distance": distance,
                "pairs": len(pairs),
                "groups": [[hit.to_dict() for hit in each] for each in hits],
            }
        )
    else:
        found = sum(map(len, groups))
        typer.echo(
            f"{len(pairs):,} pairs at most {distance:g} apart{'' if across is None else f', across {across}'}; "
            f"{found:,} images in {len(groups):,} groups"
        )
        rows = [
            (str(number), f"{hit.distance:.4f}", hit.label or "", hit.to_dict()["path"])
            for number, each in enumerate(hits[:_GROUPS_SHOWN], 1)
            for hit in each
        ]
        if rows:
            typer.echo(aligned(("group", "distance", "class", "image"), rows, right=(0, 1)))
    if hits and (html is not None or sheet is not None):
        _draw_groups(loaded, hits[:_GROUPS_SHOWN], str(index), html, sheet)


_GROUPS_SHOWN, _MEMBERS_DRAWN = 50, 12


def _group_hits(loaded: ImageIndex, group: list[int]) -> list[Any]:
    """The images of a group, each with its distance from the group's first."""
    import torch

    from convnets.retrieval.hit import Hit
    from convnets.retrieval.index import distances_to

    vectors, entries = loaded.stored.store.rows(torch.tensor(group)), loaded.entries
    distances = distances_to(vectors[0], vectors).tolist()
    return [
        Hit(entries.paths[row], distance, entries.row(row))
        for row, distance in zip(group, distances, strict=True)
    ]


def _draw_groups(
    loaded: ImageIndex, groups: list[list[Any]], name: str, html: Path | None, sheet: Path | None
) -> None:
    from convnets.data.images.names import printable
    from convnets.retrieval.results.indexed_picture import IndexedPictures

    pictures = IndexedPictures(loaded.listings)
    opened = [(each, pictures.try_open(each[0].path)) for each in groups]
    kept = [(each, picture) for each, picture in opened if picture is not None]
    queries = [(printable(each[0].path), picture) for each, picture in kept]
    _draw(loaded, queries, [each[1 : 1 + _MEMBERS_DRAWN] for each, _ in kept], name, (html, sheet, False))
    for path in (html, sheet):
        if path is not None:
            typer.echo(f"written: {path}", err=True)
