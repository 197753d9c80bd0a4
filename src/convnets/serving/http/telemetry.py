"""Telemetry: numbers for Prometheus, and one line of JSON for each request. Neither holds pictures."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["RequestLog", "Telemetry"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Telemetry:
    """What is counted. With several processes /metrics is the sum over all (PROMETHEUS_MULTIPROC_DIR)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of = self.registry
        self.requests = Counter(
            "convnets_requests", "Requests by path and status", ("path", "status"), registry=of
        )
        self.seconds = Histogram(
            "convnets_request_seconds",
            "From the first byte to the answer",
            ("path",),
            buckets=_SECONDS,
            registry=of,
        )
        self.batch = Histogram(
            "convnets_batch_pictures", "Pictures in a batch", buckets=_BATCHES, registry=of
        )
        self.compute = Histogram(
            "convnets_batch_seconds", "Of the network, a batch", buckets=_SECONDS, registry=of
        )
        self.queue = Gauge(
            "convnets_queue_pictures", "Pictures not answered yet", multiprocess_mode="livesum", registry=of
        )
        self.reloads = Counter("convnets_reloads", "Models replaced", ("model", "result"), registry=of)

    def batch_done(self, pictures: int, seconds: float) -> None:
        """A batch went through the network."""
        self.batch.observe(pictures)
        self.compute.observe(seconds)

    def request_done(self, path: str, status: int, seconds: float) -> None:
        """A request was answered; paths that are no route count as one."""
        self.requests.labels(path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """Prometheus' text format."""
        if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            return generate_latest(self.registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
        return generate_latest(everyone)


class RequestLog:
    """Lines of JSON to a stream or file; a full disk loses lines, not requests.

    `stream` None is standard error.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream, self._quiet = stream, quiet
        self._lock = threading.Lock()
        self.lost = 0

    def write(self, event: str, **values: Any) -> None:
        """One line: time in UTC, event, values."""
        if self._quiet:
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": now, "event": event, **values}, ensure_ascii=False)
        stream = sys.stderr if self._stream is None else self._stream
        try:
            with self._lock:
                stream.write(line + "\n")
                stream.flush()
        except (OSError, ValueError):
            self.lost += 1
