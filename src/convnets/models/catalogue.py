"""The catalogue: every network by its name. Importing it imports no PyTorch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from convnets.errors import ConfigError, UnknownNameError
from convnets.models.architecture import Architecture
from convnets.models.entries import ENTRIES, ModelEntry

if TYPE_CHECKING:
    from convnets.models.contract import ImageClassifier

__all__ = ["ModelEntry", "create_model", "list_models", "model_entry"]


def list_models(pattern: str = "*") -> list[str]:
    """Names of the networks that match a shell pattern, in the catalogue's order.

    >>> list_models("densenet1*")
    ['densenet121', 'densenet161', 'densenet169']
    """
    return [name for name in ENTRIES if fnmatchcase(name, pattern)]


def model_entry(name: str) -> ModelEntry:
    """What is known of a network without building it. Raises UnknownNameError.

    >>> model_entry("lenet").year
    1998
    """
    if name not in ENTRIES:
        raise UnknownNameError(
            "network", name, ENTRIES, "see them all with list_models() or: convnets models"
        )
    return ENTRIES[name]


def create_model(
    name: str,
    *,
    in_channels: int | None = None,
    num_classes: int | None = None,
    input_size: int | None = None,
    in_chans: int | None = None,
    drop_rate: float | None = None,
    seed: int | None = None,
    **options: Any,
) -> ImageClassifier:
    """Build a network of the catalogue, with random weights.

    - `in_channels` (or `in_chans`), `num_classes`: by default those of its entry.
    - `input_size`: side of the images in pixels, by default that of its entry. It decides the shape of a fully
      connected head and of GoogLeNet's auxiliary heads; the other networks only check it against their minimum.
    - `seed`: the weights then depend on it alone, and no other random number moves.
    - `options`: those that the entry declares: `dropout` (probability; `drop_rate` means the same), `auxiliary` (True
      adds auxiliary heads), `last_relu` (False: nin's logits may be negative), `widths` (channels after each block of
      speednet, units of each hidden layer of mlp), `width` (a factor on the channels), `activation` and `batch_norm` of
      mlp.

    The result remembers what it was made from: `create_model(a.name, **a.arguments)` of its `architecture` builds
    the same network again. Raises UnknownNameError for a name, and ConfigError for an argument, that is not known
    or not allowed.

    >>> import torch
    >>> network = create_model("resnet18", in_channels=1, num_classes=10, seed=0)
    >>> network(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 10])
    """
    entry = model_entry(name)
    if drop_rate is not None:
        if options.get("dropout", drop_rate) != drop_rate:
            raise ConfigError(
                f"dropout is {options['dropout']} and drop_rate {drop_rate}; they mean the same: give one of them"
            )
        options["dropout"] = drop_rate
    _check_options(entry, options)
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise ConfigError(f"seed is {seed!r}; allowed: a whole number")
    size = entry.input_size if input_size is None else _whole("input_size", input_size)
    if size < entry.min_size:
        raise ConfigError(
            f"input_size is {size}; {name} needs at least {entry.min_size} {'steps' if entry.axes == 1 else 'pixels'}"
        )
    arguments: dict[str, Any] = {
        "in_channels": _one_of_two(in_channels, in_chans) or entry.in_channels,
        "num_classes": entry.num_classes if num_classes is None else _whole("num_classes", num_classes),
    }
    build = _builder(entry)
    if "input_size" in inspect.signature(build).parameters:
        arguments["input_size"] = size
    arguments |= options
    with _seeded(seed):
        network = build(**arguments)
    network.architecture = Architecture(name, arguments)
    return network


def _builder(entry: ModelEntry) -> Callable[..., ImageClassifier]:
    module, attribute = entry.builder.split(":")
    # the one place that imports networks: by name, so that listing them costs nothing
    return cast(
        "Callable[..., ImageClassifier]", getattr(import_module(f"convnets.models.{module}"), attribute)
    )


def _check_options(entry: ModelEntry, options: dict[str, Any]) -> None:
    for key, value in options.items():
        if key not in entry.options:
            allowed = ("in_channels", "num_classes", "input_size", "seed", *entry.options)
            raise ConfigError(f"{entry.name} has no option {key!r}; allowed: {', '.join(allowed)}")
        if key in ("auxiliary", "last_relu", "batch_norm") and not isinstance(value, bool):
            raise ConfigError(f"{key} is {value!r}; allowed: True or False")
        if key == "dropout" and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1
        ):
            raise ConfigError(f"dropout is {value!r}; allowed: a probability from 0 to below 1")


def _one_of_two(in_channels: int | None, in_chans: int | None) -> int | None:
    if in_channels is not None and in_chans is not None and in_channels != in_chans:
        raise ConfigError(
            f"in_channels is {in_channels} and in_chans {in_chans}; they mean the same: give one of them"
        )
    given = in_channels if in_channels is not None else in_chans
    return None if given is None else _whole("in_channels", given)


def _whole(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} is {value!r}; allowed: a whole number from 1")
    return value


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Random numbers from `seed` inside, and the caller's own as they were after."""
    if seed is None:
        yield
        return
    import torch

    device = torch.get_default_device()
    on_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_cuda else []):
        # not torch.manual_seed, which would seed every device, those that are not restored too
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            torch.cuda.manual_seed(seed)
        yield
