"""ModelCard: the README.md of a model on the Hub, filled from the model folder and the run that made it.

What is not known is left out or said plainly. The layout of the front matter is the Hub's:
https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.display.text import plain_text
from convnets.core.environment import versions
from convnets.data.preprocess import Preprocess
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.intervals import wilson_interval
from convnets.models.entries import ENTRIES
from convnets.selection.calibration.calibration import Calibration
from convnets.selection.robustness.corrupted_evaluation import CorruptedEvaluation
from convnets.serving.export.card_results import (
    Headline,
    calibration_section,
    headline,
    results_section,
    robustness_section,
)
from convnets.serving.export.card_text import cell, code, percent
from convnets.serving.export.card_training import (
    data_section,
    data_title,
    known_data,
    started_with,
    training_section,
)
from convnets.serving.export.front_matter import front_matter
from convnets.training.runs.run import Run

__all__ = ["CardContent", "model_card"]

_TASK = "image-classification"


@dataclass(frozen=True, eq=False)
class CardContent:
    """All that a card is made from."""

    trained: TrainedModel
    run: Run | None = None
    """None for a model folder without its run: data and recipe are left out then."""
    measured: Evaluation | None = None
    """Of the model that was written, on its own images."""
    part: str = "test"
    """Which of them."""
    robustness: CorruptedEvaluation | None = None
    repository: str | None = None
    """Its name on the Hub, `user/name`."""
    license: str | None = None
    """The author's choice, as the Hub abbreviates it: mit, apache-2.0, cc-by-4.0 …"""


def model_card(content: CardContent) -> str:
    """README.md: front matter for the Hub, then the sections for people."""
    trained, run = content.trained, content.run
    metrics = trained.metrics
    began = {} if run is None else started_with(run)
    first = headline(metrics, content.measured, content.part)
    test_images = first.images if first is not None and first.part == "test" else None
    sections: dict[str, list[str]] = {"Use": _use(content)}
    if run is not None:
        sections["Images that it learned from"] = data_section(run, trained, test_images)
    else:
        sections["Classes"] = [
            f"{len(trained.classes):,}, in `config.json`. Its images are not recorded.",
            "",
        ]
    sections["Input"] = _input(trained.preprocess)
    sections["Training"] = ["The recipe is not recorded.", ""] if run is None else training_section(run)
    validation = began.get("validation_images")
    sections["Results"] = results_section(metrics, content.measured, content.part, validation)
    sections["Calibration"] = calibration_section(metrics)
    sections["Robustness"] = robustness_section(content.robustness)
    sections["Limits"] = _limits(content)
    sections["License"] = _license(content)
    lines = [front_matter(_front(content, first)), "", f"# {_title(content)}", "", *_opening(content, first)]
    for name, body in sections.items():
        lines += [f"## {name}", "", *body]
    return plain_text("\n".join(lines).rstrip() + "\n")


def _title(content: CardContent) -> str:
    on = "" if content.run is None else f" on {cell(data_title(content.run))}"
    return f"{cell(content.trained.name)}{on}"


def _front(content: CardContent, first: Headline | None) -> dict[str, Any]:
    trained = content.trained
    front: dict[str, Any] = {} if content.license is None else {"license": content.license}
    front |= {
        "library_name": "convnets",
        "pipeline_tag": _TASK,
        "tags": ["convnets", "pytorch", "convolutional-network", trained.name],
        "metrics": ["accuracy"],
    }
    if first is None or content.run is None:  # a result needs the name of its data set
        return front
    data = data_title(content.run)
    metric: dict[str, Any] = {"type": "accuracy", "value": first.accuracy, "name": "Accuracy"}
    if first.images:
        low, high = wilson_interval(round(first.accuracy * first.images), first.images)
        metric["name"] = f"Accuracy, 95 % interval {low:.4f} to {high:.4f}, {first.images:,} images"
    result = {
        "task": {"type": _TASK, "name": "Image classification"},
        "dataset": {"type": data, "name": data, "split": first.part},
        "metrics": [metric],
    }
    return {**front, "model-index": [{"name": trained.name, "results": [result]}]}


