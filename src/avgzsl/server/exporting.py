"""Clips of the archive to be taken along: as a table, a playlist, or a zip of cut files.

A caller names ids alone. What is opened is what `opened_files` hands out; a clip without such a file is told in the
table of the zip, and left out of a playlist.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from threading import Event
from time import monotonic
from typing import BinaryIO
from urllib.parse import quote
from zipfile import ZipFile

from avgzsl.archive.exports import TABLE, cut_stem, in_its_folder
from avgzsl.archive.playlist import Played, playlist
from avgzsl.errors import AvgzslError, MediaError
from avgzsl.media.cut import Cut, Most, TooMuch, cut
from avgzsl.server.opened_files import find, indexed_file
from avgzsl.server.problems import Refused
from avgzsl.server.schema import ClipRow
from avgzsl.server.service import Service
from avgzsl.server.settings import PREFIX
from avgzsl.support.spreadsheet import table

_COLUMNS = (
    *("id", "name", "folder", "start", "end", "label", "split", "licence", "source", "has_audio", "has_video", "file"),
)
_PART = 0.75  # of the time until an answer begins: the rest is for what came before


def as_table(rows: Sequence[ClipRow]) -> str:
    """A line a clip, as csv; where files lie is not told."""
    return table(_COLUMNS, ([getattr(row, column) for column in _COLUMNS] for row in rows))


def as_playlist(service: Service, ids: Sequence[str], base: str) -> str:
    """An entry for each clip whose file is handed out: its path on disk, where callers are of this machine; else its
    address below `base`, for which a player has to present the token."""
    own, entries = service.access.token is None, []
    for row in service.archive.rows(ids):
        try:
            media, _, _ = find(service, row.id)
        except (Refused, AvgzslError):
            continue
        place = str(media.path) if own else f"{base}v1/clips/file?id={quote(row.id, safe='')}"
        entries.append(Played(row.label or row.id, place, row.start, row.end))
    return playlist(entries)


def as_zip(service: Service, ids: Sequence[str], stop: Event) -> BinaryIO:
    """The clips cut out of their files, and a table of them: a file without a name, which goes when it is closed.

    Raises Refused for more than the settings allow, where it takes too long, or where no clip gives a file; and once
    `stop` is set.
    """
    settings, rows = service.settings, service.archive.rows(ids)
    if len(rows) > settings.cut_clips:
        raise _refused(f"{len(rows)} clips are to be cut, and at most {settings.cut_clips} are at once", "CUT_CLIPS")
    most, end = Most(settings.cut_seconds, settings.cut_bytes), monotonic() + _PART * settings.answer_seconds
    told: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="avgzsl-export-", dir=service.scratch.folder()) as folder:
        place = Path(folder) / "clips.zip"
        with _disk_errors(), ZipFile(place, "w") as made:
            for number, row in enumerate(rows, 1):
                if monotonic() > end or stop.is_set():
                    raise _late(number - 1, len(rows), settings.answer_seconds)
                piece, problem = _cut(service, number, row, Path(folder), most)
                if piece is not None:
                    made.write(piece.path, piece.path.name)
                    piece.path.unlink()
                    most = Most(most.seconds - (piece.seconds or 0.0), most.size - piece.bytes)
                name = "" if piece is None else piece.path.name
                told.append([name, *(getattr(row, column) for column in _COLUMNS), problem])
            if not any(name for name, *_ in told):
                raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"no clip could be cut; {told[0][-1]}")
            made.writestr(TABLE, table(("cut", *_COLUMNS, "problem"), told))
        return place.open("rb")


def _cut(service: Service, number: int, row: ClipRow, folder: Path, most: Most) -> tuple[Cut | None, str]:
    """The file that was cut, or why there is none. Raises Refused for one that is too much for the settings."""
    try:
        with indexed_file(service, row.id) as (media, path):
            stem = folder / cut_stem(number, in_its_folder(row.id, media.path.name), row.start, row.end)
            return service.decoders.call(cut, path, stem, media.path.suffix, media.span, most), ""
    except TooMuch as much:
        limits = f"{service.settings.cut_seconds:g} s and {service.settings.cut_bytes:,} bytes"
        raise _refused(f"{much}; all clips may be {limits} together", "CUT_SECONDS", "CUT_BYTES") from much
    except Refused as refused:
        return None, str(refused.detail)
    except MediaError as problem:
        return None, str(problem)


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Raises AvgzslError, for the server's log, where the disk refuses."""
    try:
        yield
    except OSError as problem:
        raise AvgzslError(f"a zip of cut files cannot be written ({problem.strerror or problem})") from problem


def _refused(why: str, *names: str) -> Refused:
    return Refused(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"{why} ({', '.join(PREFIX + name for name in names)}); export fewer of them"
    )


def _late(done: int, of: int, seconds: float) -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{done} of {of} clips were cut in the time that an answer has ({PREFIX}ANSWER_SECONDS={seconds:g}, less a "
        "quarter); export fewer of them",
        {"retry-after": "2"},
    )
