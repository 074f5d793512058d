"""An open file as an answer, whole or the range of it that is asked for.

Length, tag and bytes are those of one open file: what becomes of its name meanwhile changes nothing of the answer.
"""

import os
import re
from collections.abc import AsyncIterator
from email.utils import formatdate
from http import HTTPStatus
from typing import BinaryIO

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from avgzsl.serve.problems import Refused

_PIECE = 64 << 10
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_KEEP = "private, max-age=3600"


class FileAnswer(StreamingResponse):
    """Sends a file and closes it. Raises 416 for a range that is not in it.

    Several ranges at once, and what is no range, are answered with the whole, as RFC 9110 (14.2) allows.
    """

    def __init__(self, file: BinaryIO, kind: str, asked: Headers) -> None:
        self._file = file
        try:
            status = os.fstat(file.fileno())
            size = status.st_size
            tag = f'"{status.st_mtime_ns:x}-{size:x}-{status.st_ino:x}"'
            changed = formatdate(status.st_mtime, usegmt=True)
            still = asked.get("if-range", tag) in (tag, changed)
            part = _part(asked.get("range", ""), size) if still else None
        except BaseException:
            file.close()
            raise
        start, end = part or (0, size)
        headers = {"accept-ranges": "bytes", "cache-control": _KEEP, "etag": tag, "last-modified": changed}
        headers["content-length"] = str(end - start)
        if part is not None:
            headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        code = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
        super().__init__(self._pieces(start, end), code, headers, kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    async def _pieces(self, start: int, end: int) -> AsyncIterator[bytes]:
        await run_sync(self._file.seek, start)
        while start < end and (piece := await run_sync(self._file.read, min(_PIECE, end - start))):
            start += len(piece)
            yield piece


def _part(asked: str, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last; None for the whole. Raises 416."""
    found = _RANGE.fullmatch(asked)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:  # so many of the last
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise Refused(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"the file has {size:,} bytes, and {asked} is not among them; ask for less",
            {"content-range": f"bytes */{size}"},
        )
    return start, end
