"""TableModel: a network with all that is needed to use it on rows of tables or on series, in the same model folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convnets.checkpoints.model_config import CONFIG_FILE, read_config
from convnets.checkpoints.model_folder import is_of_tables, read_model
from convnets.checkpoints.network_of_folder import build_network, check_shapes
from convnets.errors import ModelFolderError, UsageError
from convnets.series.examples import ExampleEncoder, encoder_from_dict, kind_of
from convnets.tables.target import Target

__all__ = ["RowTransform", "TableModel", "holds_table_model", "load_table_model"]


@dataclass(frozen=True)
class RowTransform:
    """How rows become the network's input, and how its answers are read."""

    encoder: ExampleEncoder
    target: Target

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "examples": kind_of(self.encoder),
            "encoder": self.encoder.to_dict(),
            "target": self.target.to_dict(),
        }


@dataclass
class TableModel:
    """A network, what makes its input of rows, and what reads its answers."""

    network: nn.Module
    encoder: ExampleEncoder
    target: Target
    metrics: dict[str, Any] = field(default_factory=dict)
    """What was measured, with its protocol; JSON-able."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; empty for numbers."""
        return self.target.classes

    @property
    def preprocess(self) -> RowTransform:
        """What the model folder keeps of both ends."""
        return RowTransform(self.encoder, self.target)

    @property
    def architecture(self) -> dict[str, Any] | None:
        """`{"name": …, "arguments": {…}}` for `create_model`; None for a network from outside the catalogue."""
        known = getattr(self.network, "architecture", None)
        return None if known is None else {"name": known.name, "arguments": dict(known.arguments)}

    @property
    def name(self) -> str:
        """The catalogue's name of the network, or that of its class; of an ONNX file the one that it states."""
        known = self.architecture
        if known is not None:
            return str(known["name"])
        stated = getattr(self.network, "name", None)
        return stated if isinstance(stated, str) else type(self.network).__name__

    @property
    def answer_names(self) -> tuple[str, ...]:
        """Of each number that is answered for a row; the names of the classes where these are told apart."""
        return self.classes or self.target.answer_names

    def __repr__(self) -> str:
        answer = f"{len(self.classes)} classes" if self.classes else "numbers"
        return (
            f"TableModel({self.name}: {self.encoder.about} → {', '.join(self.target.names)[:80]}, {answer})"
        )


def holds_table_model(folder: Path) -> bool:
    """Whether a model folder, which may be missing or damaged, says that it holds a network for tables."""
    try:
        return is_of_tables(read_config(folder))
    except ModelFolderError:
        return False


def load_table_model(
    folder: Path | str, device: torch.device | str = "cpu", network: nn.Module | None = None
) -> TableModel:
    """Read and verify a model folder of a network for tables; it comes back in evaluation mode on `device`.

    A network from outside the catalogue is passed as `network` and filled with the weights.
    Raises ModelFolderError when a file is missing, damaged, of a newer format, or does not fit the network.
    """
    folder = Path(folder)
    config, tensors = read_model(folder)
    if not is_of_tables(config):
        raise ModelFolderError(f"{folder} holds a model of images; allowed here: models of tables and series")
    try:
        encoder = encoder_from_dict(config["preprocess"]["examples"], config["preprocess"]["encoder"])
        target = Target.from_dict(config["preprocess"]["target"])
        metrics = {**(config.get("metrics") or {})}
        if network is None:
            network = build_network(config["architecture"], tensors, folder)
        check_shapes(network, tensors, folder)
    except (KeyError, TypeError) as error:
        raise ModelFolderError(
            f"{folder / CONFIG_FILE}: lacks or mistypes {str(error)[:80]}; save the model again"
        ) from None
    except UsageError as error:
        raise ModelFolderError(f"{folder / CONFIG_FILE}: {str(error)[:300]}") from None
    answers = getattr(network, "num_classes", target.outputs)
    if answers != target.outputs:
        raise ModelFolderError(
            f"{folder}: the network answers {answers} numbers, {CONFIG_FILE} needs {target.outputs}; save it again"
        )
    network.load_state_dict(tensors)
    return TableModel(network.to(device).eval(), encoder, target, metrics)
