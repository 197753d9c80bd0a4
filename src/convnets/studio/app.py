"""App: the studio's routes behind the guard, and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response

from convnets.serving.http.error_answers import answer_errors
from convnets.serving.http.guard import Access, Guard
from convnets.serving.http.limits import Limits
from convnets.serving.http.refusal import Refusal
from convnets.studio.desk import Desk
from convnets.studio.library import Library
from convnets.studio.run_facts import RunList
from convnets.studio.training import Trainers
from convnets.studio.views.explain import make_explain_routes
from convnets.studio.views.images import make_image_routes
from convnets.studio.views.judgments import make_judgment_routes
from convnets.studio.views.lab import Lab, make_lab_routes
from convnets.studio.views.network import make_network_routes
from convnets.studio.views.runs import make_run_routes
from convnets.studio.views.search import make_search_routes
from convnets.studio.views.units import make_unit_routes
from convnets.studio.workplace import Workplace

__all__ = ["create_studio"]

_FRONT = Path(__file__).parent / "front"
_KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class _File:
    content: bytes
    kind: str


def create_studio(
    library: Library, access: Access, *, read_only: bool = False, any_data: bool = True
) -> Guard:
    """The ASGI application of a library of runs.

    With `read_only` nothing is trained and no run is stopped; without `any_data` runs are begun only on data sets, on
    the data of other runs, and on those of the library.
    """
    limits = Limits()
    place = Workplace(
        library,
        RunList(library),
        Desk(),
        Trainers(library.folder),
        Lab(),
        limits,
        read_only=read_only,
        any_data=any_data,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        place.close()

    app = FastAPI(title="convnets studio", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    makers = (
        make_run_routes,
        make_network_routes,
        make_unit_routes,
        make_image_routes,
        make_judgment_routes,
        make_explain_routes,
        make_search_routes,
        make_lab_routes,
    )
    for make in makers:
        app.include_router(make(place), prefix="/api")
    _add_page(app)
    answer_errors(app, "see the page at /")
    return Guard(app, access, limits.body_bytes, limits.body_seconds)


def _add_page(app: FastAPI) -> None:
    """Files of the page by their names, which are read once: no path of a request touches the disk."""
    files = {
        path.relative_to(_FRONT).as_posix(): _File(path.read_bytes(), _KINDS[path.suffix])
        for path in _FRONT.rglob("*")
        if path.suffix in _KINDS
    }
    # all modules are fetched at once, not one after the other as they name each other
    modules = "".join(
        f'<link rel="modulepreload" href="/front/{name}">\n'
        for name in files
        if name.endswith(".js") and name != "theme.js"
    )
    index = files["index.html"]
    files["index.html"] = _File(index.content.replace(b"<!-- modules -->\n", modules.encode()), index.kind)

    def answer(name: str) -> Response:
        if name not in files:
            raise Refusal(404, f"/{name[:80]} is not there; see the page at /")
        kind = files[name].kind
        return Response(files[name].content, media_type=kind, headers={"Cache-Control": "no-cache"})

    @app.get("/")
    async def page() -> Response:
        return answer("index.html")

    @app.get("/front/{name:path}")
    async def front(name: str) -> Response:
        return answer(name)
