"""Errors as application/problem+json (RFC 9457), never a traceback."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from avgzsl.errors import AvgzslError, ConfigError, MediaError, ModalityError
from avgzsl.server.contract import NoSuchClip, Unanswerable

LOG = logging.getLogger("avgzsl.server")
MEDIA_TYPE = "application/problem+json"


class Wrong(BaseModel):
    """A part of the request, and what is wrong with it."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457; `detail` says what was given, what was expected, what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Wrong] = []


class Refused(HTTPException):
    """A request that is answered with a problem."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def busy(detail: str, seconds: int = 2) -> Refused:
    """429, with the time after which to ask again."""
    return Refused(HTTPStatus.TOO_MANY_REQUESTS, detail, {"retry-after": str(seconds)})


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: list[Wrong] | None = None
) -> JSONResponse:
    """A response that is a problem."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    return JSONResponse(body.model_dump(), status, headers, media_type=MEDIA_TYPE)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems of these statuses as answers in the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI, own: bool) -> None:
    """Answer every error of a request with a problem.

    What is wrong on the server goes to its log, and to the caller only where that is its `own` machine: it names files.
    """

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [
            Wrong(field=".".join(map(str, fault["loc"][1:])) or "body", message=fault["msg"])
            for fault in error.errors()
        ]
        detail = "; ".join(f"{part.field}: {part.message}" for part in wrong)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=wrong)

    @app.exception_handler(AvgzslError)
    async def named(request: Request, error: AvgzslError) -> JSONResponse:
        status, detail = _status(error), str(error)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            LOG.error(detail)
            detail = detail if own else "what the server has of the archive cannot be used; its log says why"
        return problem(status, detail)


def _status(error: AvgzslError) -> HTTPStatus:
    """Whose fault it is: what was asked for, or what the server has."""
    if isinstance(error, NoSuchClip):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, (Unanswerable, ConfigError, ModalityError, MediaError)):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.SERVICE_UNAVAILABLE