def _opening(content: CardContent, first: Headline | None) -> list[str]:
    trained = content.trained
    parameters = sum(each.numel() for each in trained.network.parameters())
    preprocess = trained.preprocess
    kind = "gray" if preprocess.channels == 1 else "RGB"
    lines = [
        f"{code(trained.name)} with {parameters:,} parameters tells {len(trained.classes):,} classes apart on "
        f"pictures of {preprocess.size}×{preprocess.size} pixels, {kind}. It was trained with convnets.",
        "",
    ]
    entry = ENTRIES.get(trained.name)
    if entry is not None:
        lines += [f"The network: {cell(entry.paper)}, {entry.year}. Its idea: {cell(entry.idea)}.", ""]
    if first is None:
        return lines
    shown = f"**Accuracy on the {first.part} images: {percent(first.accuracy)}**"
    if first.images:
        low, high = wilson_interval(round(first.accuracy * first.images), first.images)
        shown += f" (95 % interval {100 * low:.2f} to {percent(high)}, {first.images:,} images)"
    return [*lines, f"{shown}.", ""]


def _use(content: CardContent) -> list[str]:
    if content.repository is None:
        load = [
            "from convnets import Predictor",
            "",
            'predictor = Predictor.load("FOLDER")  # with these files',
        ]
    else:
        name = content.repository
        load = [
            "from convnets import Predictor, from_pretrained",
            "",
            f'predictor = Predictor(from_pretrained("{name}"))',
        ]
    return [
        "```python",
        *load,
        'print(predictor.predict("picture.png")[0])',
        "```",
        "",
        f"This takes convnets {versions()['convnets']} or newer (not the package of that name on PyPI, which is "
        "another project). Pictures of any size and mode are brought to the network's input. `model.safetensors` holds "
        "the weights, `config.json` the architecture with its arguments, the preprocessing and the class names.",
        "",
    ]


def _input(preprocess: Preprocess) -> list[str]:
    size, short = preprocess.size, preprocess.resize
    kind = "gray (ITU-R BT.601 luma)" if preprocess.channels == 1 else "RGB"
    mean = ", ".join(f"{value:.4f}" for value in preprocess.mean)
    std = ", ".join(f"{value:.4f}" for value in preprocess.std)
    return [
        f"1. {kind}, turned upright",
        f"2. scaled, short side to {short} pixels",
        f"3. the center, {size}×{size} pixels",
        f"4. divided by 255, minus {mean}, divided by {std}",
        "",
    ]


def _limits(content: CardContent) -> list[str]:
    trained, preprocess = content.trained, content.trained.preprocess
    size = preprocess.size
    fitted = Calibration.of(trained.metrics)
    unsure = (
        '; `Predictor(…, abstain=0.95)` answers "don\'t know" where it is not sure, which catches some of them'
        if fitted is not None
        else ""
    )
    color = " and without color" if preprocess.channels == 1 else ""
    lines = [
        f"- It knows its {len(trained.classes):,} classes alone. A picture of anything else gets one of these names"
        f"{unsure}.",
        f"- It sees {size}×{size} pixels{color}. Smaller details are lost, and so is what lies beside the middle "
        "square of a picture.",
        "- One picture, one answer: it neither finds nor counts things in a picture.",
    ]
    if content.run is not None:
        named = cell(data_title(content.run))
        lines.append(
            f"- It learned from {named} alone. How it does on pictures that were taken otherwise was not measured"
            + ("." if content.robustness is None else ", beyond the corruptions above.")
        )
        lines.append("- It is one run from one seed.")
    if content.measured is not None:
        seen = [each for each in content.measured.per_class if each.support]
        weakest = min(seen, key=lambda each: (each.recall, each.name))
        lines.append(
            f"- Weakest class: {cell(weakest.name)}, found in {percent(weakest.recall)} of its "
            f"{weakest.support:,} images."
        )
    return [*lines, ""]


def _license(content: CardContent) -> list[str]:
    entry = None if content.run is None else known_data(content.run)
    if content.license is not None:
        line = f"The author gives the model under: {cell(content.license)}."
    else:
        line = (
            "The author has not stated one yet: ask before you use the model. (Author: add `license: …` to the lines "
            "at the top, and replace this line.)"
        )
    return [line, *([f"The images have their own: {cell(entry.license)}."] if entry else [])]
