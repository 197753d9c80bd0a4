"""Trained weights as users have them: a model folder, a safetensors or PyTorch file, or tensors in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convnets.checkpoints.model_config import CONFIG_FILE, WEIGHTS_FILE
from convnets.checkpoints.model_folder import TrainedModel, read_model
from convnets.checkpoints.pytorch_file import read_state_dict, without_prefixes
from convnets.checkpoints.weights_file import read_tensors
from convnets.core.storage.files import sha256_of_file
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, ModelFolderError, UsageError
from convnets.models.architecture import Architecture
from convnets.models.entries import ENTRIES

__all__ = ["MEMORY", "GivenWeights", "read_weights", "weights_in_memory"]

MEMORY = "memory"
"""Where weights came from that lay in no file."""


@dataclass(frozen=True)
class GivenWeights:
    """Tensors by name, and what is known of the network that they were trained in."""

    tensors: dict[str, Tensor]
    source: str
    """The folder or file, as a path that means the same from anywhere, or `memory`."""
    sha256: str
    """Of the file of weights; of names, shapes and numbers for weights in memory."""
    architecture: Architecture | None = None
    """The network, where a model folder says it; a file's name may tell (`resnet18-f37072fd.pth`)."""
    classes: tuple[str, ...] | None = None
    preprocess: Preprocess | None = None
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The source as a message shows it: relative where it lies below the working directory."""
        path = Path(self.source)
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else self.source


def read_weights(path: Path | str) -> GivenWeights:
    """The weights in a model folder, a safetensors file, or a PyTorch file; verified, and never executed.

    Raises ModelFolderError where there are none, or they are damaged.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise ModelFolderError(
            f"{path} does not exist; give a run, a model folder, or a .safetensors or .pth file"
        )
    if path.name == WEIGHTS_FILE and (path.parent / CONFIG_FILE).is_file():
        return _of_folder(path.parent)
    tensors = without_prefixes(read_tensors(path)) if path.suffix == ".safetensors" else read_state_dict(path)
    return GivenWeights(tensors, str(path.absolute()), sha256_of_file(path), _named_by_file(path, tensors))


def _of_folder(folder: Path) -> GivenWeights:
    config, tensors = read_model(folder)
    made, names = config.get("architecture"), config.get("classes")
    try:
        architecture = None if made is None else Architecture(str(made["name"]), dict(made["arguments"]))
        classes = tuple(str(name) for name in names)  # type: ignore[union-attr]
        preprocess = Preprocess.from_dict(config["preprocess"])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"{folder / CONFIG_FILE}: lacks or mistypes {str(error)[:80]}; save the model again"
        ) from None
    known = dict(config.get("metrics") or {})
    digest = str(config["weights"]["sha256"])
    return GivenWeights(tensors, str(folder.absolute()), digest, architecture, classes, preprocess, known)


def _named_by_file(path: Path, tensors: Mapping[str, Tensor]) -> Architecture | None:
    """The catalogue's network by which a published file is called: `vgg16_bn-6c64b313.pth`, `resnet18.safetensors`.

    torchvision's `googlenet` has batch norm, which its file shows; here that is `googlenet_bn`.
    """
    name = path.stem.partition("-")[0]
    if name == "googlenet" and any(each.endswith(".bn.weight") for each in tensors):
        name = "googlenet_bn"
    return Architecture(name) if name in ENTRIES else None


def weights_in_memory(given: TrainedModel | nn.Module | Mapping[str, Tensor]) -> GivenWeights:
    """The weights of a model, of a network, or of a state dict; copies, on the CPU.

    Raises UsageError for anything else.

    >>> weights_in_memory({"a": torch.zeros(2)}).sha256[:8]
    'da53f451'
    """
    network = given.network if isinstance(given, TrainedModel) else given
    if isinstance(network, nn.Module):
        tensors, made = network.state_dict(), getattr(network, "architecture", None)
    elif isinstance(network, Mapping) and all(isinstance(value, Tensor) for value in network.values()):
        tensors, made = dict(network), None
    else:
        raise UsageError(
            f"start is a {type(given).__name__}; allowed: a run, a path, a TrainedModel, a network or a state dict"
        )
    tensors = without_prefixes({name: value.detach().cpu().clone() for name, value in tensors.items()})
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    if isinstance(given, TrainedModel):
        found = (given.classes, given.preprocess, dict(given.metrics))
        return GivenWeights(tensors, MEMORY, digest.hexdigest(), made, *found)
    return GivenWeights(tensors, MEMORY, digest.hexdigest(), made)
