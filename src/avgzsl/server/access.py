"""Who may ask: the right host name, this site alone, and the token where one is set; and in which lane it waits.

A program presents the token as `Authorization: Bearer`. A page cannot send that with `<video>` and `<img>`: it presents
the token once, to /v1/session, and gets a cookie that scripts cannot read and that no other site can make a browser
send. It holds the name of a session, and no secret of the server.
"""

import hmac
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from avgzsl.server.limits import Lane, small_body
from avgzsl.server.problems import Refused, busy, problem
from avgzsl.server.sessions import Guesses, Sessions
from avgzsl.server.settings import Settings
from avgzsl.server.shares import caller

COOKIE = "avgzsl_session"
_HEALTH = "/v1/health"
_OPEN = (_HEALTH, "/v1/session", "/v1/openapi.json")


@dataclass(frozen=True)
class Access:
    """The token, if one is set, the names of this server, and what is remembered of who has asked."""

    token: SecretStr | None
    names: frozenset[str]
    sessions: Sessions = field(default_factory=Sessions)
    guesses: Guesses = field(default_factory=Guesses)

    def check_token(self, given: SecretStr, address: str) -> None:
        """Raises 401 for another token than that of the server, 429 for too many of these from one address."""
        if self.token is None:
            return
        if not self.guesses.is_heard(address):
            raise busy("too many wrong tokens came from this address; present the right one later", 3)
        if _is_same(given, self.token):
            self.guesses.right(address)
            return
        if self.guesses.is_slowed(address):
            raise busy("too many wrong tokens came from this address; present the right one", 3)
        self.guesses.wrong(address)
        raise unauthorized("this is not the token of the server")


def access_of(settings: Settings) -> Access:
    """Who may ask, as the settings say."""
    return Access(
        settings.token, frozenset({"localhost", settings.host.lower(), *(name.lower() for name in settings.names)})
    )


def _is_same(given: SecretStr, token: SecretStr) -> bool:
    """Compared in a time that tells nothing of how much of it is right."""
    return hmac.compare_digest(given.get_secret_value().encode(), token.get_secret_value().encode())


def guarded(app: ASGIApp, access: Access, inside: Lane, outside: Lane, seconds: float) -> ASGIApp:
    """Let through, in the lane `inside`, what may ask; answer 421, 403, 401 or 429 to the rest.

    What is refused and what needs no token waits in the lane `outside`, once its body has come, for which it has
    `seconds`; health waits for no place.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = scope["path"]
        try:
            _check(HTTPConnection(scope), access)
            if not _is_secret(path, _OPEN):
                receive = await small_body(receive, seconds)
        except Refused as refused:
            await outside.run(problem(refused.status_code, refused.detail, refused.headers), scope, receive, send)
            return
        if path == _HEALTH:
            await outside.in_time(app, scope, receive, send)
        else:
            await (inside if _is_secret(path, _OPEN) else outside).run(app, scope, receive, send)

    return call


def unauthorized(detail: str) -> Refused:
    """401, which says how to present the token."""
    return Refused(HTTPStatus.UNAUTHORIZED, detail, {"www-authenticate": "Bearer"})


def _check(asked: HTTPConnection, access: Access) -> None:
    """Raises 421, 403, 401 or 429 for what may not ask."""
    path = asked.scope["path"]
    if not _is_known(asked.headers.get("host", ""), access.names):
        raise Refused(
            HTTPStatus.MISDIRECTED_REQUEST,
            "the server is not known under this name; call it by its address, or name it in AVGZSL_SERVE_NAMES",
        )
    if _is_secret(path) and not _same_site(asked):
        raise Refused(HTTPStatus.FORBIDDEN, "requests that other sites make are refused")
    if access.token is None or not _is_secret(path, _OPEN) or access.sessions.holds(asked.cookies.get(COOKIE, "")):
        return
    scheme, _, given = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise unauthorized("present the token of this server, as `Authorization: Bearer …`, or log in on the page")
    access.check_token(SecretStr(given.strip()), caller(asked.scope))


def _is_secret(path: str, exceptions: tuple[str, ...] = ()) -> bool:
    """Whether a path says anything of the archive: all do but the page itself, and these exceptions."""
    return (path.startswith("/v1") or path == "/metrics") and path not in exceptions


def _is_known(host: str, known: frozenset[str]) -> bool:
    """Whether the server may be called by this name, an address or one of its own.

    A foreign name that was made to lead here (DNS rebinding) is neither.
    """
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
    """Whether no other site makes the request, as far as the browser says."""
    if asked.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = asked.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == asked.headers.get("host")
    except ValueError:
        return False
