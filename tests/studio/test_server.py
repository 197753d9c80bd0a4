"""The studio as a person starts it: its address, a port in use, a folder that is none, Ctrl-C, a notebook's frame."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import convnets


def _begun(warm_python: Any, folder: Path, *options: str) -> tuple[Any, str]:
    words = ["-m", "convnets", "studio", str(folder), "--no-open", *options]
    process = warm_python.start(*words, stderr=subprocess.PIPE)
    line = process.stderr.readline()
    found = re.search(r"http://\S+", line)
    assert found is not None, line + process.stderr.read()
    return process, found[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_it_says_where_it_is_and_ctrl_c_ends_it_with_its_runs_saved(tmp_path: Path, warm_python: Any) -> None:
    process, address = _begun(warm_python, tmp_path, "--port", str(_free_port()))
    token = address.partition("token=")[2]
    assert len(token) >= 20
    base = address.partition("/?")[0]
    for _ in range(200):  # it says its address before it listens
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2])), 1),
        ):
            break
        time.sleep(0.05)
    request = urllib.request.Request(
        f"{base}/api/train",
        data=b'{"name": "kept", "network": "softmax", "data": "digits",'
        b' "options": {"epochs": 900, "device": "cpu", "precision": "fp32"}}',
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    for _ in range(400):
        if (tmp_path / "kept" / "model" / "config.json").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (0, 130)
    process.stderr.close()
    assert convnets.Run(tmp_path / "kept").status == "interrupted"


def test_a_port_in_use_and_a_folder_that_is_none(tmp_path: Path, warm_python: Any) -> None:
    def ended(*words: str) -> str:
        done = warm_python.run("-m", "convnets", "studio", *words, "--no-open")
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        return str(done.stderr)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "choose another --port" in ended(str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert "is no folder" in ended(str(tmp_path / "nowhere"))


def test_one_run_alone(studio: Callable[..., TestClient], digits_runs: Path) -> None:
    with studio(digits_runs / "digits-1") as client:
        assert [row["name"] for row in client.get("/api/runs").json()["runs"]] == ["digits-1"]


def test_a_run_that_is_being_written_is_looked_at(
    studio: Callable[..., TestClient], digits_runs: Path, tmp_path: Path
) -> None:
    import shutil

    from convnets.core.storage.file_lock import locked

    shutil.copytree(digits_runs / "digits-0", tmp_path / "growing")
    run = convnets.Run(tmp_path / "growing")
    with studio(tmp_path) as client, locked(tmp_path / "growing" / ".running"):
        assert client.get("/api/runs").json()["runs"][0]["status"] == "running"
        with run.events_file.open("a") as file:
            file.write('{"event": "StepEnded", "epoch": 3, "step": 1')  # half a line
        assert client.get("/api/runs/growing").status_code == 200
        shutil.rmtree(tmp_path / "growing" / "model")
        answer = client.get("/api/network/graph", params={"run": "growing"})
        assert answer.status_code in (422, 500)
        assert "no model yet" in answer.json()["error"]


def test_data_that_are_gone_are_told(
    studio: Callable[..., TestClient], digits_runs: Path, tmp_path: Path
) -> None:
    import json
    import shutil

    shutil.copytree(digits_runs / "digits-0", tmp_path / "moved")
    config = json.loads((tmp_path / "moved" / "config.json").read_text())
    config["data"].update(name=str(tmp_path / "gone"), source=str(tmp_path / "gone"))
    (tmp_path / "moved" / "config.json").write_text(json.dumps(config))
    with studio(tmp_path) as client:
        assert client.get("/api/runs").json()["runs"][0]["status"] == "finished"
        assert client.get("/api/network/graph", params={"run": "moved"}).status_code == 200
        answer = client.get("/api/data", params={"run": "moved"})
        assert answer.status_code in (422, 500)
        assert "gone" in answer.json()["error"]


def test_events_of_a_growing_run_are_read_from_where_one_stopped(tmp_path: Path, digits_runs: Path) -> None:
    import shutil

    from convnets.studio.run_facts import read_events

    shutil.copytree(digits_runs / "digits-0", tmp_path / "run")
    run = convnets.Run(tmp_path / "run")
    events, end = read_events(run)
    assert events[-1]["event"] == "RunEnded"
    assert read_events(run, end) == ([], end)
    with run.events_file.open("a") as file:
        file.write('{"event": "Notice", "message": "x"}\n{"event": "half')
    more, later = read_events(run, end)
    assert more == [{"event": "Notice", "message": "x"}]
    assert later < run.events_file.stat().st_size
    run.events_file.write_text('{"event": "Notice", "message": "anew"}\n')
    assert read_events(run, later)[0][0]["message"] == "anew"


def test_a_frame_of_a_notebook(digits_runs: Path) -> None:
    frame = convnets.Run(digits_runs / "digits-0").studio(height=500)
    text = frame._repr_html_()
    assert 'height="500"' in text
    assert "run=digits-0" in frame.address
    request = urllib.request.Request(
        frame.address.partition("?")[0],
        headers={"Authorization": "Bearer " + frame.address.split("token=")[1].split("&")[0]},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert "frame-ancestors http://localhost:*" in answer.headers["Content-Security-Policy"]
    with pytest.raises(convnets.errors.UsageError, match="allowed: 200"):
        convnets.Run(digits_runs / "digits-0").studio(height=1)
