"""CardTraining: what a model card says of the images and of how the network learned from them, as the run has it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.catalogue import DataEntry, data_entry, list_data
from convnets.selection.calibration.calibration import Calibration
from convnets.serving.export.card_text import cell, code, listed, place_name, table
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run

__all__ = ["data_section", "data_title", "known_data", "started_with", "training_section"]

_CLASSES_SHOWN = 50
# stated in rows of their own, or without effect on what is learned
_NOT_LISTED = {
    *("epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "schedule", "augment", "seed", "start"),
    *("memory_limit", "workers", "fast", "health", "precision", "device", "threads", "validation", "calibration"),
    *("save_every", "keep_states", "save_epochs", "rank_timeout", "max_minutes"),
}  # fmt: skip


def known_data(run: Run) -> DataEntry | None:
    """The data set's entry, where it is one that is known by name."""
    name = run.settings["data"].get("name")
    return data_entry(name) if name in [each.name for each in list_data()] else None


def data_title(run: Run) -> str:
    """What the images are called; of a path the last part alone."""
    return place_name(str(run.settings["data"]["source"]))


def started_with(run: Run) -> Mapping[str, Any]:
    """What the run reported when it began, such as how many images there were; empty where that was lost."""
    try:
        lines = run.events_file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # cut off while it was written
            continue
        if isinstance(event, dict) and event.get("event") == "RunStarted":
            return event
    return {}


def data_section(run: Run, trained: TrainedModel, test_images: int | None) -> list[str]:
    """Where the images came from, how many there were, and their classes."""
    entry, began, settings = known_data(run), started_with(run), run.settings["data"]
    named = cell(data_title(run))
    lines = [f"[{named}]({entry.home}): {cell(entry.title)}." if entry else f"Images: {named}.", ""]
    counts = {
        "training": began.get("train_images"),
        "validation (the best epoch was chosen by them)": began.get("validation_images"),
        "calibration (the confidences were fitted to them)": _calibration_images(trained),
        "test (nothing was chosen by them)": test_images,
    }
    rows = [[name, f"{count:,}"] for name, count in counts.items() if count]
    lines += [*table(("images for", "count"), rows), ""] if rows else []
    lines += [f"{len(trained.classes):,} classes: {listed(trained.classes, _CLASSES_SHOWN)}.", ""]
    if entry:
        lines += [f"License of the images: {cell(entry.license)}.", ""]
    hashes = settings.get("content_hash")
    if isinstance(hashes, dict) and hashes:
        shown = ", ".join(f"{cell(part)} {code(value)}" for part, value in hashes.items() if value)
        lines += [f"SHA-256 over images and labels, as convnets takes it: {shown}.", ""] if shown else []
    return lines


def _calibration_images(trained: TrainedModel) -> int:
    """How many were kept for it alone."""
    fitted = Calibration.of(trained.metrics)
    return 0 if fitted is None or fitted.part != "calibration" else sum(fitted.images.values())


def training_section(run: Run, nouns: str = "images") -> list[str]:
    """The recipe, the machine, the versions and the command."""
    config, environment = run.config, run.environment
    rows = [*_recipe(run, config, nouns), *_others(config), *_machine(run, environment)]
    lines = [*table(("option", "value"), rows), ""]
    command = environment.get("command")
    if isinstance(command, list) and command and str(command[0]) == "convnets":
        words = shlex.join(place_name(str(word)) for word in command)
        lines += ["```console", f"$ {words}", "```", ""]
    return lines


def _recipe(run: Run, config: TrainConfig, nouns: str) -> list[list[str]]:
    results, done = run.results, len(run.metrics)
    epochs = f"{config.epochs}"
    if done and done != config.epochs:
        epochs = f"{done} of {config.epochs} ({cell(run.status)})"
    best = results.get("epoch")
    if best is not None:
        epochs += f"; the weights are those of epoch {best}"
    decay = f", weight decay {config.decay:g}" if config.decay else ""
    momentum = f", {'beta₁' if config.optimizer == 'adamw' else 'momentum'} {config.momentum:g}"
    return [
        ["network", code(run.network_name) + _arguments(run)],
        ["starting weights", _start(run)],
        ["epochs", epochs],
        [f"{nouns} per step", f"{config.batch_size:,}"],
        ["optimizer", f"{config.optimizer}{momentum}{decay}"],
        ["learning rate", f"{config.peak_learning_rate:g} at its highest, schedule {config.schedule}"],
        ["augmentation", cell(", ".join(config.augment)) or "none"],
        ["seed", str(config.seed)],
    ]


def _arguments(run: Run) -> str:
    given = run.settings["network"].get("arguments")
    shown = ", ".join(f"{name}={value}" for name, value in given.items()) if isinstance(given, dict) else ""
    return f" ({cell(shown)})" if shown else ""


def _start(run: Run) -> str:
    start = run.settings.get("start")
    if not isinstance(start, dict):
        return "random"
    return f"{cell(place_name(str(start.get('source'))))}, SHA-256 {code(start.get('sha256'))}"


def _others(config: TrainConfig) -> list[list[str]]:
    """Options that are not as they are by default."""
    usual = TrainConfig().to_dict()
    return [
        [cell(name.replace("_", " ")), cell(place_name(str(value)))]
        for name, value in config.to_dict().items()
        if name not in _NOT_LISTED and value != usual[name]
    ]


def _machine(run: Run, environment: Mapping[str, Any]) -> list[list[str]]:
    seconds = sum(row["seconds"] or 0.0 for row in run.metrics)
    found, versions = environment.get("hardware"), environment.get("versions")
    rows = [["hardware", cell(found)]] if found else []
    rows += (
        [["time", f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"]] if seconds else []
    )
    if isinstance(versions, dict):
        shown = ", ".join(
            f"{name} {versions[name]}" for name in ("python", "torch", "convnets") if name in versions
        )
        rows.append(["versions", cell(shown)])
    return rows
