"""Agreement: what a search was begun with, and whether a worker that joins wants the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convnets.core.former_names import current_names
from convnets.core.storage.files import write_json
from convnets.errors import RunError
from convnets.training.config import TrainConfig
from convnets.training.runs.run_folders import check_output

__all__ = ["begin", "first_difference"]

_RECORD = "search.json"


def first_difference(before: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """The first of `settings` that was another before, in words; what is newer than the record has its default."""
    options = TrainConfig.from_dict(current_names(before["options"], "the search")).to_dict()
    space = current_names(before["space"], "the search")
    known = {"against": None, "arguments": {}, **before, "options": options, "space": space}
    for key, value in json.loads(json.dumps(settings)).items():
        if known.get(key) != value:
            return str(key).replace("_", " ")
    return None


def begin(path: Path, settings: Mapping[str, Any], *, go_on: bool) -> None:
    """Make the folder of a search, or go on in it. Raises RunError for one that was begun with something else."""
    check_output(path.parent, None if go_on else path.name)
    if not path.exists():
        (path / "trials").mkdir(parents=True)
        write_json(path / _RECORD, settings)
        return
    try:
        other = first_difference(json.loads((path / _RECORD).read_text("utf-8")), settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path} is no search; choose another name") from None
    if other is not None:
        raise RunError(f"{path} was begun with other {other}; give those, or another name")
