"""Export to the Hub's layout: a model folder that others can load, with a model card filled from the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from convnets.checkpoints.hub_model import check_repository
from convnets.checkpoints.model_config import CONFIG_FILE, WEIGHTS_FILE, read_config, sealed
from convnets.checkpoints.model_folder import load_model
from convnets.checkpoints.model_source import resolve_model_folder
from convnets.core.progress import Progress
from convnets.core.storage.files import atomic_path, write_json, write_text
from convnets.data.image_set import ImageSet
from convnets.errors import ModelFolderError, UsageError
from convnets.evaluation.evaluate import evaluate
from convnets.selection.folds.cross_validation import RECORD
from convnets.selection.robustness.corrupted_evaluation import CorruptedEvaluation
from convnets.serving.export.card_results import headline
from convnets.serving.export.card_text import place_name, without_places
from convnets.serving.export.model_card import CardContent, model_card
from convnets.training.objectives.embedding import check_classifies
from convnets.training.runs.run import Run

__all__ = ["CARD_FILE", "HubExport", "check_hub_folder", "copy_model", "export_hub"]

CARD_FILE = "README.md"
Model = TypeVar("Model")


@dataclass(frozen=True)
class HubExport:
    """The folder, and how its model did."""

    path: Path
    files: tuple[str, ...]
    megabytes: float
    """Of the weights."""
    recorded: float | None
    """Accuracy that the run recorded."""
    measured: float | None
    """Accuracy of the model in the folder, on `images` images; None where none were at hand."""
    images: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}


def export_hub(
    source: Run | Path | str,
    folder: Path | str,
    *,
    images: ImageSet | None = None,
    part: str = "test",
    robustness: CorruptedEvaluation | None = None,
    repository: str | None = None,
    license: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> HubExport:
    """Write `config.json`, `model.safetensors` and `README.md`, the layout of the Hugging Face Hub, to `folder`.

    The folder is a model folder: `Predictor.load` and everything else that takes one reads it. The weights are copied
    bit by bit and verified; of paths in `config.json` the last part stays, since folders say more about a machine.

    Args:
        source: a run, or a model folder; of the latter the card knows neither images nor recipe.
        images: of `part`, to measure the written model on: figures by class and confusions come into the card.
        robustness: accuracies under corruptions for the card (`evaluate_corruptions`).
        repository: `user/name` on the Hub, for the card's example.
        license: of the model, as the Hub abbreviates it (mit, apache-2.0 …); without one the card leaves it to you.
        overwrite: whether a `README.md` that is there, which may have been edited, is replaced.

    Raises UsageError for a card that is there and for models of vectors, ModelFolderError for a network from outside
    the catalogue, which nobody else could build.

    >>> from convnets import TrainConfig, train
    >>> tmp_path = getfixture("tmp_path")
    >>> run = train("softmax", "digits", TrainConfig(epochs=1), output=tmp_path / "runs", listeners=())
    >>> export_hub(run, tmp_path / "hub").files
    ('config.json', 'model.safetensors', 'README.md')
    """
    folder, origin = Path(folder), resolve_model_folder(source)
    check_hub_folder(source, folder, overwrite=overwrite)
    if repository is not None:
        check_repository(repository)
    check_classifies(load_model(origin))
    folder.mkdir(parents=True, exist_ok=True)
    trained = copy_model(origin, folder, load_model)

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(f"evaluating {part}", done, total)

    measured = None
    if images is not None and len(images):
        measured = evaluate(trained.network, images, trained.preprocess, progress=report)
    content = CardContent(trained, _run(source, origin), measured, part, robustness, repository, license)
    write_text(folder / CARD_FILE, model_card(content))
    recorded = headline(trained.metrics, None, part)
    return HubExport(
        folder,
        (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE),
        (folder / WEIGHTS_FILE).stat().st_size / 1e6,
        None if recorded is None else recorded.accuracy,
        None if measured is None else measured.accuracy,
        0 if measured is None else measured.images,
    )


def check_hub_folder(source: Run | Path | str, folder: Path, *, overwrite: bool = False) -> None:
    """Raise UsageError where `export_hub` would have no place for its files, before any work is done."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder")
    if folder.resolve() == resolve_model_folder(source).resolve() or (folder / "environment.json").exists():
        raise UsageError(f"{folder} is the run or the model folder itself; name another folder")
    if (folder / CARD_FILE).exists() and not overwrite:
        raise UsageError(
            f"{folder / CARD_FILE} exists, and may have been edited; name another folder, or overwrite it (--overwrite)"
        )


def copy_model(origin: Path, folder: Path, load: Callable[[Path], Model]) -> Model:
    """Copy a model folder, without the places of its files, and `load` the copy.

    Weights first: until both files are there, the folder's configuration does not fit and says so.
    """
    config = read_config(origin)
    with atomic_path(folder / WEIGHTS_FILE) as weights:
        shutil.copyfile(origin / WEIGHTS_FILE, weights)
    config.pop("before", None)
    options = config["preprocess"].get("encoder", {}).get("options")
    if isinstance(options, dict):  # of series: their labels may have lain in a file of their own
        options["target"] = [
            place_name(name) if name.endswith(".npy") else name for name in options["target"]
        ]
    write_json(
        folder / CONFIG_FILE, sealed({**config, "metrics": without_places(config.get("metrics") or {})})
    )
    try:
        return load(folder)
    except ModelFolderError as error:
        raise ModelFolderError(f"{origin} changed while it was copied ({error}); export it again") from None


def _run(source: Run | Path | str, origin: Path) -> Run | None:
    path = source.path if isinstance(source, Run) else Path(source)
    if path == origin or (path / RECORD).exists():  # a model folder, or folds, whose model is their ensemble
        return None
    return Run(path)
