"""Questions: what does a change bring? Said first, then measured; which answer is right comes from the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from convnets.studio.lab.experiment import Side
from convnets.studio.lab.lab_network import LabOptions

__all__ = ["QUESTIONS", "Question", "Verdict"]


@dataclass(frozen=True)
class Verdict:
    """What was measured, and which of the answers it makes right."""

    right: int
    words: str
    numbers: Mapping[str, float | None]


Measure = Callable[[Side, Side], Verdict]


@dataclass(frozen=True)
class Question:
    """A question with its experiment."""

    name: str
    words: str
    answers: tuple[str, ...]
    left: LabOptions
    right: LabOptions
    measure: Measure
    why: str
    """Two sentences that explain what usually happens."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the verdict comes after the experiment."""
        return {
            "name": self.name,
            "words": self.words,
            "answers": list(self.answers),
            "left": self.left.to_dict(),
            "right": self.right.to_dict(),
        }


def _place(value: float, limits: tuple[float, ...]) -> int:
    """In which of the ranges between the limits a value lies; NaN lies in the last."""
    return next((place for place, limit in enumerate(limits) if value <= limit), len(limits))


def _time(left: Side, right: Side) -> Verdict:
    a, b = left.reached, right.reached
    ratio = math.nan if not a or b is None else b / a
    numbers = {
        "left: epochs to 90 %": a,
        "right: epochs to 90 %": b,
        "ratio": None if math.isnan(ratio) else ratio,
    }
    return Verdict(_place(ratio, (0.65, 0.95, 1.05)), "epochs until 90 % are right", numbers)


def _accuracy(left: Side, right: Side) -> Verdict:
    a, b = left.value("validation_accuracy"), right.value("validation_accuracy")
    numbers = {"left: validation accuracy": a, "right: validation accuracy": b}
    place = 3 if b < 0.25 else _place(a - b, (-0.01, 0.01))
    return Verdict(place, "validation accuracy at the end", numbers)


def _first_gradient(left: Side, right: Side) -> Verdict:
    a, b = (side.layers(0, "gradient") for side in (left, right))
    ratio = a[0] / b[0] if a and b and b[0] else math.inf
    numbers = {
        "left: gradient of the first layer": a[0] if a else None,
        "right": b[0] if b else None,
        "ratio": ratio,
    }
    return Verdict(
        _place(ratio, (3.0, 30.0, 300.0)), "gradient norm of the first layer at the start", numbers
    )


def _spread(left: Side, right: Side) -> Verdict:
    a, b = (side.layers(0, "spread")[-2:-1] for side in (left, right))
    ratio = a[0] / b[0] if a and b and b[0] else math.inf
    numbers = {
        "left: spread of the last convolution": a[0] if a else None,
        "right": b[0] if b else None,
        "ratio": ratio,
    }
    return Verdict(
        _place(ratio, (2.0, 20.0, 200.0)), "spread of what the last convolution gives at the start", numbers
    )


def _gap(_: Side, right: Side) -> Verdict:
    gap = right.value("train_loss") - right.value("validation_loss")
    numbers = {
        "right: training loss": right.value("train_loss"),
        "right: validation loss": right.value("validation_loss"),
    }
    return Verdict(_place(gap, (-0.05, 0.05)), "training loss less validation loss, with dropout", numbers)


def _norm(left: Side, right: Side) -> Verdict:
    a, b = (math.sqrt(sum(each**2 for each in side.layers(-1, "weight"))) for side in (left, right))
    numbers = {"left: norm of the weights": a, "right: norm of the weights": b, "ratio": b / a if a else None}
    return Verdict(
        _place(b / a if a else math.nan, (0.75, 0.95, 1.05)), "norm of all weights at the end", numbers
    )


def _loss(left: Side, right: Side) -> Verdict:
    a, b = left.value("validation_loss"), right.value("validation_loss")
    numbers = {"left: validation loss": a, "right: validation loss": b}
    return Verdict(_place(b / a if a else math.nan, (0.95, 1.05)), "validation loss at the end", numbers)


def _overfit(left: Side, right: Side) -> Verdict:
    gaps = [side.value("train_accuracy") - side.value("validation_accuracy") for side in (left, right)]
    numbers = {"left: training less validation": gaps[0], "right: training less validation": gaps[1]}
    return Verdict(
        _place(gaps[1] - gaps[0], (-0.01, 0.01)), "training accuracy less validation accuracy", numbers
    )


_COMPARED = ("clearly better", "the same, within one percent", "clearly worse", "it does not learn at all")
_PLAIN = LabOptions()

