"""Runs: the list, curves and options of each, what happens while one watches, and training from a form."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from dataclasses import fields
from typing import Any

from fastapi import APIRouter, Body, Request
from starlette.responses import Response, StreamingResponse

from convnets.data.batches import Batches
from convnets.data.sources import list_data
from convnets.errors import InputError
from convnets.models.catalogue import list_models
from convnets.studio.answers import json_answer, png_answer
from convnets.studio.desk import Wanted
from convnets.studio.findings.sheets import sheet_of
from convnets.studio.run_facts import read_events
from convnets.studio.training import train_command
from convnets.studio.workplace import Workplace, code
from convnets.training.config import TrainConfig
from convnets.training.runs.comparison import compare_runs

__all__ = ["make_run_routes"]

_LOOK_SECONDS = 1.0
_FORM = ("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "weight_decay", "augment", "seed")


def make_run_routes(place: Workplace) -> APIRouter:
    """Everything about runs."""
    router = APIRouter()

    @router.get("/runs")
    async def runs(request: Request) -> Response:
        rows = await place.desk.quick(request, lambda _: place.runs.rows())
        folder = str(place.library.folder)
        python = f"""
from pathlib import Path
from convnets import Run
from convnets.errors import RunError
for folder in sorted(Path({folder!r}).iterdir()):
    try:
        print(Run(folder))
    except RunError as error:
        print(error)
"""
        facts = {"folder": folder, "read_only": place.read_only, "states": place.trainers.states()}
        return json_answer(
            {**facts, "runs": rows, "code": code(python, f"convnets runs {shlex.quote(folder)}")}
        )

    @router.get("/runs/{name}")
    async def run(request: Request, name: str) -> Response:
        return json_answer(await place.desk.quick(request, lambda _: _one(place, name)))

    @router.get("/events")
    async def events(request: Request) -> StreamingResponse:
        return StreamingResponse(_follow(place, request), media_type="text/event-stream")

    _add_batches(router, place)
    _add_training(router, place)
    return router


def _add_batches(router: APIRouter, place: Workplace) -> None:
    @router.get("/compare")
    async def compare(request: Request, runs: str) -> Response:
        names = [each for each in runs.split(",") if each]

        def compared(_: Wanted) -> dict[str, Any]:
            found = compare_runs([place.library.run(each) for each in names])
            head, rows = found.table()
            paths = " ".join(shlex.quote(str(place.path(each))) for each in names)
            listed = ", ".join(f"Run({str(place.path(each))!r})" for each in names)
            python = f"""
from convnets import Run
from convnets.training.runs.comparison import compare_runs
print(compare_runs([{listed}]))
"""
            return {"head": head, "rows": rows, "code": code(python, f"convnets compare {paths}")}

        return json_answer(await place.desk.quick(request, compared))

    @router.get("/runs/{name}/batch")
    async def batch(request: Request, name: str, epoch: int, step: int) -> Response:
        return json_answer(await place.desk.long(request, lambda _: _batch(place, name, epoch, step)))

    @router.get("/runs/{name}/batch.png")
    async def batch_picture(request: Request, name: str, epoch: int, step: int) -> Response:
        def drawn(_: Wanted) -> Any:
            indices = _batch(place, name, epoch, step)["indices"]
            images = place.library.parts(name)["train"]
            return sheet_of(images, indices[:256], place.library.model(name).preprocess, 32, 16)

        return png_answer(await place.desk.long(request, drawn))


def _add_training(router: APIRouter, place: Workplace) -> None:
    @router.get("/form")
    async def form() -> Response:
        return json_answer(_form())

    @router.post("/train")
    async def train(given: dict[str, Any] = Body()) -> Response:  # noqa: B008  FastAPI's way
        place.check_writable()
        place.check_data(given.get("data") or None)
        name = str(given.get("name") or "")
        start = None
        if given.get("start"):
            run = place.library.run(str(given["start"]))
            start = run.model_folder if given.get("epoch") is None else run.epoch_folder(int(given["epoch"]))
        words = train_command(
            place.library.folder,
            name,
            given.get("network") or None,
            given.get("data") or None,
            dict(given.get("options") or {}),
            start,
        )
        if name in place.library.names():
            raise InputError(f"{name} is there already; choose another name")
        place.trainers.start(name, words)
        return json_answer({"name": name, "code": code("", shlex.join(words))})

    @router.post("/runs/{name}/stop")
    async def stop(name: str) -> Response:
        place.check_writable()
        place.trainers.stop(name)
        return json_answer({"name": name})

    @router.post("/runs/{name}/resume")
    async def resume(name: str) -> Response:
        place.check_writable()
        words = ["convnets", "train", f"--resume={place.library.run(name).path}"]
        place.trainers.start(name, words)
        return json_answer({"name": name, "code": code("", shlex.join(words))})


def _one(place: Workplace, name: str) -> dict[str, Any]:
    run = place.library.run(name)
    events, end = read_events(run)
    health = [each for each in events if each.get("event") == "HealthMeasured"]
    steps = [each for each in events if each.get("event") == "StepEnded"]
    path = str(run.path)
    python = f"""
