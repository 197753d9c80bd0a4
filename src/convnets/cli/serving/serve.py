"""`convnets serve`."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.cli.placement import Device, EngineName, Precision, Threads
from convnets.errors import UsageError

__all__ = ["serve"]

_NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


def serve(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Runs, model folders or ONNX files; the first is the default.", metavar="RUN"),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.", metavar="NAME")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", metavar="N", parser=whole_number)] = 8000,
    index: Annotated[
        Path | None, typer.Option(help="Index of `convnets index build` for /search.", metavar="FOLDER")
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Who asks has to send it.", metavar="TEXT", envvar="CONVNETS_TOKEN")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Further name that the server answers to; * for any.", metavar="NAME"),
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Other site whose pages may ask (CORS).", metavar="URL")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", help="PEM file: HTTPS.", metavar="FILE")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--tls-key", help="PEM file of its key.", metavar="FILE")
    ] = None,
    views: Annotated[
        int,
        typer.Option(help="Views averaged per picture: 1, 2, 5, 6 or 10.", metavar="N", parser=whole_number),
    ] = 1,
    abstain: Annotated[
        float | None,
        typer.Option(
            help='Wanted precision: less sure answers become "don\'t know".', metavar="X", parser=real_number
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(help="Most pictures of a batch.", metavar="N", parser=whole_number)
    ] = 64,
    queue: Annotated[
        int,
        typer.Option(
            help="Most pictures that wait; more are refused (503).", metavar="N", parser=whole_number
        ),
    ] = 1024,
    deadline: Annotated[
        float,
        typer.Option(
            help="Seconds after which a waiting request is given up.", metavar="X", parser=real_number
        ),
    ] = 10.0,
    workers: Annotated[
        int,
        typer.Option(
            help="Processes, each with its own copy of the models.", metavar="N", parser=whole_number
        ),
    ] = 1,
    log: Annotated[
        str | None,
        typer.Option(help="File for the log; none for no log. [default: standard error]", metavar="FILE"),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    engine: EngineName = "convnets",
) -> None:
    """Answer over HTTP, for programs and for people.

    Class names, vectors, explanations, similar images, and a page to drop pictures on. What waits together is
    computed together; the queue is bounded.

    Example: convnets serve runs/lenet_bn-digits-1
    """
    lacking = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"serving needs {', '.join(lacking)}; install it with: pip install 'convnets[serve]'"
        )
    if (certificate is None) != (key is None):
        raise UsageError("--tls-certificate and --tls-key go together; give both")
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise UsageError(f"{path} does not exist; give a PEM file")
    if workers < 1:
        raise UsageError(f"--workers is {workers}; allowed: 1 or more")
    from convnets.serving.http.limits import Limits
    from convnets.serving.http.server import Settings, model_names
    from convnets.serving.http.server import serve as serve_runs

    settings = Settings(
        runs=tuple(map(str, runs)),
        host=host,
        port=port,
        index=None if index is None else str(index),
        views=views,
        abstain=abstain,
        device=device,
        precision=precision,
        threads=threads,
        engine=engine,
        token=token,
        hosts=tuple(name.lower() for name in allow_host or ()),
        origins=tuple(allow_origin or ()),
        certificate=None if certificate is None else str(certificate),
        key=None if key is None else str(key),
        workers=workers,
        log=log,
        limits=Limits(
            batch=batch, queue_pictures=queue, client_pictures=max(1, queue // 2), deadline=deadline
        ),
    )
    scheme = "http" if certificate is None else "https"
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host
    query = "" if token is None else "/?token=…"
    names = ", ".join(model_names(settings.runs))
    line = f"serving {names} at {scheme}://{shown}:{port}{query} (Ctrl-C ends it)"

    def told(engines: Mapping[str, str]) -> None:
        for name, chosen in engines.items() if engine != "convnets" else ():
            typer.echo(f"{name}: {chosen}", err=True)
        typer.echo(line, err=True)

    serve_runs(settings, told)
