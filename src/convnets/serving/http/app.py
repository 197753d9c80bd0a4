"""App: the routes behind the guard, with a request id, a line of log and a count for each request."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Collection, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from convnets.core.html.kit import render
from convnets.serving.http.error_answers import answer_errors
from convnets.serving.http.guard import Access, App, Guard, Message, Receive, Send, send_answer
from convnets.serving.http.inference_protocol import make_protocol_routes
from convnets.serving.http.refusal import Refusal
from convnets.serving.http.routes import make_routes
from convnets.serving.http.service import Service

__all__ = ["create_app"]

_ID = re.compile(r"[\w.-]{1,64}")
_DOCS = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>convnets: what can be asked</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/page/page.css">
<link rel="icon" href="data:,"></head>
<body><main><h1>What can be asked</h1><p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
{% for path, calls in paths.items() %}{% for verb, call in calls.items() %}<section><h2>{{ verb|upper }} {{ path }}</h2>
<p>{{ call.summary }}. {{ call.get("description", "") }}</p>{% if call.get("parameters") %}
<ul>{% for each in call.parameters %}
<li><code>{{ each.name }}</code> ({{ each["in"] }})</li>{% endfor %}</ul>{% endif %}</section>{% endfor %}{% endfor %}
</main></body></html>"""


def create_app(service: Service, access: Access) -> Guard:
    """The ASGI application: guard, then routes."""
    from convnets import __version__

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(title="convnets", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    routers = make_routes(service), make_protocol_routes(service)
    for router in routers:
        app.include_router(router)
    paths = {str(getattr(route, "path", "")) for router in routers for route in router.routes}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(str(render(_DOCS, paths=app.openapi()["paths"])))

    answer_errors(app, "see /docs")
    return Guard(_Told(app, service, paths), access, service.limits.body_bytes, service.limits.body_seconds)


class _Told:
    """ASGI middleware: an id in every answer; each request is counted under its route, and logged."""

    def __init__(self, app: App, service: Service, paths: Collection[str]) -> None:
        self.app, self.service, self._paths = app, service, paths

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        name = given if _ID.fullmatch(given) else uuid.uuid4().hex[:16]
        started, status = time.monotonic(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", name.encode())]}
            await send(message)

        try:
            if scope["method"] == "POST" and (full := self._full(scope)) is not None:
                await send_answer(sending, full.status, json.dumps(full.body()).encode(), full.headers)
                return
            await self.app(scope, receive, sending)
        except Refusal as refusal:
            status = refusal.status
            raise
        finally:
            self._tell(scope, name, status, time.monotonic() - started)

    def _full(self, scope: MutableMapping[str, Any]) -> Refusal | None:
        """What a full queue says, before routes and bodies take time that a server with too much to do has not."""
        client = scope.get("client")
        try:
            self.service.batcher.check_room(client[0] if client else "?", 1, 0)
        except Refusal as refusal:
            return refusal
        return None

    def _tell(self, scope: MutableMapping[str, Any], name: str, status: int, seconds: float) -> None:
        service, client = self.service, scope.get("client")
        asked = scope["path"] if scope["path"] in self._paths else "unknown"  # of what no route saw
        service.telemetry.request_done(str(getattr(scope.get("route"), "path", asked)), status, seconds)
        service.telemetry.queue.set(service.batcher.pictures)
        service.log.write(
            "request",
            id=name,
            method=scope["method"],
            path=scope["path"][:200],
            status=status,
            seconds=round(seconds, 4),
            client=client[0] if client else None,
        )
