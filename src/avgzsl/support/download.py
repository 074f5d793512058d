"""Files from the network: in place whole and checked, or not at all; what a cut connection left is continued."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from avgzsl.errors import WeightsError
from avgzsl.support.files import write_json
from avgzsl.support.https import Cut, Refused, Source, Unreachable, open_address, pieces
from avgzsl.support.trust import open_in_place, read_json
from avgzsl.support.weights import identify

_TRIES = 3
_PAUSE = 1.0  # seconds before the second try; twice as long before the third
_UNTOLD = 64 << 20  # bytes of a file whose length nobody tells
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # refusals that a second try may mend
_NO_SUCH_PART = 416


@dataclass(frozen=True)
class Downloaded:
    """A file that came: its length in bytes, its hash, and at which byte it was continued (0: it came in one)."""

    size: int
    sha256: str
    continued_at: int


def download(source: Source, target: Path, tell: Callable[[int], object] = lambda _: None) -> Downloaded:
    """Fetch a file that is not there yet; `tell` hears how many of its bytes are there.

    A connection that is cut is tried again, each time from where it was cut; after that, what came stays beside
    `target`, as `.NAME.part`, for the next call. A file of a wrong length or hash is removed.
    Raises Unreachable, Refused, and WeightsError for a wrong file, a full disk, or one that is being fetched.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        continued_at = _with_tries(lambda: _receive(source, part, tell))
        found = identify(part)
        if source.sha256 not in (None, found.sha256):
            _remove(part)
            raise WeightsError(
                f"{source.url}: not the file that was expected (SHA-256 {found.sha256}, expected {source.sha256}); "
                "what came was removed, and nothing was put in place. If its authors changed it, a newer avgzsl may "
                "know it"
            )
        size = part.stat().st_size
        part.replace(target)
        _note(part).unlink(missing_ok=True)
    except OSError as problem:
        raise WeightsError(
            f"{target}: could not be written ({problem.strerror or problem}); what came is kept in {part}. Free some "
            "space, then give the same command again"
        ) from problem
    return Downloaded(size, found.sha256, continued_at)


def _with_tries(receive: Callable[[], int]) -> int:
    """What `receive` gives: the byte at which the first try began. Tried again where that may help."""
    began: int | None = None
    for attempt in range(_TRIES):
        try:
            at = receive()
            return at if began is None else began
        except (Unreachable, Refused) as problem:
            passing = isinstance(problem, Unreachable) or problem.status in _PASSING
            if not passing or attempt + 1 == _TRIES:
                raise
            if isinstance(problem, Cut) and began is None:
                began = problem.began
        time.sleep(_PAUSE * 2**attempt)
    raise AssertionError("the last try gives or raises")


def _receive(source: Source, part: Path, tell: Callable[[int], object]) -> int:
    """Fill `part` to its end, from where it ends or from the beginning; gives the byte at which it began."""
    kept, size, headers = _kept(source, part)
    if kept and kept == size:
        return kept
    with _open_rest(source, part, headers) as answer:
        begin = _begin(answer, kept)
        total = _total(answer, begin)
        if total is not None and source.size not in (None, total):
            _remove(part)
            raise WeightsError(
                f"{source.url}: has {total:,} bytes, expected {source.size:,}; nothing was put in place. If its "
                "authors changed it, a newer avgzsl may know it"
            )
        _require_room(part, (total or 0) - begin)
        write_json(_note(part), {"url": source.url, "version": _version(answer), "size": total})
        with open_in_place(part, WeightsError, new=not part.exists()) as stream:
            _lock(stream.fileno(), part)
            stream.truncate(begin)
            stream.seek(begin)
            there = begin
            tell(there)
            try:
                for piece in pieces(answer, source.url, (total or _UNTOLD) - begin):
                    stream.write(piece)
                    there += len(piece)
                    tell(there)
                if total is not None and there < total:
                    raise Cut(f"{source.url}: the connection was cut")
            except Cut as cut:
                raise _told(cut, begin, there, total) from cut.__cause__
            finally:
                stream.flush()
                os.fsync(stream.fileno())
    return begin


def _told(cut: Cut, begin: int, there: int, total: int | None) -> Cut:
    """The same with what the user needs to know."""
    came = f"{there:,} of {total:,}" if total else f"{there:,}"
    told = Cut(f"{cut} after {came} bytes; what came is kept, and the same command goes on from there")
    told.began = begin
    return told


def _kept(source: Source, part: Path) -> tuple[int, int | None, dict[str, str]]:
    """How many bytes are there to go on from, how many there will be, and the headers that ask for the rest."""
    try:
        note = read_json(_note(part), WeightsError)
        kept = part.stat().st_size
    except (OSError, ValueError, WeightsError):
        return 0, source.size, {}
    if not isinstance(note, dict) or note.get("url") != source.url:
        return 0, source.size, {}
    version, size = note.get("version"), source.size if source.size is not None else note.get("size")
    too_long = isinstance(size, int) and kept > size
    if not kept or too_long or not (version or source.sha256):
        return 0, size, {}  # a rest without a version could be another file's
    headers = {"Range": f"bytes={kept}-"}
    return kept, size, headers | ({"If-Range": str(version)} if version else {})


def _open_rest(source: Source, part: Path, headers: dict[str, str]) -> HTTPResponse:
    """The rest, or the whole file where the server has no such rest."""
    try:
        return open_address(source, headers)
    except Refused as refused:
        if refused.status != _NO_SUCH_PART or not headers:
            raise
    _remove(part)
    return open_address(source, {})


def _begin(answer: HTTPResponse, kept: int) -> int:
    """Where an answer begins: it may give the whole file though the rest was asked for."""
    if answer.status != 206:
        return 0
    place = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if place != str(kept):
        raise WeightsError(f"the address gives the bytes from {place!r}, asked for were those from {kept}")
    return kept


def _total(answer: HTTPResponse, begin: int) -> int | None:
    """The length of the whole file; None where parts come until a last one says so."""
    if answer.length is not None:
        return begin + int(answer.length)
    if not answer.chunked:
        raise WeightsError("the address tells no length, so that a cut would not be seen; nothing was put in place")
    return None


def _version(answer: HTTPResponse) -> str | None:
    """The mark by which the server knows this very content, if it gives one."""
    mark = str(answer.headers.get("ETag", ""))
    return mark if mark.startswith('"') else None  # W/"…" may stand for other bytes


def _require_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise WeightsError(
            f"{part.parent}: {needed:,} bytes are still to come, and {free:,} are free; free some space, or name "
            "another folder with --models"
        )


def _lock(descriptor: int, part: Path) -> None:
    """Raises WeightsError where another process writes the same file; where there are no locks (Windows) it may."""
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        raise WeightsError(f"{part}: another process is fetching this file; wait for it") from problem


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _remove(part: Path) -> None:
    for path in (part, _note(part)):
        with suppress(OSError):
            path.unlink()