QUESTIONS: dict[str, Question] = {
    each.name: each
    for each in (
        Question(
            "double-rate",
            "You double the learning rate of plain gradient descent. How long until 90 % are right?",
            ("about half as long, or less", "shorter, but not half", "just as long", "longer, or never"),
            LabOptions(learning_rate=0.01, epochs=12),
            LabOptions(learning_rate=0.02, epochs=12),
            _time,
            "While steps are small, twice the step is nearly twice the way. The gain ends where steps overshoot.",
        ),
        Question(
            "large-rate",
            "A rate ten times larger, without batch norm: how good is it at the end?",
            _COMPARED,
            LabOptions(learning_rate=0.03, depth=4),
            LabOptions(learning_rate=0.3, depth=4),
            _accuracy,
            "Steps that overshoot make activations grow or die. ReLU units that are pushed below zero for every image "
            "get no gradient any more.",
        ),
        Question(
            "large-rate-norm",
            "The same large rate with batch norm: how good is it at the end?",
            _COMPARED,
            LabOptions(learning_rate=0.03, depth=4, batch_norm=True),
            LabOptions(learning_rate=0.3, depth=4, batch_norm=True),
            _accuracy,
            "Batch norm makes the output independent of the size of the weights before it. Large steps grow them, "
            "so that the following steps count less.",
        ),
        Question(
            "sigmoid",
            "Six layers, sigmoid on the right, ReLU on the left. How many times smaller is the first layer's gradient?",
            ("at most 3 times", "3 to 30 times", "30 to 300 times", "more than 300 times"),
            LabOptions(depth=6),
            LabOptions(depth=6, activation="sigmoid", initializer="xavier-normal"),
            _first_gradient,
            "The slope of a sigmoid is at most a quarter, and each layer multiplies by it. Six layers leave at most "
            "1/4096 of it, weights aside.",
        ),
        Question(
            "constant",
            "All weights begin with one and the same value. How good is it at the end?",
            _COMPARED,
            _PLAIN,
            LabOptions(initializer="constant"),
            _accuracy,
            "Units that are equal get equal gradients and stay equal: the layer is as wide as one unit. Symmetry has "
            "to be broken by chance.",
        ),
        Question(
            "small-weights",
            "Weights of spread 0.01 in place of Xavier's: how many times weaker is the third layer's signal?",
            ("at most 2 times", "2 to 20 times", "20 to 200 times", "more than 200 times"),
            LabOptions(activation="tanh", initializer="xavier-normal", depth=3),
            LabOptions(activation="tanh", initializer="normal", depth=3),
            _spread,
            "Each layer multiplies the spread by its weights' spread and the root of its inputs. Xavier and He choose "
            "it so that the product stays near one.",
        ),
        Question(
            "dropout",
            "With dropout 0.5: is the loss on training or on validation images larger?",
            ("on validation images", "they are about equal", "on training images"),
            LabOptions(epochs=6, width=16),
            LabOptions(epochs=6, width=16, dropout=0.5),
            _gap,
            "Half of the features are missing while training, and all are there while validating. The training loss "
            "is that of a weaker network.",
        ),
        Question(
            "decay",
            "Weight decay 0.05 beside none. How large are the weights at the end?",
            ("smaller by a quarter or more", "a little smaller", "about as large", "larger"),
            LabOptions(epochs=10, learning_rate=0.02),
            LabOptions(epochs=10, learning_rate=0.02, weight_decay=0.05),
            _norm,
            "Each step takes a share of every weight away: rate times decay. What the loss does not need shrinks.",
        ),
        Question(
            "batch",
            "Batches of 8 in place of 128, as many epochs: how good is it at the end?",
            _COMPARED,
            LabOptions(batch_size=128, epochs=5),
            LabOptions(batch_size=8, epochs=5),
            _accuracy,
            "Small batches make sixteen times as many steps of an epoch. They are noisier, but at a small rate more "
            "steps win.",
        ),
        Question(
            "schedule",
            "A rate that falls to zero in place of a constant one: the validation loss at the end?",
            ("clearly smaller", "about the same", "clearly larger"),
            LabOptions(learning_rate=0.1, batch_norm=True, batch_size=32),
            LabOptions(learning_rate=0.1, batch_norm=True, batch_size=32, schedule="cosine"),
            _loss,
            "At a constant rate the weights keep jumping around the minimum. A falling rate lets them settle.",
        ),
        Question(
            "depth",
            "Six convolutions in place of one, on a thousand small images: how good is it?",
            _COMPARED,
            LabOptions(depth=1),
            LabOptions(depth=6),
            _accuracy,
            "More layers can say more, but they are harder to train. On images of 8 × 8 one layer sees most of what "
            "there is.",
        ),
        Question(
            "width",
            "64 channels in place of 2: how far are training and validation accuracy apart?",
            ("less far", "about as far", "farther"),
            LabOptions(width=2, epochs=10, learning_rate=0.05),
            LabOptions(width=64, epochs=10, learning_rate=0.05),
            _overfit,
            "A network that can remember its images knows them better than new ones. On easy data both can be near 1, "
            "and the gap stays small.",
        ),
    )
}
"""By name, in the order in which they are asked."""
