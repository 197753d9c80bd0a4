"""How a record finds what shows it: by its class's name, in the table of the floor `presentation`.

Renderers know records, so records cannot import them. This is the one place that goes up, by name, when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["renderer"]

_PRESENTATION = "convnets.presentation"


@overload
def renderer(record: object, form: Literal["html", "text", "page"]) -> Callable[..., str]: ...
@overload
def renderer(record: object, form: Literal["figure"]) -> Callable[..., Figure]: ...
@overload
def renderer(record: object, form: Literal["picture"]) -> Callable[..., Path]: ...
@overload
def renderer(record: object, form: Literal["studio"]) -> Callable[..., Any]: ...
def renderer(record: object, form: str) -> Callable[..., Any]:
    """The function that shows `record` in a form, as `presentation/table.py` declares it.

    - `html`: a card for a notebook; `text`: lines for a terminal; `page`: a whole HTML document
    - `figure`: a matplotlib figure; `picture`: writes a file; `studio`: a frame of a notebook

    Raises LookupError where the table has no such entry, which is a mistake of the library.

    >>> from convnets.training.config import TrainConfig
    >>> renderer(TrainConfig(), "html").__name__
    'config_html'
    """
    table = import_module(f"{_PRESENTATION}.table").RENDERERS
    for kind in type(record).__mro__:
        if where := table.get((kind.__name__, form)):
            module, name = where.split(":")
            path = module if "." in module else f"{_PRESENTATION}.{module}"
            found: Callable[..., Any] = getattr(import_module(path), name)
            return found
    raise LookupError(f"presentation/table.py has no entry for {type(record).__name__} as {form}")
