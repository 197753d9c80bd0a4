"""How fast a server answers: alone, beside LitServe, and with twice the load that it can carry.

Usage: python benchmarks/serve.py RUN [--side 28] [--clients 1,8,64,256] [--seconds 5] [--rounds 3] [--engine NAME]
           [--threads N] [--litserve FOLDER] [--overload SECONDS] [--json FILE]

Starts `convnets serve RUN` in a process of its own. Each client sends one picture after the other over a connection
that stays open. Clients and servers share the machine's cores, so figures are those of both together.

--litserve FOLDER  also LitServe on the same model (`serve_litserve.py`), from a folder made by
                   `pip install --target FOLDER litserve`. Both servers run, and take turns, `--rounds` times each.
--overload SECONDS instead: what the server can carry is measured with 64 clients (the best of the rounds), then
                   twice as many requests a second come for so long, from 200 addresses, whatever it does with
                   them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image
from serve_client import Seen, crowd, request_of, stream

HERE = Path(__file__).parent


def picture_of(side: int, kind: str) -> bytes:
    """A noisy picture file."""
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)).save(
        content, kind
    )
    return content.getvalue()


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def server(
    command: list[str], port: int, ready: str, environment: dict[str, str] | None = None
) -> Iterator[int]:
    """Its process id, once it answers at `ready`."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        for _ in range(1200):
            if process.poll() is not None:
                assert process.stderr is not None
                raise SystemExit(f"{command} ended: {process.stderr.read()[-2000:]}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}{ready}", timeout=5).status_code == 200:
                    break
            time.sleep(0.1)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)  # a background job may ignore Ctrl-C
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def megabytes(pid: int) -> float:
    """Resident memory of a server and its workers."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(each.memory_info().rss for each in processes) / 1e6


def percentile(values: list[float], share: float) -> float | None:
    """In milliseconds; None of no values."""
    return 1e3 * sorted(values)[int(share * (len(values) - 1))] if values else None


def figures(seen: Seen) -> dict[str, Any]:
    """Of one slice."""
    return {
        "requests_per_second": len(seen.answered) / seen.seconds,
        "p50_ms": percentile(seen.answered, 0.5),
        "p99_ms": percentile(seen.answered, 0.99),
        "refused_p99_ms": percentile(seen.refused, 0.99),
        "statuses": dict(seen.statuses),
    }


def row_of(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds, and every slice."""
    row: dict[str, Any] = {}
    for name in ("requests_per_second", "p50_ms", "p99_ms"):
        values = [each[name] for each in slices if each[name] is not None]
        row[name] = statistics.median(values) if values else None
    speeds = [each["requests_per_second"] for each in slices]
    statuses: Counter[int] = sum((Counter(each["statuses"]) for each in slices), Counter())
    return {**row, "low": min(speeds), "high": max(speeds), "statuses": dict(statuses), "slices": slices}


