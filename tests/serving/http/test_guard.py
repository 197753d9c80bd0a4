"""The guard, asked in process: who may ask and how much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import pytest

from convnets.serving.http.guard import Access, Guard

TOKEN = "a long secret"


async def _read_all(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """Answers with the number of bytes that came."""
    count, more = 0, True
    while more:
        message = await receive()
        count, more = count + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(count).encode()})


def _ask(
    access: Access, method: str = "GET", url: str = "http://localhost/x", seconds: float = 5.0, **request: Any
) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(_read_all, access, 100, seconds))
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(method, url, **request)

    return asyncio.run(asked())


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000", "LOCALHOST"])
def test_local_hosts_are_served(host: str) -> None:
    assert _ask(Access(), headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "127.0.0.2"]
)
def test_other_hosts_are_refused(host: str) -> None:
    answer = _ask(Access(), headers={"host": host})
    assert answer.status_code == 403
    assert "--allow-host" in answer.json()["error"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9"])
def test_pages_of_other_sites_are_refused(origin: str) -> None:
    assert _ask(Access(), "POST", headers={"origin": origin}).status_code == 403


def test_own_pages_and_allowed_origins_may_ask() -> None:
    assert _ask(Access(), "POST", headers={"origin": "http://localhost"}).status_code == 200
    allowed = Access(origins=("https://a.example",))
    answer = _ask(allowed, "POST", headers={"origin": "https://a.example"})
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in _ask(allowed).headers


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer a long secre"])
def test_without_the_token_nothing_is_answered(value: str) -> None:
    assert _ask(Access(token=TOKEN), headers={"authorization": value}).status_code == 401


def test_the_token_comes_in_a_header_or_becomes_a_cookie() -> None:
    access = Access(token=TOKEN.replace(" ", "-"))
    assert _ask(access, headers={"authorization": f"Bearer {access.token}"}).status_code == 200
    first = _ask(access, url=f"http://localhost/x?token={access.token}")
    assert (first.status_code, first.headers["location"]) == (303, "/x")
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=Strict" in first.headers["set-cookie"]
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert _ask(access, headers={"cookie": cookie}).status_code == 200


def test_probes_need_no_token_and_are_given_none() -> None:
    for url in ("http://localhost/health/live", "http://localhost/health/live?token=wrong"):
        answer = _ask(Access(token=TOKEN), url=url)
        assert answer.status_code == 200
        assert TOKEN not in str(answer.headers)


def test_the_way_on_from_the_token_stays_on_this_server() -> None:
    access = Access(token="secret")
    assert (
        _ask(access, url="http://localhost//evil.example?token=secret").headers["location"] == "/evil.example"
    )


def test_answers_carry_a_content_security_policy() -> None:
    for answer in (_ask(Access()), _ask(Access(), headers={"host": "evil.example"})):
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_a_body_is_bounded_also_without_a_length() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"0123456789"

    assert _ask(Access(), "POST", content=b"x" * 100).text == "100"
    assert _ask(Access(), "POST", content=b"x" * 101).status_code == 413
    assert _ask(Access(), "POST", content=pieces()).status_code == 413


def test_a_body_that_never_ends_is_refused() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"0"
        await asyncio.Event().wait()

    assert _ask(Access(), "POST", content=slow(), seconds=0.05).status_code == 408
