"""Lab: experiments that answer in seconds, and questions to be answered before one looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Body, Request
from starlette.responses import Response, StreamingResponse

from convnets.errors import InputError, UnknownNameError
from convnets.layers.initialization.initialize import INITIALIZERS
from convnets.serving.http.refusal import Refusal
from convnets.studio.answers import json_answer
from convnets.studio.lab.experiment import Experiment
from convnets.studio.lab.lab_network import ACTIVATIONS, LabOptions
from convnets.studio.lab.questions import QUESTIONS
from convnets.studio.workplace import Workplace, code

__all__ = ["Lab", "make_lab_routes"]

_WAIT = 0.5  # seconds between two looks whether the client is still there


class Lab:
    """One experiment at a time; a newer one takes the place of the older."""

    def __init__(self) -> None:
        self._count = 0
        self.current: Experiment | None = None

    def begin(self, left: LabOptions, right: LabOptions) -> Experiment:
        """Stop what is under way and start anew."""
        self.close()
        self._count += 1
        self.current = Experiment(self._count, left, right)
        self.current.start()
        return self.current

    def experiment(self, number: int) -> Experiment:
        """The one under way, or done last. Raises Refusal 404 for another."""
        if self.current is None or self.current.number != number:
            raise Refusal(404, f"experiment {number} is not there any more; start it again")
        return self.current

    def close(self) -> None:
        """Stop what is under way."""
        if self.current is not None:
            self.current.stop()


def make_lab_routes(place: Workplace) -> APIRouter:
    """Options, questions, and experiments."""
    router, lab = APIRouter(), place.lab

    @router.get("/lab")
    async def choices() -> Response:
        return json_answer(
            {
                "defaults": LabOptions().to_dict(),
                "activations": list(ACTIVATIONS),
                "initializers": list(INITIALIZERS),
                "schedules": ["constant", "cosine", "one-cycle", "linear"],
                "optimizers": ["sgd", "adamw"],
                "questions": [each.to_dict() for each in QUESTIONS.values()],
            }
        )

    @router.post("/lab/start")
    async def start(given: dict[str, Any] = Body()) -> Response:  # noqa: B008
        sides = [LabOptions.from_dict(_side(given, name)) for name in ("left", "right")]
        experiment = await asyncio.to_thread(lab.begin, *sides)
        return json_answer({"number": experiment.number, "code": code(_python(*sides))})

    @router.post("/lab/stop")
    async def stop() -> Response:
        await asyncio.to_thread(lab.close)
        return json_answer({})

    @router.get("/lab/events")
    async def events(request: Request, number: int) -> StreamingResponse:
        return StreamingResponse(_follow(lab.experiment(number), request), media_type="text/event-stream")

    @router.get("/lab/verdict")
    async def verdict(number: int, question: str) -> Response:
        if question not in QUESTIONS:
            raise UnknownNameError("question", question, QUESTIONS)
        experiment, asked = lab.experiment(number), QUESTIONS[question]
        sides = experiment.sides
        if not experiment.done or not all(side.epochs for side in sides.values()):
            raise InputError("the experiment has not ended; wait for it")
        if (sides["left"].options, sides["right"].options) != (asked.left, asked.right):
            raise InputError(f"experiment {number} is not that of the question {question!r}")
        found = asked.measure(sides["left"], sides["right"])
        return json_answer(
            {
                "right": found.right,
                "words": found.words,
                "numbers": dict(found.numbers),
                "why": asked.why,
            }
        )

    return router


def _side(given: dict[str, Any], name: str) -> dict[str, Any]:
    found = given.get(name)
    if not isinstance(found, dict):
        raise InputError(f"{name} is {str(found)[:40]!r}; allowed: options of the lab by name")
    return found


async def _follow(experiment: Experiment, request: Request) -> AsyncIterator[str]:
    place = 0
    while not await request.is_disconnected():
        found = await asyncio.to_thread(experiment.events, place, _WAIT)
        for event in found:
            yield f"data: {bytes(json_answer(event).body).decode()}\n\n"
        place += len(found)
        if experiment.done and not experiment.events(place):
            return


def _python(left: LabOptions, right: LabOptions) -> str:
    changed = [
        ", ".join(
            f"{key}={value!r}"
            for key, value in each.to_dict().items()
            if value != LabOptions().to_dict()[key]
        )
        for each in (left, right)
    ]
    return f"""
from convnets import train
from convnets.studio.lab.lab_network import LabOptions, lab_network
for options in (LabOptions({changed[0]}), LabOptions({changed[1]})):
    run = train(lab_network(options), "digits", options.config(), output="lab-runs", listeners=())
    for row in run.metrics:
        print(int(row["epoch"]), row["train_loss"], row["validation_loss"], row["validation_accuracy"])
"""
