"""What cannot be answered is refused in one line, and nothing that a client sends ends the server."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from convnets.serving.http.app import create_app
from convnets.serving.http.batcher import Batcher
from convnets.serving.http.guard import COOKIE, Access
from convnets.serving.http.limits import Limits
from convnets.serving.http.pictures.bodies import FORMS
from convnets.serving.http.refusal import Refusal
from convnets.serving.http.service import Service
from convnets.serving.http.telemetry import RequestLog

from .conftest import make_service, served

PNG = {"content-type": "image/png"}


def npy(array: np.ndarray[Any, Any], *, allow_pickle: bool = False) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=allow_pickle)
    return content.getvalue()


def png_of(side: int) -> bytes:
    """A file of some bytes that claims side × side pixels."""
    content = io.BytesIO()
    Image.new("L", (1, 1)).save(content, "PNG")
    data = bytearray(content.getvalue())
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "body", "status", "line"),
    [
        ("image/png", b"", 422, "not a picture"),
        ("image/png", b"<html>", 422, "web page"),
        ("image/png", png_of(60_000), 422, "pixels"),
        ("application/json", b"{", 422, "no JSON"),
        ("application/json", b"[" * 100_000, 422, "no JSON"),
        ("application/json", b'{"pictures": [3]}', 422, "no list of texts named pictures"),
        ("application/json", b'{"pictures": []}', 422, "no pictures"),
        ("application/json", b'{"pictures": ["?"]}', 422, "no base64"),
        ("application/x-npy", b"no", 422, "no array"),
        ("application/x-npy", npy(np.array([{}]), allow_pickle=True), 422, "no array"),
        ("application/x-npy", npy(np.full((1, 8, 8, 1), np.nan, np.float32)), 422, "NaN"),
        ("application/x-npy", npy(np.zeros((2, 3, 4, 5, 6), np.uint8)), 422, "shape (2, 3, 4, 5, 6)"),
        ("application/x-npy", npy(np.zeros((8, 8), np.int32)), 422, "int32"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 422, "no pictures"),
        ("multipart/form-data", b"--x", 422, "form"),
        ("text/plain", b"x", 415, "content type 'text/plain'"),
        ("", b"x", 415, "allowed: multipart/form-data"),
    ],
    ids=range(17),
)
def test_bodies_that_hold_no_pictures(
    client: TestClient, kind: str, body: bytes, status: int, line: str
) -> None:
    answer = client.post("/predict", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert line in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    from convnets.checkpoints.model_folder import save_model

    from .conftest import trained

    folder = save_model(tmp_path_factory.mktemp("m") / "run" / "model", trained()).parent
    with served(make_service(folder, body_bytes=50_000)) as found:
        yield found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(["/predict", "/embed", "/explain", "/v2/models/run/infer"]),
    kind=st.sampled_from([*FORMS, "multipart/form-data; boundary=x", "image/png", "a/b"]),
    body=st.binary(max_size=300)
    | st.builds(
        json.dumps,
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["pictures", "inputs", "data", "shape", "datatype"]), inner, max_size=4
                )
            ),
            max_leaves=8,
        ),
    ).map(str.encode),
)
def test_no_body_is_a_fault_of_the_server(asked: TestClient, path: str, kind: str, body: bytes) -> None:
    answer = asked.post(path, content=body, headers={"content-type": kind})
    assert answer.status_code in (413, 415, 422), answer.text
    assert set(answer.json()) == {"error"}


def test_too_much_is_refused_as_it_arrives(asked: TestClient, pictures: list[bytes]) -> None:
    whole = asked.post("/predict", content=b"x" * 60_000, headers=PNG)
    assert (whole.status_code, "50,000 bytes" in whole.text) == (413, True)
    drips = asked.post(
        "/predict", content=(b"x" * 1000 for _ in range(100)), headers=PNG
    )  # no length is declared
    assert drips.status_code == 413
    assert asked.post("/predict", content=pictures[0], headers=PNG).status_code == 200


def test_too_many_pictures_and_wrong_options(folder: Path, pictures: list[bytes]) -> None:
    with served(make_service(folder, pictures=2)) as client:
        files = [("x", (f"{n}.png", pictures[0])) for n in range(3)]
        assert client.post("/predict", files=files).status_code in (413, 422)
        one = {"content": pictures[0], "headers": PNG}
        for query in ("top=0", "top=x", "deadline=0", "deadline=-1", "deadline=x"):
            assert client.post(f"/predict?{query}", **one).status_code == 422  # type: ignore[arg-type]
        assert "served: run" in client.post("/predict?model=other", **one).json()["error"]  # type: ignore[arg-type]


def stopped(service: Service) -> threading.Event:
    """The network's thread stands still until the event is set."""
    go = threading.Event()
    service._compute.submit(go.wait)
    return go


