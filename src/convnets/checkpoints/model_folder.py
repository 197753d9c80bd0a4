"""The model folder: `config.json` + `model.safetensors`, enough to evaluate, predict and go on from.

config.json holds the architecture and its arguments, class names, preprocess, metrics with their protocol,
versions, the size and SHA-256 of the weights, and its own SHA-256. Nothing in it is ever executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from convnets.checkpoints.migration import FORMAT_VERSION
from convnets.checkpoints.model_config import CONFIG_FILE, WEIGHTS_FILE, read_config, sealed
from convnets.checkpoints.network_of_folder import build_network, check_shapes
from convnets.checkpoints.savable import Savable
from convnets.checkpoints.weights_file import read_tensors
from convnets.core.display.renderers import renderer
from convnets.core.environment import versions
from convnets.core.storage.disk_space import disk_full_message, is_disk_full
from convnets.core.storage.files import atomic_path, remove_left_overs, sha256_of_file, write_json
from convnets.data.preprocess import Preprocess
from convnets.errors import ModelFolderError, UsageError
from convnets.series.examples import KINDS

__all__ = [
    "CONFIG_FILE",
    "FORMAT_VERSION",
    "WEIGHTS_FILE",
    "TrainedModel",
    "is_of_tables",
    "load_model",
    "read_model",
    "save_model",
]

_READ_ATTEMPTS = 3
_PLURALS = {"table": "tables", "series": "series"}


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

    @property
    def name(self) -> str:
        """The catalogue's name of the network, or that of its class."""
        known = self.architecture
        return type(self.network).__name__ if known is None else str(known["name"])

    def __repr__(self) -> str:
        size = f"{self.preprocess.channels}×{self.preprocess.size}×{self.preprocess.size}"
        return f"TrainedModel({self.name}: {size} → {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        return renderer(self, "html")(self)


def save_model(folder: Path, model: Savable) -> Path:
    """Write the model folder; whatever interrupts that, the folder holds the model from before or the new one.

    Returns the folder. An existing model there is replaced. Raises ModelFolderError when the disk is full.
    """
    folder = Path(folder)
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.network.state_dict().items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_left_overs(folder)
        _write(folder, model, tensors)
    except (OSError, safetensors.SafetensorError) as error:
        if not is_disk_full(error):
            raise
        needed = sum(tensor.nbytes for tensor in tensors.values())
        kept = "the model from before is kept"
        raise ModelFolderError(disk_full_message(folder / WEIGHTS_FILE, needed, kept)) from None
    return folder


def _write(folder: Path, model: Savable, tensors: dict[str, Tensor]) -> None:
    before = _replaced_config(folder)
    with atomic_path(folder / WEIGHTS_FILE) as weights:
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
        if (
            before is not None
        ):  # two files cannot be renamed at once: until both are, the first knows both weights
            write_json(folder / CONFIG_FILE, sealed({**content, "before": before}))
    write_json(folder / CONFIG_FILE, sealed(content))


def _replaced_config(folder: Path) -> dict[str, Any] | None:
    """The configuration of the model that is there, if it is one."""
    try:
        config = _matching(folder, read_config(folder))
    except ModelFolderError:
        return None
    config.pop("before", None)
    return config


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
    config, tensors = read_model(folder)
    if is_of_tables(config):
        kind = _PLURALS[config["preprocess"]["examples"]]
        raise ModelFolderError(
            f"{folder} holds a model of {kind}; allowed here: models of images; use it with convnets evaluate and "
            "predict, or load_table_model"
        )
    try:
        classes = _class_names(config["classes"])
        preprocess = Preprocess.from_dict(config["preprocess"])
        metrics = {**(config.get("metrics") or {})}
        if network is None:
            network = build_network(config["architecture"], tensors, folder)
        _check_fit(network, tensors, classes, folder)
    except ModelFolderError:
        raise
    except (KeyError, TypeError) as error:
        raise ModelFolderError(
            f"{folder / CONFIG_FILE}: lacks or mistypes {str(error)[:80]}; save the model again"
        ) from None
    except UsageError as error:
        raise ModelFolderError(f"{folder / CONFIG_FILE}: {str(error)[:300]}") from None
    network.load_state_dict(tensors)
    return TrainedModel(network.to(device).eval(), classes, preprocess, metrics)


def is_of_tables(config: Mapping[str, Any]) -> bool:
    """Whether a model folder's configuration is that of a network for rows of tables, or for series."""
    preprocess = config.get("preprocess")
    return isinstance(preprocess, dict) and preprocess.get("examples") in KINDS


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights that belong together, also while a training run replaces them again and again.

    Raises ModelFolderError when a file is missing, damaged, or of a newer format.
    """
    for _ in range(_READ_ATTEMPTS):
        before = _identity(folder)
        try:
            config = _matching(folder, read_config(folder))
            tensors = read_tensors(folder / WEIGHTS_FILE)
        except (ModelFolderError, OSError) as error:
            if _identity(folder) != before:
                continue
            if isinstance(error, ModelFolderError):
                raise
            raise ModelFolderError(f"{error.filename} cannot be read ({error.strerror})") from None
        if _identity(folder) == before:
            return config, tensors
    raise ModelFolderError(f"{folder} was being written while it was read; try again")


def _identity(folder: Path) -> list[tuple[int, ...]]:
    """What changes when one of the files is replaced or written to."""
    found: list[tuple[int, ...]] = []
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        try:
            state = (folder / name).stat()
        except OSError:
            found.append((0,))
        else:
            found.append((state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))
    return found


def _matching(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Of the configuration and the one it was about to replace, that whose weights are there."""
    path = folder / WEIGHTS_FILE
    if not isinstance(config.get("weights"), dict) or not path.is_file():
        raise ModelFolderError(f"{path} is missing; copy the whole model folder")
    size, known = path.stat().st_size, [config]
    if isinstance(config.get("before"), dict) and isinstance(config["before"].get("weights"), dict):
        known.append(config["before"])
    of_size = [each for each in known if each["weights"].get("bytes") == size]
    if not of_size:
        stated = config["weights"].get("bytes")
        raise ModelFolderError(f"{path} is damaged: {size} of {stated!r:.40} bytes; copy or save it again")
    found = sha256_of_file(path)
    for each in of_size:
        if each["weights"].get("sha256") == found:
            return each
    raise ModelFolderError(
        f"{path} is damaged: its SHA-256 is not the one in {CONFIG_FILE}; copy or save it again"
    )


def _class_names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("'classes', which is a list of names")
    return tuple(names)


def _check_fit(
    network: nn.Module, tensors: Mapping[str, Tensor], classes: tuple[str, ...], folder: Path
) -> None:
    check_shapes(network, tensors, folder)
    told_apart = getattr(network, "num_classes", len(classes))
    if told_apart != len(classes):
        raise ModelFolderError(
            f"{folder}: the network tells {told_apart} classes apart, {CONFIG_FILE} names {len(classes)}; "
            "they must be equal: save the model again"
        )
