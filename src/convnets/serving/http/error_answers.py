"""Error answers: whatever goes wrong in a route becomes a status and one line."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from convnets.errors import ConvnetsError
from convnets.serving.http.refusal import Refusal, refusal_of

__all__ = ["answer_errors"]


def answer_errors(app: FastAPI, remedy: str) -> None:
    """Answer the errors of `app`'s routes; `remedy` says where to look for a path that is not there."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return JSONResponse(refusal.body(), refusal.status, refusal.headers)

    @app.exception_handler(ConvnetsError)
    async def failed(_: Request, error: ConvnetsError) -> JSONResponse:
        refusal = refusal_of(error)
        return JSONResponse(refusal.body(), refusal.status)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> JSONResponse:
        return JSONResponse({"error": "the client has gone"}, 499)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = str(first["loc"][-1])
        return JSONResponse({"error": f"{where} is {str(first.get('input'))[:40]!r}: {first['msg']}"}, 422)

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> JSONResponse:
        line = f"{request.method} {request.url.path[:80]}: {str(error.detail).lower()}; {remedy}"
        return JSONResponse({"error": line}, error.status_code, error.headers)
