"""Events: to JSON and back, and what is refused on the way."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any

import pytest

from convnets.errors import ConfigError, UnknownNameError
from convnets.training.events import Event, Notice, RunStarted

KINDS = Event.__subclasses__()
VALUES: dict[str, Any] = {
    "int": 3,
    "str": "a",
    "float": 0.5,
    "bool": True,
    "tuple[int, ...]": (1, 28, 28),
    "dict[str, dict[str, float | None]]": {"mlp": {"rmse": 0.5, "log_rmse": None}},
    "list[dict[str, Any]]": [{"kernel": "im2col"}],
    "list[str]": ["b"],
}


def made(kind: type[Event], *, defaults: bool) -> Event:
    """An event with a value for each field, or for those that have no default."""
    wanted = [field for field in fields(kind) if not (defaults and field.default is not MISSING)]
    return kind(**{field.name: VALUES[str(field.type).removesuffix(" | None")] for field in wanted})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("defaults", [False, True])
def test_every_event_comes_back_from_its_line(kind: type[Event], defaults: bool) -> None:
    event = made(kind, defaults=defaults)
    assert Event.from_dict(json.loads(json.dumps(event.to_dict()))) == event


def test_a_field_that_older_runs_did_not_have_takes_its_default() -> None:
    line = made(RunStarted, defaults=False).to_dict()
    del line["objective"]
    found = Event.from_dict(line)
    assert isinstance(found, RunStarted)
    assert found.objective == "classification"


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"EpochEnd.*EpochEnded"):
        Event.from_dict({"event": "EpochEnd"})
    with pytest.raises(UnknownNameError, match=r"mesage.*message"):
        Event.from_dict({"event": "Notice", "mesage": "a"})
    with pytest.raises(ConfigError, match="Notice came without message; give"):
        Event.from_dict({"event": "Notice"})
    assert Event.from_dict({"event": "Notice", "message": "a"}) == Notice("a")
