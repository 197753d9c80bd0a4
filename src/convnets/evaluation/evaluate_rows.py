"""Evaluate on rows of a table: a network that tells classes apart, or says numbers.

N rows, D numbers of each, K classes or numbers, Q quantiles.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.core.hardware import Hardware
from convnets.core.thread_pace import ThreadPace
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.metrics import cross_entropy
from convnets.evaluation.numbers import NumbersEvaluation
from convnets.evaluation.scores import check_finite, evaluation_mode, hardware_for
from convnets.models.answers import logits_of
from convnets.series.examples import ExampleSet
from convnets.tables.encoded_rows import Inputs
from convnets.tables.quantiles import middle_place, pinball
from convnets.tables.target import Target

__all__ = ["answer_rows", "evaluate_rows", "judged_numbers"]

_AT_ONCE = 8192
Loss = Callable[[Tensor, Tensor], Tensor]


def answer_rows(network: nn.Module, inputs: Inputs, hardware: Hardware | None, source: str) -> Tensor:
    """What `network` answers to rows N×D: float32 N×K on the processor; its mode is left as found.

    Raises TrainingError where an answer is not finite.
    """
    hardware = hardware_for(network, hardware)
    answers: list[Tensor] = []
    with evaluation_mode(network), ThreadPace(hardware) as pace:
        accelerated = for_inference(network, hardware.dtype)
        for start in range(0, len(inputs), _AT_ONCE):
            piece = inputs[start : start + _AT_ONCE].to(hardware.device)
            with pace.working(), hardware.autocast():
                answers.append(logits_of(accelerated(piece)).float().cpu())
    found = torch.cat(answers).clone()  # an inference tensor could not be used in later training
    check_finite(found, source)
    return found


def evaluate_rows(
    network: nn.Module,
    inputs: Inputs,
    table: ExampleSet,
    target: Target,
    hardware: Hardware | None = None,
    *,
    loss: Loss | None = None,
) -> Evaluation | NumbersEvaluation:
    """Ask for every row of `table`, whose encoded rows are `inputs`, and measure the answers.

    `loss` is that of numbers, on answers and standardized targets N×K: by default squared, of quantiles pinball.
    """
    started = time.perf_counter()
    answers = answer_rows(network, inputs, hardware, table.source)
    expected, noun = torch.from_numpy(target.encode(table)), table.noun
    if target.classes:
        log_p = answers.log_softmax(1)
        return Evaluation(
            probabilities=log_p.exp(),
            labels=expected,
            classes=target.classes,
            loss=cross_entropy(log_p, expected),
            seconds=time.perf_counter() - started,
            protocol=f"every {noun} once",
            examples=table.nouns,
        )
    learned = "the logarithm" if target.logarithm else "standardized numbers"
    if target.quantiles:
        level = target.quantiles[middle_place(target.quantiles)]
        learned = f"quantiles of {learned} learned; RMSE, MAE and R² are those of q{level:g}"
    else:
        learned += " learned"
    seconds = time.perf_counter() - started
    return judged_numbers(target, answers.numpy(), table, seconds, f"every {noun} once, {learned}", loss=loss)


def judged_numbers(
    target: Target,
    answers: NDArray[Any],
    table: ExampleSet,
    seconds: float,
    protocol: str,
    *,
    loss: Loss | None = None,
) -> NumbersEvaluation:
    """Standardized answers N×K, of quantiles N×(K·Q), beside the numbers of `table`."""
    decoded, apart = target.decode(answers), (len(answers), len(target.names), -1)
    given, expected = torch.from_numpy(answers), torch.from_numpy(target.encode(table))
    if target.quantiles:
        mean_loss = float(pinball(given, expected, target.quantiles).mean())
    else:
        mean_loss = float((loss or F.mse_loss)(given, expected))
    return NumbersEvaluation(
        predicted=target.single(decoded),
        true=target.values(table),
        names=target.names,
        loss=mean_loss,
        seconds=seconds,
        protocol=protocol,
        examples=table.nouns,
        quantiles=target.quantiles,
        bounds=decoded.reshape(apart) if target.quantiles else None,
    )
