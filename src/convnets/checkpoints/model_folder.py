"""The model folder: `config.json` + `model.safetensors`, enough to evaluate, predict and go on from.

config.json holds the architecture and its arguments, class names, preprocess, metrics with their protocol,
versions, and the size and SHA-256 of the weights. Nothing in it is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from convnets.core.environment import versions
from convnets.core.files import atomic_path, sha256_of_file, write_json
from convnets.data.preprocess import Preprocess
from convnets.errors import ModelFolderError, UsageError
from convnets.models.catalogue import create_model

__all__ = ["CONFIG_FILE", "FORMAT_VERSION", "WEIGHTS_FILE", "TrainedModel", "load_model", "save_model"]

FORMAT_VERSION = 1
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


@dataclass
class TrainedModel:
    """A network with all that is needed to use it on pictures."""

    network: nn.Module
    classes: tuple[str, ...]
    """Class names; the index is the label."""
    preprocess: Preprocess
    metrics: dict[str, Any] = field(default_factory=dict)
    """What was measured, with its protocol; JSON-able."""

    @property
    def architecture(self) -> dict[str, Any] | None:
        """`{"name": …, "arguments": {…}}` for `create_model`; None for a network from outside the catalogue."""
        known = getattr(self.network, "architecture", None)
        return None if known is None else {"name": known.name, "arguments": dict(known.arguments)}


def save_model(folder: Path, model: TrainedModel) -> Path:
    """Write the model folder: both files are complete on disk before either takes its name.

    Returns the folder. An existing model there is replaced.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.network.state_dict().items()}
    with atomic_path(folder / CONFIG_FILE) as config, atomic_path(folder / WEIGHTS_FILE) as weights:
        safetensors.torch.save_file(_without_sharing(tensors), str(weights), metadata={"format": "pt"})
        content = {
            "format": "convnets-model",
            "format_version": FORMAT_VERSION,
            "architecture": model.architecture,
            "classes": list(model.classes),
            "preprocess": model.preprocess.to_dict(),
            "metrics": model.metrics,
            "versions": versions(),
            "weights": {
                "file": WEIGHTS_FILE,
                "bytes": weights.stat().st_size,
                "sha256": sha256_of_file(weights),
            },
        }
        write_json(config, content)
    return folder


def _without_sharing(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors that share memory with an earlier one: safetensors stores each name by itself."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        pointer = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if pointer in seen else tensor
        seen.add(pointer)
    return separate


def load_model(
    folder: Path | str, device: torch.device | str = "cpu", network: nn.Module | None = None
) -> TrainedModel:
    """Read and verify a model folder; the network comes back in evaluation mode on `device`.

    A network from outside the catalogue is passed as `network` and filled with the weights.
    Raises ModelFolderError when a file is missing, damaged, of a newer format, or does not fit the network.
    """
    folder = Path(folder)
    config = _read_config(folder)
    tensors = _read_weights(folder, config)
    try:
        classes = tuple(str(name) for name in config["classes"])
        preprocess = Preprocess.from_dict(config["preprocess"])
        metrics = {**(config.get("metrics") or {})}
        built = network if network is not None else _build(config["architecture"], folder)
    except (KeyError, TypeError) as error:
        raise ModelFolderError(
            f"{folder / CONFIG_FILE}: lacks or mistypes {error}; save the model again"
        ) from None
    except UsageError as error:
        raise ModelFolderError(f"{folder / CONFIG_FILE}: {error}") from None
    _fill(built, tensors, folder)
    return TrainedModel(built.to(device).eval(), classes, preprocess, metrics)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    if folder.is_file():
        raise ModelFolderError(
            f"{folder} is a file; give the model folder that holds {CONFIG_FILE} and {WEIGHTS_FILE}"
        )
    if not path.is_file():
        found = "does not exist" if not folder.exists() else f"holds no {CONFIG_FILE}"
        raise ModelFolderError(f"{folder} {found}; give a run or a model folder")
    try:
        config = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{path} is not JSON ({str(error)[:80]}); save the model again") from None
    if not isinstance(config, dict) or config.get("format") != "convnets-model":
        raise ModelFolderError(f"{path} is not the configuration of a convnets model")
    version = config.get("format_version")
    if not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        remedy = f"this convnets reads 1 to {FORMAT_VERSION}; install a newer one"
        raise ModelFolderError(f"{path} has format version {version!r}; {remedy}")
    return config


def _read_weights(folder: Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    path, stated = folder / WEIGHTS_FILE, config.get("weights")
    if not isinstance(stated, dict) or not path.is_file():
        raise ModelFolderError(f"{path} is missing; copy the whole model folder")
    size = path.stat().st_size
    if size != stated.get("bytes"):
        raise ModelFolderError(
            f"{path} is damaged: {size} of {stated.get('bytes')} bytes; copy or save it again"
        )
    if sha256_of_file(path) != stated.get("sha256"):
        raise ModelFolderError(
            f"{path} is damaged: its SHA-256 is not the one in {CONFIG_FILE}; copy or save it again"
        )
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # noqa: BLE001  the parser's exceptions are not one family; none may pass as ours
        raise ModelFolderError(f"{path} is not a safetensors file ({str(error)[:80]})") from None


def _build(architecture: Any, folder: Path) -> nn.Module:
    if architecture is None:
        raise ModelFolderError(
            f"{folder} holds a network from outside the catalogue; pass it: load_model(…, network=…)"
        )
    return create_model(architecture["name"], **architecture["arguments"])


def _fill(network: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in tensors]
    wrong += [f"{name} is not in the network" for name in tensors if name not in own]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)}, needs {tuple(value.shape)}"
        for name, value in own.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelFolderError(f"{folder}: weights of another network: {'; '.join(wrong[:3])}{more}")
    network.load_state_dict(tensors)
