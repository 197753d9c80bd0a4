"""What the commands on an index share: its arguments, loading it, and what is said of it everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from convnets.retrieval.image_index import ImageIndex

__all__ = ["AsJson", "IndexPath", "Part", "Strict", "facts_of", "load_index"]

IndexPath = Annotated[Path, typer.Argument(help="Index, as `convnets index build` made it.", metavar="INDEX")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Part = Annotated[str | None, typer.Option(help="train, validation or test. [default: all]", metavar="PART")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at a picture that cannot be read.")]


def load_index(index: Path, run: Path | None, device: str) -> ImageIndex:
    from convnets.core.hardware import choose_hardware
    from convnets.retrieval.image_index import ImageIndex

    return ImageIndex.load(index, run, hardware=choose_hardware(device, "fp32"))


def facts_of(loaded: ImageIndex, name: str) -> dict[str, str]:
    made_by = loaded.embedder.identity()
    return {
        "index": name,
        "images": f"{len(loaded):,}",
        "network": f"{made_by['network']} ({made_by['weights_sha256'][:8]})",
        "vectors": f"{loaded.embedder.descriptor}, {loaded.index.dimension} numbers",
    }
