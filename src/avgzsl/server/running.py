"""Which server of an index runs on this machine: a note in the user's state, and the server's own word for it.

The note may be stale, and its port somebody else's by now: who answers there has to name the index.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from http.client import HTTPException
from os import fsencode, getpid
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from avgzsl.archive.index_record import read_record
from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.files import write_json
from avgzsl.support.own_folders import state_root
from avgzsl.support.trust import read_json

_SECONDS = 3.0  # for an answer that takes none
_MOST = 1 << 12  # bytes of it


def running(index: Path) -> str | None:
    """The address of the server of an index; None where no server says that it has it."""
    url = noted_url(_note(index))
    try:
        own = read_record(index).id
    except (AvgzslError, OSError, ValueError):
        return None
    return url if url is not None and _asked(url) == own else None


def answers(note: Path) -> bool:
    """Whether a server of an index answers where a note says that one is."""
    url = noted_url(note)
    return url is not None and _asked(url) is not None


def noted_url(note: Path) -> str | None:
    """The address of a note; None for what is no such note, or names another machine."""
    try:
        url = read_json(note, DataError)["url"]
        here = urlsplit(url).scheme == "http" and urlsplit(url).hostname in ("127.0.0.1", "::1")
    except (AvgzslError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return url if isinstance(url, str) and here else None


@contextmanager
def noted(index: Path) -> Iterator["Note"]:
    """A note to be written when the server has an address, which goes with it."""
    note = Note(_note(index))
    try:
        yield note
    finally:
        note.remove()


class Note:
    """The note of one server; that of another is left alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: dict[str, object] = {}

    def write(self, url: str) -> None:
        """Say where the server is. Where it cannot be written, a second call opens a server of its own."""
        self._content = {"url": url, "pid": getpid()}
        with suppress(AvgzslError):
            write_json(self.path, self._content)

    def remove(self) -> None:
        """Take it back, if it is still this one."""
        with suppress(AvgzslError, OSError, ValueError):
            if self._content and read_json(self.path, DataError) == self._content:
                self.path.unlink()


def notes_folder() -> Path:
    """Where the notes are."""
    return state_root() / "servers"


def _note(index: Path) -> Path:
    return notes_folder() / f"{sha256(fsencode(index.resolve())).hexdigest()}.json"


def _asked(url: str) -> str | None:
    """What the server at a local address says of itself."""
    try:
        request = Request(f"{url}v1/health", headers={"accept": "application/json"})
        with build_opener(ProxyHandler({})).open(request, timeout=_SECONDS) as answer:
            said = json.loads(answer.read(_MOST))
    except (OSError, ValueError, HTTPException):
        return None
    return said.get("archive") if isinstance(said, dict) else None
