"""Guard: who may ask, and how much: host, origin, token and size are checked before any route sees a request.

A page of another site must not reach a server on this machine: not by a name that it makes point here (DNS
rebinding; the Host header is checked), and not by posting forms (Origin is checked).
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from convnets.serving.http.refusal import Refusal

__all__ = ["Access", "App", "Guard", "Message", "Receive", "Send", "send_answer"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

COOKIE = "convnets-token"
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; frame-ancestors {}; "
    "base-uri 'none'; form-action 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Access:
    """Who may ask."""

    hosts: tuple[str, ...] = _LOCAL
    """Names that the server answers to, without ports; `*` for any."""
    token: str | None = None
    """Without it nothing but /health is answered; None where none is needed."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may ask, such as https://example.org (CORS); none by default."""
    open_paths: tuple[str, ...] = ("/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready")
    """Paths that need no token: probes have none."""
    frames: tuple[str, ...] = ()
    """Sites whose pages may show this one in a frame, such as http://localhost:*; none by default."""


class Guard:
    """ASGI middleware.

    Args:
        app: what answers.
        access: who may ask.
        body_bytes: of one request, 413 beyond; counted as it arrives, whatever Content-Length says.
        body_seconds: within which it has to arrive, 408 beyond.
    """

    def __init__(self, app: App, access: Access, body_bytes: int, body_seconds: float) -> None:
        self.app, self.access = app, access
        self.body_bytes, self.body_seconds = body_bytes, body_seconds

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One connection; there are no routes for web sockets, which know no such checks."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        extra = {
            "Content-Security-Policy": _POLICY.format(" ".join(self.access.frames) or "'none'"),
            **_HEADERS,
        }
        try:
            origin = self._check(scope, headers)
            if origin is not None:
                extra |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
                extra["Cross-Origin-Resource-Policy"] = "cross-origin"
                if scope["method"] == "OPTIONS":
                    allowed = {"Access-Control-Allow-Headers": "authorization, content-type"}
                    await send_answer(
                        send, 204, b"", {**extra, **allowed, "Access-Control-Allow-Methods": "GET, POST"}
                    )
                    return
            if given := self._token_in_url(scope, headers):
                await send_answer(
                    send, 303, b"", {**extra, "Location": _without_token(scope), "Set-Cookie": given}
                )
                return
            body = _Body(receive, self.body_bytes, self.body_seconds)
            await self.app(scope, body.receive, _with_headers(send, extra))
        except Refusal as refusal:
            content = json.dumps(refusal.body()).encode()
            await send_answer(
                send, refusal.status, content, {**extra, **refusal.headers, "Connection": "close"}
            )

    def _check(self, scope: MutableMapping[str, Any], headers: dict[str, str]) -> str | None:
        """Raise Refusal 403 or 401 for who may not ask; returns the other site that asks, if one does."""
        access = self.access
        host = headers.get("host", "")
        name = host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() else host
        if "*" not in access.hosts and name.lower() not in access.hosts:
            raise Refusal(
                403,
                f"host {name[:80]!r} is not served; allowed: {', '.join(access.hosts)} (see --allow-host)",
            )
        origin = headers.get("origin")
        other = origin if origin is not None and urlsplit(origin).netloc != host else None
        if other is not None and other not in access.origins:
            raise Refusal(403, f"origin {other[:80]!r} may not ask; allow it with --allow-origin")
        if access.token is None or scope["path"] in access.open_paths or scope["method"] == "OPTIONS":
            return other
        if not any(_same(each, access.token) for each in _tokens(scope, headers)):
            raise Refusal(
                401,
                "no token, or a wrong one; send the header Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
        return other

    def _token_in_url(self, scope: MutableMapping[str, Any], headers: dict[str, str]) -> str | None:
        """The cookie to set for a browser that came with the token in its URL, from which it then goes."""
        token = self.access.token
        if token is None or scope["method"] != "GET" or not any(_same(each, token) for each in _query(scope)):
            return None  # on open paths too: whoever has no token must not be given it
        return f"{_cookie(headers)}={token}; HttpOnly; SameSite=Strict; Path=/"


def _cookie(headers: dict[str, str]) -> str:
    """Its name, with the port: browsers send cookies to every port of a host."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}-{port}" if port.isdigit() else COOKIE


def _without_token(scope: MutableMapping[str, Any]) -> str:
    """Where a browser goes that came with the token: the same place, without it."""
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    return f"/{scope['path'].lstrip('/')}" + (f"?{rest}" if rest else "")


def _tokens(scope: MutableMapping[str, Any], headers: dict[str, str]) -> Iterable[str]:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield value.strip()
    yield from _query(scope)
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return
    if (name := _cookie(headers)) in cookies:
        yield str(cookies[name].value)


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def _query(scope: MutableMapping[str, Any]) -> list[str]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [])


class _Body:
    """`receive` that counts bytes and seconds until the body is whole."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive, self._most, self._seconds = receive, most, seconds
        self._until: float | None = None
        self._came, self._whole = 0, False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        loop = asyncio.get_running_loop()
        if self._until is None:
            self._until = loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(
                408, f"the request did not arrive within {self._seconds:g} seconds; send it faster"
            ) from None
        if message["type"] == "http.request":
            self._came += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._came > self._most:
                raise Refusal(413, f"the request has more than {self._most:,} bytes; send less at once")
        return message


def _with_headers(send: Send, extra: dict[str, str]) -> Send:
    added = [(name.lower().encode(), value.encode("latin-1")) for name, value in extra.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message.get("headers", [])}
            message = {
                **message,
                "headers": [*message.get("headers", []), *(p for p in added if p[0] not in own)],
            }
        await send(message)

    return sending


async def send_answer(send: Send, status: int, content: bytes, headers: dict[str, str]) -> None:
    """A whole answer in JSON."""
    found = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in found.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