def load(ports: dict[str, tuple[int, int]], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Every kind of picture and number of clients, the servers in turn."""
    found = []
    for kind in given.kinds.split(","):
        picture = picture_of(given.side, kind)
        requests = {
            name: request_of(f"127.0.0.1:{port}", "/predict", picture, kind)
            for name, (port, _) in ports.items()
        }
        for name, (port, _) in ports.items():
            asyncio.run(crowd(port, requests[name], 8, 2))  # warm
        for clients in map(int, given.clients.split(",")):
            slices: dict[str, list[dict[str, Any]]] = {name: [] for name in ports}
            for _ in range(given.rounds):
                for name, (port, _) in ports.items():
                    seen = asyncio.run(crowd(port, requests[name], clients, given.seconds))
                    slices[name].append(figures(seen))
            for name, (_, pid) in ports.items():
                row = {"server": name, "kind": kind, "clients": clients, **row_of(slices[name])}
                found.append({**row, "megabytes": megabytes(pid)})
                print(line_of(found[-1]), flush=True)
    return found


def line_of(row: dict[str, Any]) -> str:
    """A row for people."""
    p50, p99 = ("–" if row[name] is None else f"{row[name]:.1f}" for name in ("p50_ms", "p99_ms"))
    return (
        f"{row['server']:12} {row['kind']:5} {row['clients']:4} clients {row['requests_per_second']:7.0f}/s "
        f"({row['low']:.0f}–{row['high']:.0f})  p50 {p50:>7} ms  p99 {p99:>7} ms  {row['megabytes']:.0f} MB  "
        f"{row['statuses']}"
    )


def overload(port: int, pid: int, given: argparse.Namespace) -> dict[str, Any]:
    """Twice the capacity, in pieces of ten seconds, with the memory after each."""
    request = request_of(f"127.0.0.1:{port}", "/predict", picture_of(given.side, "PNG"), "PNG")
    asyncio.run(crowd(port, request, 8, 2))

    def capacity() -> float:
        found = asyncio.run(crowd(port, request, 64, given.seconds))
        return len(found.answered) / found.seconds

    carried = max(capacity() for _ in range(given.rounds))  # what else the machine does only takes from it
    print(f"capacity {carried:.0f}/s with 64 clients; {2 * carried:.0f}/s for {given.overload:g} s")
    seen, memory, pieces, unsent = Seen(), [], [], 0
    left = given.overload
    while left > 0:
        piece, lost = asyncio.run(stream(port, request, 2 * carried, min(10, left)))
        left, unsent = left - 10, unsent + lost
        seen.answered += piece.answered
        seen.refused += piece.refused
        seen.statuses += piece.statuses
        seen.seconds += piece.seconds
        memory.append(megabytes(pid))
        pieces.append(figures(piece))
        print(f"{pieces[-1]}, {memory[-1]:.0f} MB", flush=True)
    after = capacity()
    whole = {
        "capacity": carried,
        "capacity_after": after,
        "rate": 2 * carried,
        "unsent": unsent,
        "megabytes": memory,
    }
    share = sum(each <= 0.05 for each in seen.refused) / max(1, len(seen.refused))
    found = {**whole, **figures(seen), "refused_p50_ms": percentile(seen.refused, 0.5)}
    found |= {"refused_within_50_ms": share, "pieces": pieces}
    print(json.dumps({name: value for name, value in found.items() if name != "pieces"}, indent=2))
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--side", type=int, default=28, help="pixels of the pictures sent")
    parser.add_argument("--kinds", default="PNG,JPEG")
    parser.add_argument("--clients", default="1,8,64,256")
    parser.add_argument("--queue", type=int, default=1024, help="pictures that may wait")
    parser.add_argument("--deadline", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--engine", default="convnets", help="of `convnets serve`; several, by commas, take turns"
    )
    parser.add_argument("--threads", type=int, help="of each server's network; by default all cores")
    parser.add_argument("--litserve", type=Path, metavar="FOLDER")
    parser.add_argument("--overload", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    threads = ["--threads", str(given.threads)] if given.threads else []
    limits = ["--queue", str(given.queue), "--deadline", str(given.deadline), "--log", "none", *threads]
    with contextlib.ExitStack() as stack:
        ports: dict[str, tuple[int, int]] = {}
        for engine in given.engine.split(","):
            port = free_port()
            own = [sys.executable, "-m", "convnets", "serve", given.run, "--port", str(port), *limits]
            pid = stack.enter_context(server([*own, "--engine", engine], port, "/health/ready"))
            ports[engine] = port, pid
            (facts,) = httpx.get(f"http://127.0.0.1:{port}/models").json()["models"]
            print(f"--engine {engine}: {facts['engine']}")
        if given.overload:
            found: Any = overload(*next(iter(ports.values())), given)
        else:
            if given.litserve is not None:
                port, folders = (
                    free_port(),
                    [str(given.litserve), *filter(None, [os.environ.get("PYTHONPATH")])],
                )
                environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
                command = [sys.executable, str(HERE / "serve_litserve.py"), given.run, "--port", str(port)]
                command += threads
                ports["litserve"] = port, stack.enter_context(server(command, port, "/health", environment))
            found = load(ports, given)
    print(f"load of the machine {os.getloadavg()[0]:.1f} at the end")
    if given.json is not None:
        content = {"given": vars(given), "load": os.getloadavg(), "found": found}
        given.json.write_text(json.dumps(content, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
