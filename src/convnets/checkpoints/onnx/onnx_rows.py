"""A network for tables or series in an ONNX file, answered by ONNX Runtime: opened like a model folder.

N rows, K classes, A numbers that are answered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.checkpoints.onnx.onnx_model import METADATA, OnnxNetwork, start_session
from convnets.checkpoints.table_model import TableModel
from convnets.core.storage.files import sha256_of_file
from convnets.errors import ConvnetsError, ModelFolderError
from convnets.series.examples import encoder_from_dict
from convnets.series.unencoded import unencoded
from convnets.tables.target import Target

__all__ = ["OnnxRows", "holds_rows", "open_onnx_rows", "spread_of"]


class OnnxRows(OnnxNetwork):
    """Answers of a file that takes rows or series as they are, turned back into what a network answers.

    Probabilities become their logarithms, numbers in their own unit standardized ones.
    """

    def __init__(self, session: Any, form: str, name: str, version: str, target: Target) -> None:
        super().__init__(session, form, name, version, (0, 0), 1.0)
        self.target = target

    def forward(self, rows: Tensor) -> Tensor:
        """float64 N×C, or N×C×L of series → float32 N×K or N×A; of a file of form tensor float32 in."""
        found = torch.from_numpy(self._run(rows.cpu()))
        if self.form == "tensor":
            return found
        if self.target.classes:
            return found.clamp_min(1e-38).log()
        mean, std = spread_of(self.target)
        known = found.clamp_min(torch.finfo(torch.float64).tiny).log() if self.target.logarithm else found
        return ((known - mean) / std).float()


def spread_of(target: Target) -> tuple[Tensor, Tensor]:
    """Mean and spread of each number that is answered, float64 A; of several to one target they are repeated."""
    each = target.outputs // len(target.names)
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (target.mean, target.std))
    return mean.repeat_interleave(each), std.repeat_interleave(each)


def holds_rows(path: Path | str) -> bool:
    """Whether an ONNX file, which may be damaged or of another program, says that it is for tables or series."""
    try:
        return "encoder" in json.loads(_about(start_session(Path(path), to_answer=False)))
    except (ConvnetsError, OSError, KeyError, TypeError, ValueError):
        return False


def open_onnx_rows(path: Path | str) -> TableModel:
    """The model of a file that `convnets export` wrote. Raises ModelFolderError for another or a damaged one."""
    path = Path(path)
    session = start_session(path)
    try:
        known = json.loads(_about(session))
        encoder = encoder_from_dict(known["examples"], known["encoder"])
        target, form, name = Target.from_dict(known["target"]), str(known["form"]), str(known["network"])
    except (ConvnetsError, KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"{path} does not say how its rows become its input ({str(error)[:60]}); write it with convnets export"
        ) from None
    network = OnnxRows(session, form, name, sha256_of_file(path), target).eval()
    return TableModel(network, encoder if form == "tensor" else unencoded(encoder), target)


def _about(session: Any) -> str:
    return str(session.get_modelmeta().custom_metadata_map[METADATA])
