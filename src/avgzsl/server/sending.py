"""An open file as an answer: Starlette's FileResponse sends it, and this adds what that lacks.

FileResponse opens a name. Here it is given the file that was opened and checked: head and bytes are of one file,
whatever becomes of its name meanwhile. It sends what the file has by then, which hangs a caller who waits for the rest
of a file that was cut; it has no conditional requests; it answers HEAD as if that could have a range, and refuses
ranges that RFC 9110 wants ignored.
"""

import os
import re
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avgzsl.server.problems import LOG, Refused

KEEP = "private, max-age=3600"
_HEAD = "avgzsl_head"
_MOST_RANGES = 16
_RANGE = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")
_ABOUT_THE_BODY = ("content-length", "content-type", "content-range", "accept-ranges")


def headed(app: ASGIApp) -> ASGIApp:
    """Answer HEAD as GET, without the body (RFC 9110, 9.3.2)."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": "GET", _HEAD: True}
        await app(asked, receive, bodiless)
        scope["route"] = asked.get("route")

    return call


class FileAnswer(FileResponse):
    """Sends a file, or the ranges of it that are asked for, and closes it.

    Raises 412 where a condition of the request does not hold, 416 for ranges that are not in it.
    """

    def __init__(self, file: BinaryIO, kind: str, asked: Headers, keep: str = KEEP) -> None:
        self._file = file
        try:
            status = os.fstat(file.fileno())
            self._size = status.st_size
            tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'
            changed = formatdate(status.st_mtime, usegmt=True)
            headers = {"cache-control": keep, "etag": tag, "last-modified": changed}
            super().__init__(_name(file), headers=headers, media_type=kind, stat_result=status)
            self._same = _is_known(asked, tag, int(status.st_mtime))
            self._ranges = None if self._same else self._asked_for(asked, tag, changed)
        except BaseException:
            file.close()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self._same:
                kept = {name: value for name, value in self.headers.items() if name not in _ABOUT_THE_BODY}
                await Response(status_code=HTTPStatus.NOT_MODIFIED, headers=kept)(scope, receive, send)
                return
            is_head = scope["method"] == "HEAD" or scope.get(_HEAD, False)
            headers = MutableHeaders(raw=[pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")])
            if self._ranges is not None and not is_head:  # a range is of GET alone (RFC 9110, 14.2)
                headers["range"] = self._ranges
            asked = {**scope, "headers": headers.raw, "method": "HEAD" if is_head else "GET"}
            await super().__call__(asked, receive, send if is_head else _exactly(send))
        finally:
            self._file.close()

    def _asked_for(self, asked: Headers, tag: str, changed: str) -> str | None:
        """The ranges that there are; None for the whole, and for what is no range of bytes. Raises 416."""
        given = asked.get("range", "")
        unit, equals, listed = given.partition("=")
        parts = [part.strip() for part in listed.split(",") if part.strip()]
        if unit.strip().lower() != "bytes" or not equals or not 0 < len(parts) <= _MOST_RANGES:
            return None
        if asked.get("if-range", tag) not in (tag, changed):
            return None
        matches = [_RANGE.fullmatch(part) for part in parts]
        pairs = [match.groups() for match in matches if match is not None]
        if len(pairs) < len(parts) or any(first == last == "" for first, last in pairs):
            return None
        if any(first and last and int(first) > int(last) for first, last in pairs):
            return None
        inside = [(first, last) for first, last in pairs if (int(first) < self._size if first else int(last) > 0)]
        if not inside or not self._size:
            raise Refused(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                f"the file has {self._size:,} bytes, and {given} is not among them; ask for less",
                {"content-range": f"bytes */{self._size}"},
            )
        return "bytes=" + ",".join(f"{first}-{last}" for first, last in inside)


def _name(file: BinaryIO) -> str:
    """A name that leads to this file and no other, also when its own has gone."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if Path(folder).is_dir():
            return f"{folder}/{file.fileno()}"
    return os.fspath(file.name)  # Windows, where the name of an open file can be given to no other


def _is_known(asked: Headers, tag: str, changed: int) -> bool:
    """Whether the caller has it already (RFC 9110, 13.2.2). Raises 412."""
    match, unchanged = asked.get("if-match"), _seconds(asked.get("if-unmodified-since"))
    if (not _has(match, tag)) if match is not None else (unchanged is not None and changed > unchanged):
        raise Refused(HTTPStatus.PRECONDITION_FAILED, "the file is not the one that was meant; ask for it anew")
    none, since = asked.get("if-none-match"), _seconds(asked.get("if-modified-since"))
    if none is not None:
        return _has(none.replace("W/", ""), tag)
    return since is not None and changed <= since


def _has(listed: str, tag: str) -> bool:
    """Whether a list of tags in a header has one, or stands for all."""
    return listed.strip() == "*" or tag in [known.strip() for known in listed.split(",")]


def _seconds(date: str | None) -> float | None:
    """Seconds since 1970 of a date in a header; None for what is none."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _exactly(send: Send) -> Send:
    """Sends as many bytes as the head says: the rest of a longer body is left out.

    A shorter one is not ended: uvicorn then closes the connection, by which the caller knows.
    """
    left, ended = 0, False

    async def counted(message: Message) -> None:
        nonlocal left, ended
        if message["type"] == "http.response.start":
            left = int(Headers(raw=message["headers"])["content-length"])
            await send(message)
        elif not ended:
            body, more = message["body"][:left], message["more_body"]
            left -= len(body)
            ended = not left
            if left and not more:
                LOG.warning("a file was cut while it was sent")
            await send({**message, "body": body, "more_body": not ended})

    return counted
