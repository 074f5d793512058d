"""The page's way to present the token: once, for a cookie."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from avgzsl.serve.access import COOKIE, SESSION_SECONDS, is_token, session
from avgzsl.serve.problems import Refused, described
from avgzsl.serve.service import Serving

router = APIRouter(tags=["session"])


class Login(BaseModel):
    """What the person typed."""

    token: str = Field(max_length=1000)


@router.post("/v1/session", status_code=204, responses=described(400, 401, 413, 422))
async def log_in(login: Login, request: Request, service: Serving) -> Response:
    """Present the token; the answer sets a cookie that stands for it for twelve hours."""
    token = service.settings.token
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    if token is None:
        return response
    if not is_token(login.token, token.get_secret_value()):
        raise Refused(HTTPStatus.UNAUTHORIZED, "this is not the token of the server", {"www-authenticate": "Bearer"})
    secure = request.url.scheme == "https"
    value = session(token.get_secret_value())
    response.set_cookie(COOKIE, value, SESSION_SECONDS, httponly=True, samesite="strict", secure=secure)
    return response


@router.delete("/v1/session", status_code=204)
async def log_out() -> Response:
    """Take the cookie back."""
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
