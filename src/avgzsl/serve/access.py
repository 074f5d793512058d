"""Who may ask: the right host name, this site alone, and the token where one is set.

A program presents the token as `Authorization: Bearer`. A page cannot send that with `<video>` and `<img>`: it presents
the token once, to /v1/session, and gets a cookie that scripts cannot read and that no other site can make a browser
send. The cookie holds no secret but a time and its HMAC under the token: a new token ends every session.
"""

import hmac
import time
from hashlib import sha256
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from avgzsl.serve.problems import problem

COOKIE = "avgzsl_session"
SESSION_SECONDS = 12 * 3600
_OPEN = ("/v1/health", "/v1/session", "/v1/openapi.json")


def guarded(app: ASGIApp, host: str, names: tuple[str, ...], token: str | None) -> ASGIApp:
    """Let through what may ask; answer 421, 403 or 401 to the rest."""
    known = {"localhost", host.lower(), *(name.lower() for name in names)}

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        if not _is_known(asked.headers.get("host", ""), known):
            refused = problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "the server is not known under this name; call it by its address, or name it in AVGZSL_SERVE_NAMES",
            )
        elif _is_secret(scope["path"]) and not _same_site(asked):
            refused = problem(HTTPStatus.FORBIDDEN, "requests that other sites make are refused")
        elif token is not None and _is_secret(scope["path"], _OPEN) and not _may(asked, token):
            refused = problem(
                HTTPStatus.UNAUTHORIZED,
                "present the token of this server, as `Authorization: Bearer …`, or log in on the page",
                {"www-authenticate": "Bearer"},
            )
        else:
            await app(scope, receive, send)
            return
        await refused(scope, receive, send)

    return call


def is_token(given: str, token: str) -> bool:
    """Compared in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(), token.encode())


def session(token: str, now: float | None = None) -> str:
    """The value of a cookie that is good for SESSION_SECONDS."""
    until = int((time.time() if now is None else now) + SESSION_SECONDS)
    return f"{until}.{_sign(token, until)}"


def is_session(value: str, token: str, now: float | None = None) -> bool:
    """Was it signed with this token, and is it still good?"""
    until, _, signature = value.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) <= 12):
        return False
    signed = hmac.compare_digest(signature.encode(), _sign(token, int(until)).encode())
    return signed and int(until) > (time.time() if now is None else now)


def _sign(token: str, until: int) -> str:
    return hmac.new(token.encode(), f"avgzsl session until {until}".encode(), sha256).hexdigest()


def _is_secret(path: str, but: tuple[str, ...] = ()) -> bool:
    """Everything but the page itself, which says nothing of the archive."""
    return (path.startswith("/v1") or path == "/metrics") and path not in but


def _is_known(host: str, known: set[str]) -> bool:
    """An address or a known name: a foreign name that was made to lead here (DNS rebinding) is neither."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in known:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _same_site(asked: HTTPConnection) -> bool:
    if asked.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = asked.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == asked.headers.get("host")
    except ValueError:
        return False


def _may(asked: HTTPConnection, token: str) -> bool:
    kind, _, given = asked.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and is_token(given.strip(), token):
        return True
    return is_session(asked.cookies.get(COOKIE, ""), token)
