"""Fitting trained weights into a network of other classes and other channels, before anything is changed in it.

N filters, I channels that weights were trained on, C channels that the network takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from convnets.errors import ModelFolderError
from convnets.models.ends import channel_dependent, class_dependent
from convnets.models.torchvision_weights import named_as_here

__all__ = ["Fit", "adapt_channels", "fit_weights"]

_FAULTS_SHOWN = 2
_AUXILIARY = "auxiliary"  # heads that help in training alone: a network may have them or not
_COUNTER = ".num_batches_tracked"  # changes no prediction; files of 2017 lack it


@dataclass(frozen=True)
class Fit:
    """What of a network is taken from trained weights."""

    tensors: dict[str, Tensor]
    """By the network's own names, of the network's own shapes."""
    new: tuple[str, ...]
    """Names that keep what the network was built with."""
    channels: tuple[int, int] | None
    """I and C where the first layer was changed from one to the other."""
    torchvision: bool
    """Whether the weights have torchvision's names."""

    def load_into(self, network: nn.Module) -> None:
        """Fill the network; what is new stays as it is."""
        network.load_state_dict(self.tensors, strict=False)


def adapt_channels(weight: Tensor, channels: int, given: int | None = None) -> Tensor:
    """Weights N×I×… of a first layer for images with C = `channels`, as timm does (`adapt_input_conv`).

    To one channel the filters of all are added up: a gray picture, repeated in I channels, gives the same as before. To
    C channels they are repeated in turn and scaled by I / C, so that sums keep their size. `given` is I, by default
    the second axis; a layer on flattened images (N × I·H·W) needs it.

    >>> import torch
    >>> adapt_channels(torch.tensor([[1.0, 2.0, 4.0]]), 1)
    tensor([[7.]])
    >>> adapt_channels(torch.tensor([[6.0]]), 3)
    tensor([[2., 2., 2.]])
    """
    given = weight.shape[1] if given is None else given
    split = weight.reshape(len(weight), given, -1)
    if channels == 1:
        split = split.sum(1, keepdim=True)
    else:
        split = split.repeat(1, -(-channels // given), 1)[:, :channels] * (given / channels)
    return split.reshape(len(weight), -1, *weight.shape[2:])


def fit_weights(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    source: str,
    *,
    keep_classes: bool,
    given_channels: int | None = None,
) -> Fit:
    """What of `tensors` goes where in `network`; nothing is changed yet.

    Names are the network's own or torchvision's. What depends on the classes is taken only with `keep_classes` and
    where its shape fits; the first layer is changed to the network's channels (`adapt_channels`); auxiliary heads may
    be missing on either side. `given_channels` is I, where it is known.

    Raises ModelFolderError where anything else does not fit, with the first that does not.
    """
    translated = named_as_here(network, tensors)
    given = dict(tensors if translated is None else translated)
    own: dict[str, Tensor] = network.state_dict()
    head, first = class_dependent(network), channel_dependent(network)
    fitted, new, faults = {}, [], []
    channels: tuple[int, int] | None = None
    for name, value in own.items():
        found = given.get(name)
        if name in head and (found is None or not keep_classes or found.shape != value.shape):
            new.append(name)
            continue
        if found is not None and name in first and found.shape != value.shape:
            sides = _channels(found, value, given_channels, network)
            if sides is not None:
                channels = sides
                found = adapt_channels(found, sides[1], sides[0])
        if found is None and (name.startswith(_AUXILIARY) or name.endswith(_COUNTER)):
            new.append(name)
        elif found is None:
            faults.append(f"no {name}")
        elif found.shape != value.shape:
            faults.append(f"{name} is {_shape(found)}, needs {_shape(value)}")
        elif found.is_floating_point() != value.is_floating_point():
            faults.append(f"{name} is {found.dtype}, needs {value.dtype}")
        else:
            fitted[name] = found
    faults += [f"unknown {name}" for name in given if name not in own and not name.startswith(_AUXILIARY)]
    if not faults and not any(name.rpartition(".")[2] == "weight" for name in fitted):
        faults.append("its only layer depends on the classes")
    if faults:
        raise ModelFolderError(f"{source} does not fit {_name(network)}: {_first(faults)}{_remedy(faults)}")
    return Fit(fitted, tuple(new), channels, translated is not None)


def _channels(found: Tensor, value: Tensor, given: int | None, network: nn.Module) -> tuple[int, int] | None:
    """I and C, where another number of channels is all that two first layers differ by."""
    if found.ndim != value.ndim or found.shape[0] != value.shape[0] or found.shape[2:] != value.shape[2:]:
        return None
    if found.ndim > 2:
        return found.shape[1], value.shape[1]
    wanted = getattr(network, "in_channels", None)
    if given is None or wanted is None or found.shape[1] * wanted != value.shape[1] * given:
        return None
    return given, int(wanted)


def _name(network: nn.Module) -> str:
    made = getattr(network, "architecture", None)
    return type(network).__name__ if made is None else str(made.name)


def _first(faults: list[str]) -> str:
    more = [f"and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
    return "; ".join(faults[:_FAULTS_SHOWN] + more)


def _remedy(faults: list[str]) -> str:
    if all(" needs " in fault for fault in faults):
        return "; take the size and channels that it was trained with (size=, channels=)"
    return "; name the network that it was trained in"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"
