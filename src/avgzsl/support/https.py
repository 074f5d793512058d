"""Asking an address of the network: https alone, also where it leads elsewhere.

(http is spoken from this machine to itself, for tests.) A token goes to the address that it is for, and follows to no
other host. Proxies of the environment are used.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from avgzsl.errors import WeightsError
from avgzsl.support.trust import parse_json

_SECONDS = 30.0  # without a byte
_PIECE = 1 << 18
_ANSWER = 4 << 20  # bytes of an answer in JSON
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


class Unreachable(WeightsError):
    """Nobody answers at an address, or the connection was cut."""


class Refused(WeightsError):
    """An address answers that it does not give the file; `status` is HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Source:
    """An address, and what is known of the file there; the token is shown nowhere."""

    url: str
    size: int | None = None
    sha256: str | None = None
    token: str | None = field(default=None, repr=False)


class Cut(Unreachable):
    """A connection that ended before the file did; `began` is the byte at which this try began."""

    began = 0


def ask_size(source: Source) -> int | None:
    """The length of the file in bytes, None where it is not told. Raises Unreachable, Refused, WeightsError."""
    with open_address(source, {}, "HEAD") as answer:
        told = answer.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() else None


def ask_json(source: Source) -> Any:
    """The JSON at an address. Raises Unreachable, Refused, WeightsError."""
    with open_address(source, {}) as answer:
        content = b"".join(pieces(answer, source.url, _ANSWER))
    try:
        return parse_json(content)
    except ValueError as problem:
        raise WeightsError(f"{source.url}: answers with no JSON ({problem}); try again later") from problem


def pieces(answer: HTTPResponse, url: str, most: int) -> Iterator[bytes]:
    """The bytes of an answer as they come. Raises Cut, and WeightsError for more than `most` of them."""
    came = 0
    while True:
        try:
            piece = answer.read(_PIECE)
        except (OSError, HTTPException) as problem:
            raise Cut(f"{url}: the connection was cut ({problem or type(problem).__name__})") from problem
        if not piece:
            return
        came += len(piece)
        if came > most:
            raise WeightsError(
                f"{url}: gives more than the {most:,} bytes that were expected; nothing was put in place"
            )
        yield piece


def open_address(source: Source, headers: dict[str, str], method: str = "GET") -> HTTPResponse:
    """The answer of an address, to be read and closed. Raises Unreachable, Refused, WeightsError."""
    _require_safe(source.url, source.url)
    told = {"User-Agent": "avgzsl", "Accept-Encoding": "identity", **headers}
    request = Request(source.url, headers=told, method=method)
    if source.token:
        request.add_unredirected_header("Authorization", f"Bearer {source.token}")
    try:
        answer: HTTPResponse = build_opener(_Redirects).open(request, timeout=_SECONDS)
    except HTTPError as problem:
        problem.close()
        raise Refused(f"{source.url}: refused ({problem.code} {problem.reason})", problem.code) from None
    except (OSError, HTTPException, ValueError) as problem:
        reason = getattr(problem, "reason", None) or problem
        raise Unreachable(f"{source.url}: cannot be reached ({reason})") from problem
    return answer


class _Redirects(HTTPRedirectHandler):
    """Goes where an address leads if that is safe; the token goes along within one host alone."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        _require_safe(newurl, req.full_url)
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is None:
            return None
        new.method = req.get_method()
        token = req.unredirected_hdrs.get("Authorization")
        if token and urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2]:
            new.add_unredirected_header("Authorization", token)
        return new


def _require_safe(url: str, origin: str) -> None:
    """Raises WeightsError for an address that is not https, unless this machine asks itself."""
    if urlsplit(url).scheme != "https" and not (_is_own(url) and _is_own(origin)):
        parts = urlsplit(url)
        raise WeightsError(
            f"{origin}: leads to {parts.scheme}://{parts.hostname}; weights are fetched over https alone"
        )


def _is_own(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in _THIS_MACHINE
