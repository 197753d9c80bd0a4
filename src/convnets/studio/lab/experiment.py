"""Experiment: two lab networks trained one after the other from the same seed, and what was measured of each."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from convnets.errors import ConvnetsError
from convnets.studio.lab.lab_network import LabOptions, lab_network
from convnets.training.events import EpochEnded, Event, HealthMeasured, StopRun
from convnets.training.train import train

__all__ = ["SIDES", "Experiment", "Side"]

SIDES = ("left", "right")
_REACHED = 0.9  # validation accuracy that counts as having learned


@dataclass
class Side:
    """What was measured of one network."""

    options: LabOptions
    epochs: list[dict[str, float | None]] = field(default_factory=list)
    """Rows of `EpochEnded`."""
    health: list[list[dict[str, Any]]] = field(default_factory=list)
    """Of each layer, before the first step and after each epoch."""
    status: str = "waiting"

    @property
    def last(self) -> dict[str, float | None]:
        """The last epoch's row; empty before."""
        return self.epochs[-1] if self.epochs else {}

    def value(self, name: str) -> float:
        """A number of the last epoch; NaN where there is none."""
        found = self.last.get(name)
        return float("nan") if found is None else float(found)

    @property
    def reached(self) -> float | None:
        """Epochs until 90 % of the validation images were right, between two by a straight line; None if never."""
        before = 0.0
        for row in self.epochs:
            now = row["validation_accuracy"] or 0.0
            if now >= _REACHED:
                share = (_REACHED - before) / (now - before) if now > before else 1.0
                return float(row["epoch"] or 0) - 1 + share
            before = now
        return None

    def layers(self, when: int, name: str) -> list[float]:
        """A number of every layer with weights, at the start (0) or after an epoch; −1 for the last."""
        rows = self.health[when] if self.health else []
        return [row[name] for row in rows if row["has_weights"] and row.get(name) is not None]


class Experiment:
    """Trains in a thread of its own, from `start` until it is done or `stop` is called."""

    def __init__(self, number: int, left: LabOptions, right: LabOptions) -> None:
        self.number = number
        self.sides = {"left": Side(left), "right": Side(right)}
        self.problem: str | None = None
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._events: list[dict[str, Any]] = []
        self._done = False
        self._thread = threading.Thread(target=self._run, name=f"lab-{number}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End at the next step, and wait for that."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(10)

    @property
    def done(self) -> bool:
        """Whether nothing more will be told."""
        return self._done

    def events(self, start: int, seconds: float = 0.0) -> list[dict[str, Any]]:
        """What has happened from number `start` on; waits at most so long for the first of it."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > start or self._done, seconds)
            return self._events[start:]

    def _tell(self, event: Mapping[str, Any], *, last: bool = False) -> None:
        with self._changed:
            self._events.append(dict(event))
            self._done = self._done or last
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            for name in SIDES:
                if self._stop.is_set():
                    break
                self._train(name)
        except ConvnetsError as error:
            self.problem = str(error)
        finally:
            self._tell({"event": "done", "problem": self.problem, "stopped": self._stop.is_set()}, last=True)

    def _train(self, name: str) -> None:
        side = self.sides[name]
        side.status = "running"
        threads = torch.get_num_threads()
        with tempfile.TemporaryDirectory(prefix="convnets-lab-") as folder:
            run = train(
                lab_network(side.options),
                "digits",
                side.options.config(),
                output=folder,
                name=name,
                listeners=(self._listener(name, side),),
            )
            side.status = run.status
        torch.set_num_threads(threads)
        self._tell({"event": "ended", "side": name, "status": side.status, "reached": side.reached})

    def _listener(self, name: str, side: Side) -> Callable[[Event], None]:
        def listen(event: Event) -> None:
            if isinstance(event, EpochEnded):
                row = {
                    key: value
                    for key, value in event.to_dict().items()
                    if isinstance(value, int | float) or value is None
                }
                side.epochs.append(row)
                self._tell({"event": "epoch", "side": name, **row})
            elif isinstance(event, HealthMeasured):
                kept = ("name", "kind", "has_weights", "spread", "dead", "saturated", "gradient", "weight")
                rows = [{key: layer[key] for key in kept} for layer in event.layers]
                side.health.append(rows)
                self._tell({"event": "health", "side": name, "epoch": event.epoch, "layers": rows})
            if self._stop.is_set():
                raise StopRun

        return listen
