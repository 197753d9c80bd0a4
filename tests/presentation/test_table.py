"""The table of renderers: every entry leads to a function, and to a class of that name which it shows."""

from __future__ import annotations

from importlib import import_module

import pytest

from convnets.core.display.renderers import renderer
from convnets.presentation.table import RENDERERS


@pytest.mark.parametrize(("record", "form"), RENDERERS)
def test_an_entry_leads_to_a_function_that_knows_the_record(record: str, form: str) -> None:
    module, name = RENDERERS[record, form].split(":")
    shows = import_module(module if "." in module else f"convnets.presentation.{module}")
    assert callable(getattr(shows, name))
    kinds = {"Splits": "ImageSet"}  # a Splits is given as its parts
    assert isinstance(getattr(shows, kinds.get(record, record)), type)


def test_a_subclass_is_shown_as_what_it_is_made_from() -> None:
    from convnets.presentation.config_html import config_html
    from convnets.training.config import TrainConfig

    class Mine(TrainConfig):
        pass

    assert renderer(Mine(), "html") is config_html


def test_what_nobody_shows_is_said() -> None:
    with pytest.raises(LookupError, match="no entry for int as html"):
        renderer(3, "html")
