"""The server as a process: asked by the client, drained by SIGTERM, and what is wrong said in a line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import requests

from convnets.checkpoints.table_model import TableModel
from convnets.core.hardware import choose_hardware
from convnets.errors import ConfigError, DataError, InputError, UsageError
from convnets.models.catalogue import create_model
from convnets.serving.http.client import AsyncClient, Client
from convnets.serving.http.server import Settings, model_names, serve
from convnets.serving.predictor import Predictor
from convnets.serving.table_predictor import TablePredictor
from convnets.tables.load_table import load_table
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.target import Target

from .conftest import CLASSES


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """`convnets serve`, started and ready."""

    def __init__(self, warm_python: Any, *arguments: object, verify: bool | str = True) -> None:
        self.port = free_port()
        words = ["-m", "convnets", "serve", *map(str, arguments), "--port", str(self.port)]
        words += ["--threads", "2", "--precision", "fp32"]
        self.process = warm_python.start(*words, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = f"http{'s' * (verify is not True)}://localhost:{self.port}"
        assert "Ctrl-C ends it" in self.process.stderr.readline()
        end = time.monotonic() + 180
        while time.monotonic() < end:
            try:
                if requests.get(self.url + "/health/ready", timeout=5, verify=verify).ok:
                    return
            except requests.ConnectionError:
                if self.process.poll() is not None:
                    raise AssertionError(self.process.communicate()) from None
                time.sleep(0.05)
        raise AssertionError("not ready within three minutes")

    def end(self, how: int) -> int:
        self.process.send_signal(how)
        self.process.communicate(timeout=60)
        return int(self.process.returncode)


def patients() -> TableModel:
    """Of the columns age and sex."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": rng.integers(20, 80, 30), "sex": ["a", "b"] * 15, "risk": rng.normal(size=30)}
    )
    table = load_table(frame, "risk")
    encoder = TableEncoder.fit(table)
    network = create_model("mlp", in_channels=encoder.shape[0], num_classes=1, input_size=1, seed=0)
    return TableModel(network.eval(), encoder, Target.fit(table))


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, warm_python: Any) -> Iterator[Process]:
    from convnets.checkpoints.model_folder import save_model

    from .conftest import trained

    root = tmp_path_factory.mktemp("served")
    for name, seed in (("one", 0), ("two", 1)):
        save_model(root / name / "model", trained(seed))
    save_model(root / "patients" / "model", patients())
    made = Process(
        warm_python,
        root / "one",
        root / "two",
        root / "patients",
        "--token",
        "secret",
        "--log",
        root / "log.jsonl",
    )
    made.root = root  # type: ignore[attr-defined]
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


def test_the_client_speaks_of_names_and_vectors(
    process: Process, pictures: list[bytes], tmp_path: Path
) -> None:
    client = Client(process.url, token="secret", model="two")
    (tmp_path / "a.png").write_bytes(pictures[0])
    found = client.predict([tmp_path / "a.png", pictures[1]], top=3)
    alone = Predictor.load(process.root / "two", hardware=choose_hardware("cpu", "fp32", 2)).predict(
        pictures[:2]
    )  # type: ignore[attr-defined]
    assert [each.label for each in found] == [each.label for each in alone]
    assert found[0].name == "a.png"
    assert len(found[0].top) == 3
    assert client.embed(pictures[0]).shape == (1, 84)
    assert client.explain(pictures[0], target=CLASSES[2])[0]["target_name"] == CLASSES[2]
    assert [each["name"] for each in client.models()] == ["one", "two", "patients"]

    async def many() -> list[str | None]:
        answers = AsyncClient(process.url, token="secret")
        found = await asyncio.gather(*(answers.predict(each) for each in pictures[:6]))
        assert (await answers.embed(pictures[0])).shape == (1, 84)
        return [each[0].label for each in found]

    assert len(asyncio.run(many())) == 6
    with pytest.raises(InputError, match="401: no token"):
        Client(process.url).predict(pictures[0])
    with pytest.raises(InputError, match="422: picture 0: not a picture"):
        client.predict(b"x")
    with pytest.raises(InputError, match=r"nothing\.png cannot be read"):
        client.predict("nothing.png")
    with pytest.raises(DataError, match="is the server running"):
        Client(f"http://localhost:{free_port()}").predict(pictures[0])
    lines = [json.loads(line) for line in (process.root / "log.jsonl").read_text().splitlines()]  # type: ignore[attr-defined]
    assert {"/predict", "/embed", "/explain"} <= {line["path"] for line in lines}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs the program curl")
def test_the_lines_of_the_guide_are_answered(
    process: Process, pictures: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "how-to" / "serve.md").read_text("utf-8")
    for name in ("picture.png", "other.png"):
        (tmp_path / name).write_bytes(pictures[0])
    (tmp_path / "new.csv").write_text("sex,age\nb,59\na,30\n")
    lines = [line[2:] for line in guide.splitlines() if line.startswith("$ curl")]
    assert len(lines) == 7
    for line in lines:
        there = line.replace("http://localhost:8000", process.url)
        command = [*shlex.split(there), "-s", "-H", "Authorization: Bearer secret"]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert "error" not in json.loads(found), line
    python, rows = re.findall(r"```python[^\n]*\n(.*?)```", guide, flags=re.DOTALL)
    code = python.replace('"http://localhost:8000"', f'"{process.url}", token="secret"').replace(
        "pic", f"{tmp_path}/pic"
    )
    names: dict[str, object] = {}
    exec(code.replace("other", f"{tmp_path}/other"), names)
    assert names["vectors"].shape == (1, 84)  # type: ignore[attr-defined]
    monkeypatch.chdir(tmp_path)
    exec(rows.replace('"http://localhost:8000"', f'"{process.url}", token="secret"'), {})


