"""ExportedRows: a model of tables or series as one function, from what its user has to what he wants.

N rows, K classes, A numbers that are answered.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from convnets.checkpoints.onnx.onnx_rows import spread_of
from convnets.checkpoints.table_model import TableModel
from convnets.models.answers import logits_of
from convnets.series.examples import kind_of
from convnets.series.series_encoder import SeriesEncoder
from convnets.serving.export.card_text import place_name
from convnets.serving.export.rows.encoding_layers import SeriesLayer, TableLayer
from convnets.tables.column_encoders import Categories
from convnets.tables.table_encoder import TableEncoder

__all__ = ["FORMS", "ExportedRows", "metadata_of_rows"]

FORMS = ("rows", "series", "tensor")


class ExportedRows(nn.Module):
    """`rows`: float64 N×C of a table, categories as places in a list; `series`: float64 N×C×L. NaN is missing.

    → `probabilities` float32 N×K, or `values` float64 N×A in their own unit. `tensor`: what the encoder makes, float32,
    → the network's own answers, `logits` or `standardized`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: TableModel, form: str | None = None) -> None:
        super().__init__()
        encoder, target = model.encoder, model.target
        self.network, self.kind = model.network.eval(), kind_of(encoder)
        self.form = form or {"table": "rows"}.get(self.kind, "series")
        self.encode: nn.Module = nn.Identity()
        if self.form != "tensor" and isinstance(encoder, SeriesEncoder):
            self.encode = SeriesLayer(encoder)
        elif self.form != "tensor" and isinstance(encoder, TableEncoder):
            self.encode = TableLayer(encoder)
        self.classes, self.logarithm = bool(target.classes), target.logarithm
        self.each = 1 if target.classes else target.outputs // len(target.names)
        mean, std = (None, None) if target.classes else spread_of(target)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    @property
    def output(self) -> str:
        """What the answers are called."""
        if self.form == "tensor":
            return "logits" if self.classes else "standardized"
        return "probabilities" if self.classes else "values"

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        answers = logits_of(self.network(self.encode(inputs)))
        if self.form == "tensor":
            return answers
        if self.classes:
            return answers.softmax(1)
        values = answers.double()
        if self.each > 1:  # several levels of one number, which do not cross
            apart = values.reshape(-1, values.shape[1] // self.each, self.each)
            values = apart.sort(dim=2).values.flatten(1)
        values = values * self.std + self.mean
        return values.clamp_max(700.0).exp() if self.logarithm else values


def metadata_of_rows(exported: ExportedRows, model: TableModel) -> dict[str, Any]:
    """What the file takes and answers, and both ends of the model, as the file states them."""
    from convnets import __version__

    encoder = model.encoder.to_dict()
    if isinstance(encoder.get("options"), dict):  # of labels in a file the place says more about a machine
        asked = encoder["options"]["target"]
        encoder["options"]["target"] = [place_name(name) if name.endswith(".npy") else name for name in asked]
    takes: dict[str, Any] = {}
    if isinstance(model.encoder, SeriesEncoder):
        takes = {"channels": list(model.encoder.channels), "length": model.encoder.length}
    elif isinstance(model.encoder, TableEncoder):
        takes = {"columns": [_column(each) for each in model.encoder.columns]}
    return {
        "convnets": __version__,
        "network": model.name,
        "form": exported.form,
        "examples": exported.kind,
        **takes,
        "answers": list(model.answer_names),
        "classes": list(model.classes),
        "encoder": encoder,
        "target": model.target.to_dict(),
    }


def _column(encoder: Any) -> dict[str, Any]:
    """A column of the matrix: what stands for a category is its place in the list."""
    known = {"categories": list(encoder.categories)} if isinstance(encoder, Categories) else {}
    return {"name": encoder.name, "kind": encoder.kind, **known}
