"""The page's way to present the token: once, for a cookie."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, SecretStr, WithJsonSchema
from starlette.responses import Response

from avgzsl.server.access import COOKIE
from avgzsl.server.problems import described
from avgzsl.server.service import Serving
from avgzsl.server.sessions import SESSION_SECONDS
from avgzsl.server.shares import caller

router = APIRouter(tags=["session"])


class Login(BaseModel):
    """What the person typed."""

    token: Annotated[
        SecretStr, Field(max_length=1000), WithJsonSchema({"type": "string", "maxLength": 1000, "title": "Token"})
    ]


@router.post("/v1/session", status_code=204, responses=described(400, 401, 408, 413, 422))
async def log_in(login: Login, request: Request, service: Serving) -> Response:
    """Present the token; the answer sets a cookie that stands for it for twelve hours, or until the server ends."""
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    access = service.access
    if access.token is None:
        return response
    access.check_token(login.token, caller(request.scope))
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, access.sessions.begin(), SESSION_SECONDS, httponly=True, samesite="strict", secure=secure
    )
    return response


@router.delete("/v1/session", status_code=204)
async def log_out(request: Request, service: Serving) -> Response:
    """End the session of the cookie, and take the cookie back."""
    service.access.sessions.end(request.cookies.get(COOKIE, ""))
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