from convnets import Run
run = Run({path!r})
print(run)
for row in run.metrics:
    print(int(row["epoch"]), row["train_loss"], row["validation_accuracy"])
"""
    return {
        "name": name,
        "metrics": run.metrics,
        "settings": run.settings,
        "environment": run.environment,
        "results": run.results,
        "status": run.status,
        "kept": run.epochs_kept,
        "notices": [each["message"] for each in events if each.get("event") == "Notice"],
        "steps": [{key: each.get(key) for key in ("epoch", "step", "steps", "loss")} for each in steps],
        "health": health[-1] if health else None,
        "event_bytes": end,
        "code": code(python, f"convnets compare {shlex.quote(path)}"),
    }


def _batch(place: Workplace, name: str, epoch: int, step: int) -> dict[str, Any]:
    """Which images a step was computed from: order and seed are pure functions."""
    run, images = place.library.run(name), place.library.parts(name)["train"]
    options = run.config
    if options.objective != "classification":
        raise InputError(
            f"{name} trained vectors, whose batches are drawn by class; its batches are not shown"
        )
    batches = Batches(
        images, place.library.model(name).preprocess, options.batch_size, shuffle=True, seed=options.seed
    )
    if not 1 <= step <= len(batches) or epoch < 1:
        raise InputError(f"step {step} of epoch {epoch}; an epoch has steps 1 to {len(batches)}")
    indices = batches.steps(epoch - 1)[step - 1].tolist()
    python = f"""
from convnets import Batches, Run
from convnets.serving.model_and_images import open_model_and_images
run = Run({str(run.path)!r})
found = open_model_and_images(run.path, part="train")
batches = Batches(found.images, found.model.preprocess, run.config.batch_size, shuffle=True, seed=run.config.seed)
print(batches.steps({epoch - 1})[{step - 1}].tolist())
"""
    labels = [images.classes[int(images.labels[index])] for index in indices]
    return {"indices": indices, "labels": labels, "epoch": epoch, "step": step, "code": code(python)}


async def _follow(place: Workplace, request: Request) -> AsyncIterator[str]:
    """Server-sent events: `runs` when the list has changed, `metrics` when a run has new lines."""
    before: str | None = None
    ends: dict[str, int] = {}
    yield "retry: 2000\n\n"
    while not await request.is_disconnected():
        rows = await asyncio.to_thread(place.runs.rows)
        now = json.dumps([[row["name"], row["status"], row.get("epochs")] for row in rows]) + json.dumps(
            place.trainers.states()
        )
        if now != before and before is not None:
            yield "event: runs\ndata: {}\n\n"
        before = now
        for row in rows:
            if row["status"] != "running":
                ends.pop(row["name"], None)
                continue
            first = row["name"] not in ends
            found, end = await asyncio.to_thread(
                read_events, place.library.run(row["name"]), ends.get(row["name"], 0)
            )
            ends[row["name"]] = end
            steps = [each for each in found if each.get("event") in ("StepEnded", "EpochEnded")]
            if steps and not first:
                yield f"event: metrics\ndata: {json.dumps({'run': row['name'], 'events': steps[-50:]})}\n\n"
        await asyncio.sleep(_LOOK_SECONDS)


def _form() -> dict[str, Any]:
    """The fields of `TrainConfig`, with the help texts of the command line."""
    plain, said = TrainConfig().to_dict(), TrainConfig.descriptions()
    rows = [
        {
            "name": field.name,
            "type": str(field.type).removesuffix(" | None"),
            "optional": "None" in str(field.type),
            "default": plain[field.name],
            "help": said[field.name],
            "first": field.name in _FORM,
        }
        for field in fields(TrainConfig)
        if field.name != "start"
    ]
    return {"fields": rows, "networks": list_models(), "data": [entry.name for entry in list_data()]}