def test_a_full_server_refuses_before_it_reads(folder: Path) -> None:
    """A body that never comes would keep the answer waiting. Probes and guests without a token are no concern of it."""
    service = make_service(folder, queue_pictures=3)
    service.batcher.pictures = 3
    app = create_app(service, Access(hosts=("testserver",), token="secret"))

    async def status(method: str, path: str, *headers: tuple[bytes, bytes]) -> tuple[int, dict[str, Any]]:
        sent: list[Any] = []

        async def receive() -> Any:
            raise AssertionError("it read")

        async def send(message: Any) -> None:
            sent.append(message)

        given = {"query_string": b"", "client": ("1.2.3.4", 5), "raw_path": path.encode(), "root_path": ""}
        scope = {"type": "http", "method": method, "path": path, "scheme": "http", **given}
        await app({**scope, "headers": [(b"host", b"testserver"), *headers]}, receive, send)
        named = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], {**named, "body": sent[1]["body"]}

    token = (b"authorization", b"Bearer secret")
    found, answer = asyncio.run(status("POST", "/predict", token, (b"x-request-id", b"mine")))
    assert (found, answer["retry-after"], answer["x-request-id"]) == (503, "1", "mine")
    assert json.loads(answer["body"]) == {
        "error": "3 examples wait already; allowed: 3; try again in a second"
    }
    assert "connection" not in answer  # the client asks again over the same one
    assert asyncio.run(status("POST", "/predict"))[0] == 401
    assert asyncio.run(status("GET", "/health/live"))[0] == 200
    assert 'convnets_requests_total{path="/predict",status="503"} 1.0' in service.telemetry.text().decode()


def test_a_full_server_a_greedy_client_and_a_deadline(folder: Path, pictures: list[bytes]) -> None:
    service = make_service(folder, queue_pictures=3, client_pictures=3)
    go = stopped(service)
    with served(service) as client:
        one = {"content": pictures[0], "headers": PNG}
        waiting = [threading.Thread(target=client.post, args=("/predict",), kwargs=one) for _ in range(3)]
        for each in waiting:
            each.start()
        until(lambda: service.batcher.pictures == 3)
        full = client.post("/predict", **one)  # type: ignore[arg-type]
        assert (full.status_code, full.headers["retry-after"]) == (429, "1")
        service.batcher._clients.clear()
        full = client.post("/predict", **one)  # type: ignore[arg-type]
        assert (full.status_code, full.headers["retry-after"]) == (503, "1")
        service.batcher.draining = True
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health/live").status_code == 200
        assert "shutting down" in client.post("/predict", **one).text  # type: ignore[arg-type]
        service.batcher.draining = False
        go.set()
        for each in waiting:
            each.join()
        until(lambda: service.batcher.pictures == 0)
        assert service.batcher.bytes == 0


def test_what_is_late_is_not_computed(folder: Path, pictures: list[bytes]) -> None:
    service = make_service(folder)
    go = stopped(service)
    with served(service) as client:
        first = threading.Thread(
            target=client.post, args=("/predict",), kwargs={"content": pictures[0], "headers": PNG}
        )
        first.start()
        until(lambda: service.batcher.pictures == 1 and service._compute._work_queue.qsize() == 1)
        found: list[Any] = []
        late = threading.Thread(
            target=lambda: found.append(
                client.post("/predict?deadline=0.01", content=pictures[1], headers=PNG)
            )
        )
        late.start()
        until(
            lambda: bool(service.batcher._waiting) and time.monotonic() > service.batcher._waiting[0].deadline
        )
        go.set()
        late.join()
        first.join()
        assert found[0].status_code == 504
        assert "convnets_batch_pictures_sum 1.0" in client.get("/metrics").text


def until(holds: Any) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_who_has_gone_is_not_computed_for() -> None:
    computed: list[int] = []

    def compute(_: str, pictures: list[torch.Tensor]) -> torch.Tensor:
        computed.append(len(pictures))
        return torch.zeros(len(pictures), 2)

    async def scenario() -> None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as worker:
            batcher = Batcher[str](compute, Limits(), worker)
            end = time.monotonic() + 60
            gone = asyncio.create_task(batcher.submit("m", [torch.zeros(1)] * 3, end))
            stays = asyncio.create_task(batcher.submit("m", [torch.zeros(1)] * 2, end))
            other = asyncio.create_task(batcher.submit("n", [torch.zeros(1)], end))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            run = asyncio.create_task(batcher.run())
            assert (await stays).shape == (2, 2)
            assert (await other).shape == (1, 2)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    asyncio.run(scenario())
    assert computed == [2, 1]  # two models are two batches