def test_the_client_sends_rows(process: Process, tmp_path: Path) -> None:
    client = Client(process.url, token="secret", model="patients")
    frame = pd.DataFrame({"sex": ["b", None], "age": [59, 30]})
    frame.to_csv(tmp_path / "new.csv", index=False)
    expected = TablePredictor(patients(), "patients").predict(frame.assign(age=frame.age.astype(float)))
    rows = [{"age": 59, "sex": "b"}, {"age": 30.0, "sex": None, "more": "x"}]
    for given in (rows, frame, frame.astype({"sex": "string"}), tmp_path / "new.csv"):
        found = client.predict_rows(given)
        assert [each.row for each in found] == [1, 2]
        assert [each.values["risk"] for each in found] == pytest.approx(
            [each.values["risk"] for each in expected]
        )
    many = asyncio.run(AsyncClient(process.url, token="secret", model="patients").predict_rows(rows))
    assert [each.values for each in many] == [each.values for each in found]
    with pytest.raises(InputError, match="422: row 1, column 'sex': 'c' is no category that was learned"):
        client.predict_rows([{"age": 1, "sex": "c"}])
    assert len(client.predict_rows([{"age": 1, "sex": "c"}], new_categories="other")) == 1
    with pytest.raises(InputError, match="rows hold what JSON has no word for"):
        client.predict_rows([{"age": 1, "sex": object()}])
    with pytest.raises(InputError, match="415"):
        client.predict_series([[1.0, 2.0]])


def test_a_slow_body_does_not_hold_up_the_others(process: Process, pictures: list[bytes]) -> None:
    with socket.create_connection(("localhost", process.port)) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n")
        slow.sendall(b"Content-Type: image/png\r\nContent-Length: 1000\r\n\r\n" + b"x" * 10)
        assert Client(process.url, token="secret").predict(pictures[0])[0].label is not None


def test_sigterm_answers_all_that_was_accepted(process: Process, pictures: list[bytes]) -> None:
    statuses: list[int] = []
    begun = threading.Barrier(9)
    files = [("x", (f"{place}.png", each)) for place, each in enumerate(pictures)]

    def ask() -> None:
        begun.wait()
        for _ in range(20):
            try:
                answer = requests.post(
                    process.url + "/predict",
                    files=files,
                    headers={"Authorization": "Bearer secret"},
                    timeout=60,
                )
            except requests.ConnectionError:  # refused before it was accepted
                return
            statuses.append(answer.status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    begun.wait()
    end = time.monotonic() + 60
    while len(statuses) < 10:
        assert time.monotonic() < end
        time.sleep(0.001)
    process.process.send_signal(signal.SIGTERM)
    process.process.communicate(timeout=60)
    for each in threads:
        each.join()
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 10
    assert process.process.returncode in (0, 143, -signal.SIGTERM)


def test_what_cannot_be_served_is_said_in_a_line(tmp_path: Path, folder: Path, warm_python: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"127.0.0.1:{port} cannot be listened on .*choose another --port"
        ):
            serve(Settings((str(folder),), port=port))
    with pytest.raises(UsageError, match="have one name, run"):
        model_names([folder, tmp_path / "elsewhere" / "run"])

    def line(*arguments: object) -> str:
        ended = warm_python.run("-m", "convnets", "serve", *map(str, arguments))
        assert ended.returncode in (1, 2)
        return str(ended.stderr.splitlines()[-1])

    assert "nothing does not exist" in line(tmp_path / "nothing", "--port", free_port())
    assert "--tls-certificate and --tls-key go together" in line(folder, "--tls-key", "x")


def test_a_worker_that_dies_is_replaced(folder: Path, pictures: list[bytes], warm_python: Any) -> None:
    made = Process(warm_python, folder, "--workers", "2", "--log", "none")
    try:
        client = Client(made.url)
        before = client.predict(pictures[0])[0].label
        children = psutil.Process(made.process.pid).children()
        workers = [each.pid for each in children if "spawn_main" in " ".join(each.cmdline())]
        os.kill(workers[0], signal.SIGKILL)
        for _ in range(50):
            with contextlib.suppress(DataError):  # the connection that died with its worker
                assert client.predict(pictures[0])[0].label == before
        assert "convnets_batch_pictures_count" in requests.get(made.url + "/metrics", timeout=30).text
        assert made.process.poll() is None
    finally:
        assert made.end(signal.SIGINT) in (0, 130)


def test_tls(folder: Path, tmp_path: Path, pictures: list[bytes], warm_python: Any) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    command = ["openssl", *made.split(), "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, capture_output=True, check=True)
    tls = ("--tls-certificate", certificate, "--tls-key", key)
    process = Process(warm_python, folder, *tls, "--log", "none", verify=str(certificate))
    try:
        headers = {"Content-Type": "image/png"}
        url = process.url + "/predict"
        answer = requests.post(url, data=pictures[0], headers=headers, verify=str(certificate), timeout=30)
        assert answer.json()["predictions"][0]["label"] in CLASSES
    finally:
        process.end(signal.SIGINT)
