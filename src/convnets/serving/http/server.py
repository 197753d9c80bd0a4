"""Server: models, index, limits and access brought together, and answered from until it is stopped."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from convnets.core.hardware import choose_hardware
from convnets.errors import UsageError
from convnets.retrieval.image_index import ImageIndex
from convnets.serving.http.app import create_app
from convnets.serving.http.guard import Access, Guard
from convnets.serving.http.limits import Limits
from convnets.serving.http.listening import check_port
from convnets.serving.http.served_model import ServedModel
from convnets.serving.http.service import Service
from convnets.serving.http.telemetry import RequestLog

__all__ = ["Settings", "from_environment", "make_service", "model_names", "serve"]

_SETTINGS = "CONVNETS_SERVE"


@dataclass(frozen=True)
class Settings:
    """What a server is started with; plain values, since every worker process reads them."""

    runs: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    index: str | None = None
    views: int = 1
    abstain: float | None = None
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    engine: str = "convnets"
    token: str | None = None
    hosts: tuple[str, ...] = ()
    """Names that the server answers to beside localhost."""
    origins: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None
    workers: int = 1
    log: str | None = None
    """A file for the lines of the log; None is standard error, "none" is no log."""
    limits: Limits = field(default_factory=Limits)


def model_names(runs: Sequence[str | Path]) -> dict[str, Path]:
    """Each run under its folder's name, an ONNX file under its own. Raises UsageError where two have one name.

    >>> list(model_names(["runs/a", "runs/b/model", "runs/b/model.onnx", "c.onnx"]))
    ['a', 'b', 'b.onnx', 'c.onnx']
    """
    found: dict[str, Path] = {}
    for run in map(Path, runs):
        path = run.resolve()
        name = path.parent.name + path.suffix if path.name in ("model", "model.onnx") else path.name
        if name in found:
            raise UsageError(f"{found[name]} and {run} have one name, {name}; rename one of them")
        found[name] = run
    return found


def make_service(settings: Settings) -> Service:
    """Load everything; raises what `Predictor.load` and `ImageIndex.load` raise."""
    hardware = choose_hardware(settings.device, settings.precision, settings.threads)
    models = {
        name: ServedModel(name, path, hardware, settings.views, settings.abstain, settings.engine)
        for name, path in model_names(settings.runs).items()
    }
    index = None if settings.index is None else ImageIndex.load(settings.index, hardware=hardware)
    if settings.log in (None, "none"):
        log = RequestLog(quiet=settings.log == "none")
    else:
        log = RequestLog(Path(str(settings.log)).open("a", encoding="utf-8"))  # noqa: SIM115  open as long as the server
    if settings.engine != "convnets":
        for name, model in models.items():
            log.write("engine", model=name, **model.current.engine.to_dict())
    return Service(models, settings.limits, log, index)


def _access(settings: Settings) -> Access:
    own = () if settings.host in ("0.0.0.0", "::") else (settings.host.lower(),)
    return Access(
        tuple(dict.fromkeys((*Access().hosts, *own, *settings.hosts))), settings.token, settings.origins
    )


def from_environment() -> Guard:
    """The application of a worker process."""
    given: dict[str, Any] = json.loads(os.environ[_SETTINGS])
    given["limits"] = Limits(**given["limits"])
    plain: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in given.items()
    }
    settings = Settings(**plain)
    return create_app(make_service(settings), _access(settings))


class _Server(uvicorn.Server):
    """Refuses new work as soon as it is told to end, and answers what it has accepted."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._service.batcher.draining = True
        super().handle_exit(sig, frame)


def serve(settings: Settings, told: Callable[[Mapping[str, str]], None] = lambda _: None) -> None:
    """Answer until Ctrl-C or SIGTERM; accepted requests are answered first. Raises ConfigError for a port in use.

    `told` is called when everything is loaded, with which engine answers for each model, and why; with several
    workers before each loads its own, with nothing, since each chooses by itself.
    """
    check_port(settings.host, settings.port)
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_level": "warning",
        "access_log": False,
        "ssl_certfile": settings.certificate,
        "ssl_keyfile": settings.key,
        "timeout_graceful_shutdown": int(settings.limits.deadline) + 5,
        "server_header": False,
        "h11_max_incomplete_event_size": 65_536,
    }
    if settings.workers == 1:
        service = make_service(settings)
        told({name: str(model.current.engine) for name, model in service.models.items()})
        _Server(uvicorn.Config(create_app(service, _access(settings)), **options), service).run()
        return
    with tempfile.TemporaryDirectory(prefix="convnets-metrics-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        os.environ[_SETTINGS] = json.dumps(asdict(settings))
        told({})
        uvicorn.run(
            "convnets.serving.http.server:from_environment", factory=True, workers=settings.workers, **options
        )
