"""The clips of the archive: a list, their files, what a page shows of them. Files are found by the clip's id alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EINVAL, ELOOP
from http import HTTPStatus
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from avgzsl.archive.clip_order import Sort
from avgzsl.archive.indexed_files import HashTimeout, has_bytes, identity
from avgzsl.errors import MediaError
from avgzsl.media.preview import preview, thumbnail
from avgzsl.media.sniffing import require_media
from avgzsl.server.content_types import media_type
from avgzsl.server.contract import ListPlace, Media
from avgzsl.server.handed_out import folders, place
from avgzsl.server.problems import Refused, busy, described
from avgzsl.server.routes.parameters import Id, Where
from avgzsl.server.schema import Clips, Facets, OneClip
from avgzsl.server.sending import FileAnswer
from avgzsl.server.service import Service, Serving, known_as
from avgzsl.support.own_folders import open_inside
from avgzsl.types import TestModality

router = APIRouter(tags=["clips"])

ByModality = Annotated[
    TestModality | None, Query(description="By what of the clip names are near; by each that it has, if not given.")
]
_SMALL, _LARGE = 320, 960  # pixels of the longer side of a thumbnail
_MAKINGS = 3  # of a preview that others drive out before it is opened
_VOUCHED = 1 << 16  # files that were looked into


def _file(*types: str) -> dict[int | str, dict[str, object]]:
    content: dict[str, object] = {kind: {} for kind in types}
    return {
        200: {"description": "The file.", "content": content},
        206: {"description": "The range of it that was asked for.", "content": content},
    }


@router.get("/v1/clips", responses=described(401, 422))
async def clips(
    service: Serving,
    after: Annotated[
        int,
        Query(ge=-1, le=1 << 40, description="`next` of the page before, in the same order of the same clips."),
    ] = -1,
    offset: Annotated[int, Query(ge=0, le=1 << 40, description="So many clips are passed over.")] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 24,
    where: Where = None,
    sort: Annotated[
        Sort, Query(description="The order; of equal clips, the one that was indexed first comes first.")
    ] = "indexed",
    descending: Annotated[bool, Query(description="Last first; what is not known comes last all the same.")] = False,
) -> Clips:
    """A page of the list of clips."""
    place = ListPlace(after, offset, limit, sort, descending)
    return await service.searches.run(service.archive.clips, place, where)


@router.get("/v1/facets", responses=described(401, 422))
async def facets(service: Serving, where: Where = None) -> Facets:
    """The values that clips have, and how many have each: what a list or a search can be narrowed down to."""
    return await service.searches.run(service.archive.facets, where)


@router.get("/v1/clips/one", responses=described(401, 404, 422))
async def one(service: Serving, id: Id, modality: ByModality = None) -> OneClip:
    """A clip with all that is known of it: the names that are nearest to it, and the clips of the same file."""
    return await service.searches.run(service.archive.one, id, modality)


@router.get(
    "/v1/clips/file",
    response_class=StreamingResponse,
    responses=_file("video/*", "audio/*", "image/*", "application/octet-stream")
    | described(401, 403, 404, 410, 416, 422),
)
async def file(service: Serving, request: Request, id: Id) -> FileAnswer:
    """The file of a clip as it is, or the range of it that is asked for."""
    media, opened = await service.searches.run(open_clip, service, id)
    try:
        await _vouched(service, id, media, opened)
    except BaseException:
        opened.close()
        raise
    return FileAnswer(opened, media_type(media.path.name) or "application/octet-stream", request.headers)


@router.get(
    "/v1/clips/preview",
    response_class=StreamingResponse,
    responses=_file("video/mp4") | described(401, 403, 404, 410, 416, 422),
)
async def clip_preview(service: Serving, request: Request, id: Id) -> FileAnswer:
    """The clip as mp4 of H.264 and AAC, small, a minute of it at most."""

    def make(media: Media, opened: Path, out: Path) -> None:
        service.decoders.call(preview, opened, out, media.span)

    return FileAnswer(await made(service, id, "preview", make), "video/mp4", request.headers)


@router.get(
    "/v1/clips/thumbnail",
    response_class=StreamingResponse,
    responses=_file("image/jpeg") | described(401, 403, 404, 410, 416, 422),
)
async def clip_thumbnail(
    service: Serving,
    request: Request,
    id: Id,
    large: Annotated[bool, Query(description="Its longer side has 960 pixels or less, not 320.")] = False,
) -> FileAnswer:
    """A picture from the middle of the clip."""

    def make(media: Media, opened: Path, out: Path) -> None:
        if not media.has_video:
            raise Refused(HTTPStatus.NOT_FOUND, "the clip has no picture")
        out.write_bytes(service.decoders.call(thumbnail, opened, media.span, _LARGE if large else _SMALL))

    kind = "large thumbnail" if large else "thumbnail"
    return FileAnswer(await made(service, id, kind, make), "image/jpeg", request.headers)


async def _vouched(service: Service, id: str, media: Media, opened: BinaryIO) -> None:
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


async def made(service: Service, id: str, kind: str, make: Callable[[Media, Path, Path], object]) -> BinaryIO:
    """What is made of a clip to show it, opened: kept, or made now, once for all who ask meanwhile.

    Raises what `find` raises, MediaError for a clip that cannot be decoded, 429 where no room can be found to keep it,
    or the clip changed while it was decoded.
    """
    media, _, status = await service.searches.run(find, service, id)
    here = identity(status)
    key = kind, media.path, media.span, media.file, here

    def checked(out: Path) -> None:
        with indexed_file(service, id) as (_, path):
            make(media, path, out)
        if identity(find(service, id)[2]) != here:
            raise busy("the clip has changed meanwhile; ask again")

    def work() -> None:
        try:
            service.kept.make(key, checked)
        except MediaError:
            find(service, id)  # it may have gone since, which says more
            raise

    async def in_line() -> None:
        await service.clips.run(work)

    opened = service.kept.open(key)
    for _ in range(_MAKINGS):
        if opened is not None:
            return opened
        await service.shared.get(key, in_line)
        opened = service.kept.open(key)
    if opened is None:
        raise busy(f"the {kind} is driven out by others as soon as it is made; ask again")
    return opened


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
