"""Export of models of tables and series to the Hub's layout, with a card filled from the run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convnets.checkpoints.hub_model import check_repository
from convnets.checkpoints.model_config import CONFIG_FILE, WEIGHTS_FILE
from convnets.checkpoints.model_source import resolve_model_folder
from convnets.checkpoints.table_model import load_table_model
from convnets.core.storage.files import write_text
from convnets.errors import DataError
from convnets.serving.export.hub_export import CARD_FILE, check_hub_folder, copy_model
from convnets.serving.export.rows.rows_card import RowsCard, rows_card
from convnets.serving.table_predictor import JudgedTable, TablePredictor
from convnets.training.runs.run import Run

__all__ = ["RowsHubExport", "export_rows_hub"]


@dataclass(frozen=True)
class RowsHubExport:
    """The folder, and how its model did beside simple ones."""

    path: Path
    files: tuple[str, ...]
    megabytes: float
    """Of the weights."""
    rows: int
    """How many were asked about; 0 where the run's own are gone."""
    figures: dict[str, dict[str, float | None]]
    """By model, the network's first; empty where none were measured."""
    note: str
    """Why none were; empty where they were."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}


def export_rows_hub(
    source: Run | Path | str,
    folder: Path | str,
    *,
    repository: str | None = None,
    license: str | None = None,
    overwrite: bool = False,
) -> RowsHubExport:
    """Write `config.json`, `model.safetensors` and `README.md` of a model of tables or series to `folder`.

    As `export_hub` does for images: a model folder, its weights bit by bit. The model that was written is evaluated on
    the run's own rows, beside simple models, where they are as they were.

    Args:
        source: a run, or a model folder; of the latter the card knows neither rows nor recipe.
        repository: `user/name` on the Hub, for the card's example.
        license: of the model, as the Hub abbreviates it; without one the card leaves it to you.
        overwrite: whether a `README.md` that is there is replaced.

    Raises what `export_hub` raises.
    """
    folder, origin = Path(folder), resolve_model_folder(source)
    check_hub_folder(source, folder, overwrite=overwrite)
    if repository is not None:
        check_repository(repository)
    load_table_model(origin)
    folder.mkdir(parents=True, exist_ok=True)
    model = copy_model(origin, folder, load_table_model)
    place = source.path if isinstance(source, Run) else Path(source)
    predictor = TablePredictor(model, str(place))
    judged: JudgedTable | None = None
    note = ""
    try:
        predictor.own_parts()
        judged = predictor.evaluate()
    except DataError as error:
        note = str(error)
    card = RowsCard(model, predictor.run, judged, repository, license)
    write_text(folder / CARD_FILE, rows_card(card))
    return RowsHubExport(
        folder,
        (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE),
        (folder / WEIGHTS_FILE).stat().st_size / 1e6,
        0 if judged is None else len(judged.table),
        {} if judged is None else judged.figures,
        note,
    )
