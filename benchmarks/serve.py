"""How fast a server answers, with one client and with many side by side.

Usage: python benchmarks/serve.py RUN [--side 28] [--clients 1,8,64] [--queue 1024] [--seconds 5] [--json FILE]

More clients than `--queue` pictures may wait show what a full server does: the statuses count its refusals.

Starts `convnets serve RUN` in a process of its own. Each client sends one picture after the other over a connection
that stays open. Clients and server share the machine's cores, so figures are those of both together.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image


def picture_of(side: int, kind: str) -> bytes:
    """A noisy picture file."""
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)).save(
        content, kind
    )
    return content.getvalue()


async def load(url: str, picture: bytes, clients: int, seconds: float, query: str = "") -> dict[str, object]:
    """Requests a second, the median and the 99th percentile of the answered ones, and all statuses."""
    times: list[float] = []
    statuses: Counter[int] = Counter()
    refused: list[float] = []
    end = time.monotonic() + seconds

    async def one(client: httpx.AsyncClient) -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            headers = {"Content-Type": "image/png"}
            answer = await client.post(url + "/predict" + query, content=picture, headers=headers)
            took = time.monotonic() - began
            statuses[answer.status_code] += 1
            (times if answer.status_code == 200 else refused).append(took)

    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        await asyncio.gather(*(one(client) for _ in range(clients)))
    ranked = sorted(times)
    return {
        "clients": clients,
        "requests_per_second": len(times) / seconds,
        "p50_ms": 1e3 * statistics.median(ranked),
        "p99_ms": 1e3 * ranked[int(0.99 * (len(ranked) - 1))],
        "refused_p99_ms": 1e3 * sorted(refused)[int(0.99 * (len(refused) - 1))] if refused else None,
        "statuses": dict(statuses),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--side", type=int, default=28, help="pixels of the pictures sent")
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--queue", type=int, default=1024, help="pictures that may wait")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "convnets", "serve", given.run, "--port", str(port), "--log", "none"]
    server = subprocess.Popen([*command, "--queue", str(given.queue)], stderr=subprocess.PIPE, text=True)
    url, found = f"http://localhost:{port}", []
    try:
        assert server.stderr is not None
        print(server.stderr.readline().strip())
        while True:
            try:
                httpx.get(url + "/health/ready")
                break
            except httpx.ConnectError:
                assert server.poll() is None
        for kind in ("PNG", "JPEG"):
            picture = picture_of(given.side, kind)
            asyncio.run(load(url, picture, 4, 1))  # warm
            for clients in map(int, given.clients.split(",")):
                row = {"kind": kind, **asyncio.run(load(url, picture, clients, given.seconds))}
                row["megabytes"] = psutil.Process(server.pid).memory_info().rss / 1e6
                found.append(row)
                print(
                    f"{kind:5} {clients:4} clients {row['requests_per_second']:8.0f}/s  p50 {row['p50_ms']:7.1f} ms  "
                    f"p99 {row['p99_ms']:7.1f} ms  {row['megabytes']:.0f} MB  {row['statuses']}"
                )
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
