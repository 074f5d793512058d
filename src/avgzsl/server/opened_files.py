"""The file of a clip: found by the clip's id alone, opened, and known to be what was indexed and to be media."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, ELOOP
from http import HTTPStatus
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from avgzsl.archive.indexed_files import HashTimeout, has_bytes, identity
from avgzsl.errors import MediaError
from avgzsl.media.sniffing import require_media
from avgzsl.server.contract import Media
from avgzsl.server.handed_out import folders, place
from avgzsl.server.problems import Refused, busy
from avgzsl.server.service import Service, known_as
from avgzsl.support.own_folders import open_inside

_VOUCHED = 1 << 16  # files that were looked into


def find(service: Service, id: str) -> tuple[Media, Path, os.stat_result]:
    """A clip, its path without links; the folder that allows to hand its file out; and the file's status.

    Raises 404 where no folder does, 403 where a link leads there, 410 where it has gone or is another than was indexed.
    """
    media = service.archive.media(id)
    placed = place(media.path, media.file, folders(service.settings.media))
    if placed is None:
        raise _elsewhere(id, media, service.settings.media)
    real, folder = placed
    try:
        status = real.lstat()
    except (OSError, ValueError) as problem:
        raise _gone(id) from problem
    if not S_ISREG(status.st_mode):
        raise Refused(
            HTTPStatus.GONE, f"the file of {id} is no file any more; put it back, or take it out of the index"
        )
    if media.file is not None and status.st_size != media.file.size:
        raise _changed(id)
    return media._replace(path=real), folder, status


def open_clip(service: Service, id: str) -> tuple[Media, BinaryIO]:
    """The file of a clip, opened; it lies where it may be handed out from, whatever becomes of its path meanwhile.

    Raises what `find` raises, 503 where the server may not read it, 429 where another is being put in its place.
    """
    media, folder, _ = find(service, id)
    try:
        opened = open_inside(folder, media.path)
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise _gone(id) from problem
    except OSError as problem:
        find(service, id)  # a link or something else may have been put there since, which says more
        if problem.errno in (ELOOP, EINVAL):
            raise busy(f"the file of {id} is just being replaced; ask again") from problem
        reason = f"the server cannot read the file of {id} ({problem.strerror}); give it the right to, or ask later"
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, reason) from problem
    if media.file is not None and os.fstat(opened.fileno()).st_size != media.file.size:
        opened.close()
        raise _changed(id)
    return media, opened


@contextmanager
def indexed_file(service: Service, id: str) -> Iterator[tuple[Media, Path]]:
    """A clip, and a path by which the decoder's processes open its file, which is the one that was indexed.

    Raises what `open_clip` raises, 410 for other bytes than were indexed; in a MediaError the file has the clip's id.
    """
    media, file = open_clip(service, id)
    with file:
        _require_indexed(service, id, media, file)
        path = _path_of(file, media.path)
        with known_as(id, path):
            yield media, path


async def vouch(service: Service, id: str, media: Media, opened: BinaryIO) -> None:
    """Look into a file that is to be sent, once for all who ask for it while it stays as it is.

    Raises 404 for what is no sound, picture or film by its own bytes, 410 for other bytes than were indexed.
    """
    here = identity(os.fstat(opened.fileno()))
    key = here, media.file
    if key in service.vouched:
        return

    def look() -> None:
        with open_clip(service, id)[1] as file:  # for all: the first who asked may go
            if identity(os.fstat(file.fileno())) != here:
                raise busy(f"the file of {id} is just being replaced; ask again")
            _require_indexed(service, id, media, file)
            try:
                service.decoders.call(require_media, _path_of(file, media.path))
            except MediaError as problem:
                reason = f"the file of {id} is no sound, picture or film that can be read, and is not handed out"
                raise Refused(HTTPStatus.NOT_FOUND, reason) from problem
            if identity(os.fstat(file.fileno())) != here:
                raise busy(f"the file of {id} is just being written; ask again")
        if len(service.vouched) >= _VOUCHED:
            service.vouched.clear()
        service.vouched[key] = None

    async def looked() -> None:
        await service.clips.run(look)

    await service.shared.get(("vouched", key), looked)


def _require_indexed(service: Service, id: str, media: Media, file: BinaryIO) -> None:
    """Raises 410 for a file of another time, and of other bytes, than the one that was indexed."""
    if media.file is None or os.fstat(file.fileno()).st_mtime_ns == media.file.mtime_ns:
        return
    try:
        if not has_bytes(file, media.file, service.settings.decode_seconds):
            raise _changed(id)
    except HashTimeout:
        reason = (
            f"the file of {id} has another time than when it was indexed, and is too large to be compared while you "
            "wait; `avgzsl index-add` compares it and notes its time"
        )
        raise Refused(HTTPStatus.GONE, reason) from None
    except OSError as problem:
        raise _gone(id) from problem


def _path_of(file: BinaryIO, path: Path) -> Path:
    """A path by which processes of this user open this very file, on Linux; elsewhere its own."""
    here = Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    return here if here.exists() else path


def _gone(id: str) -> Refused:
    return Refused(HTTPStatus.GONE, f"the file of {id} is gone; put it back, or take it out of the index")


def _changed(id: str) -> Refused:
    reason = (
        f"the file of {id} changed since it was indexed, and is not the one that was found; add it to the index anew"
    )
    return Refused(HTTPStatus.GONE, reason)


def _elsewhere(id: str, media: Media, allowed: tuple[Path, ...]) -> Refused:
    if place(media.path.parent / "_", media.file, folders(allowed)) is not None:  # what lies beside it is served
        return Refused(HTTPStatus.FORBIDDEN, f"{id} is a link to another place, which is not served; index that place")
    known = "the index does not say what the file was, and it" if media.file is None else "its file"
    reason = (
        f"{id} is not shown: {known} lies in no folder that this server may show; who runs it allows one with "
        "`avgzsl serve INDEX --media FOLDER`"
    )
    return Refused(HTTPStatus.NOT_FOUND, reason)