def test_a_request_larger_than_a_batch_goes_through_in_parts() -> None:
    computed: list[int] = []

    def compute(_: str, pictures: list[torch.Tensor]) -> torch.Tensor:
        computed.append(len(pictures))
        return torch.stack(pictures)

    async def scenario() -> torch.Tensor:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as worker:
            batcher = Batcher[str](compute, Limits(batch=4), worker)
            run = asyncio.create_task(batcher.run())
            pictures = [torch.full((1,), float(place)) for place in range(10)]
            rows = await batcher.submit("m", pictures, time.monotonic() + 60)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        return rows

    assert asyncio.run(scenario()).flatten().tolist() == list(range(10))
    assert computed == [4, 4, 2]


def test_a_failing_network_fails_its_batch_alone() -> None:
    def compute(model: str, pictures: list[torch.Tensor]) -> torch.Tensor:
        if model == "broken":
            raise RuntimeError("no\nmemory")
        return torch.zeros(len(pictures), 2)

    async def scenario() -> None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as worker:
            batcher = Batcher[str](compute, Limits(), worker)
            run = asyncio.create_task(batcher.run())
            end = time.monotonic() + 60
            with pytest.raises(Refusal, match="the network failed: no memory") as refused:
                await batcher.submit("broken", [torch.zeros(1)], end)
            assert refused.value.status == 500
            assert (await batcher.submit("whole", [torch.zeros(1)], end)).shape == (1, 2)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    asyncio.run(scenario())


def test_hosts_origins_and_tokens(service: Service) -> None:
    access = Access(hosts=("testserver",), token="secret", origins=("https://good.example",))
    with served(service, access) as client:
        assert client.get("/health/ready").status_code == 200  # probes have no token
        refused = client.get("/models")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get("/models", headers={"authorization": "Bearer wrong"}).status_code == 401
        bearer = {"authorization": "Bearer secret"}
        assert client.get("/models", headers=bearer).status_code == 200
        assert client.get("/models", headers={**bearer, "host": "evil.example"}).status_code == 403
        assert client.get("/models", headers={**bearer, "origin": "https://evil.example"}).status_code == 403
        good = client.get("/models", headers={**bearer, "origin": "https://good.example"})
        assert good.headers["access-control-allow-origin"] == "https://good.example"
        assert client.options("/predict", headers={"origin": "https://good.example"}).status_code == 204
        assert client.options("/predict", headers={"origin": "https://evil.example"}).status_code == 403
        first = client.get("/?token=secret", follow_redirects=False)
        assert (first.status_code, first.headers["location"]) == (303, "/")
        assert first.headers["set-cookie"] == f"{COOKIE}=secret; HttpOnly; SameSite=Strict; Path=/"
        assert client.get("/").status_code == 200  # by the cookie


def test_the_page_and_its_policy(client: TestClient) -> None:
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for text in (
        page.text,
        client.get("/page/page.js").text,
        client.get("/page/page.css").text,
        client.get("/docs").text,
    ):
        assert "http://" not in text.replace("http://www.w3.org", "")
        assert "https://" not in text
    assert "<script>" not in page.text
    assert client.get("/page/..%2fapp.py").status_code == 404
    assert client.get("/page/app.py").status_code == 404
    assert {"/predict", "/embed", "/explain", "/v2/models/{name}/infer"} <= set(
        client.get("/openapi.json").json()["paths"]
    )


def test_requests_have_ids_and_lines_and_a_full_disk_loses_lines_alone(
    folder: Path, pictures: list[bytes]
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    service, lines = make_service(folder), io.StringIO()
    service.log = RequestLog(lines)
    with served(service) as client:
        answer = client.post("/predict", content=pictures[0], headers={**PNG, "x-request-id": "mine-1"})
        assert answer.headers["x-request-id"] == "mine-1"
        line = json.loads(lines.getvalue().splitlines()[-1])
        assert (line["id"], line["path"], line["status"]) == ("mine-1", "/predict", 200)
        odd = client.get("/models", headers={"x-request-id": "a b\n".strip() + "<"})
        assert len(odd.headers["x-request-id"]) == 16
        service.log = RequestLog(Full())
        assert client.get("/models").status_code == 200
        assert service.log.lost == 1
        metrics = client.get("/metrics").text
    assert 'convnets_requests_total{path="/predict",status="200"} 1.0' in metrics
