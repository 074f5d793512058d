"""The clips of the archive: a list, their files, what a page shows of them. Files are found by the clip's id alone."""

import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from avgzsl.errors import MediaError
from avgzsl.media.preview import preview, thumbnail
from avgzsl.serve.archive import Media
from avgzsl.serve.kinds import media_type
from avgzsl.serve.problems import Refused, busy, described
from avgzsl.serve.routes.parameters import Id, Where
from avgzsl.serve.schema import Clips
from avgzsl.serve.sending import FileAnswer
from avgzsl.serve.service import Service, Serving, known_as

router = APIRouter(tags=["clips"])

_MAKINGS = 3  # of a preview that others drive out before it is opened


def _file(*types: str) -> dict[int | str, dict[str, object]]:
    content: dict[str, object] = {kind: {} for kind in types}
    return {
        200: {"description": "The file.", "content": content},
        206: {"description": "The range of it that was asked for.", "content": content},
    }


@router.get("/v1/clips", responses=described(401, 422))
async def clips(
    service: Serving,
    offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 24,
    where: Where = None,
) -> Clips:
    """A page of the list of clips."""
    total, rows = await service.searches.run(service.archive.clips, offset, limit, where)
    return Clips(total=total, offset=offset, clips=rows)


@router.get(
    "/v1/clips/file",
    response_class=StreamingResponse,
    responses=_file("video/*", "audio/*", "image/*", "application/octet-stream")
    | described(401, 403, 404, 410, 416, 422),
)
async def file(service: Serving, request: Request, id: Id) -> FileAnswer:
    """The file of a clip as it is, or the range of it that is asked for."""
    media, opened = await service.searches.run(open_clip, service, id)
    return FileAnswer(opened, media_type(media.path.name) or "application/octet-stream", request.headers)


@router.get(
    "/v1/clips/preview",
    response_class=StreamingResponse,
    responses=_file("video/mp4") | described(401, 403, 404, 410, 416, 422),
)
async def clip_preview(service: Serving, request: Request, id: Id) -> FileAnswer:
    """The clip as mp4 of H.264 and AAC, small, a minute of it at most."""

    def make(media: Media, out: Path) -> None:
        service.decoders.call(preview, media.path, out, media.span)

    return FileAnswer(await _made(service, id, "preview", make), "video/mp4", request.headers)


@router.get(
    "/v1/clips/thumbnail",
    response_class=StreamingResponse,
    responses=_file("image/jpeg") | described(401, 403, 404, 410, 416, 422),
)
async def clip_thumbnail(service: Serving, request: Request, id: Id) -> FileAnswer:
    """A picture from the middle of the clip."""

    def make(media: Media, out: Path) -> None:
        if not media.has_video:
            raise Refused(HTTPStatus.NOT_FOUND, "the clip has no picture")
        out.write_bytes(service.decoders.call(thumbnail, media.path, media.span))

    return FileAnswer(await _made(service, id, "thumbnail", make), "image/jpeg", request.headers)


async def _made(service: Service, id: str, kind: str, make: Callable[[Media, Path], object]) -> BinaryIO:
    """The picture or preview of a clip, opened: kept, or made now, once for all who ask meanwhile.

    Raises what `find` raises, MediaError for a clip that cannot be decoded, 429 where no room can be found to keep it,
    or the clip changed while it was decoded.
    """
    media, status = await service.searches.run(find, service, id)
    key = kind, media.path, media.span, status.st_mtime_ns, status.st_size

    def checked(out: Path) -> None:
        make(media, out)
        now = find(service, id)[1]
        if (now.st_ino, now.st_mtime_ns, now.st_size) != (status.st_ino, status.st_mtime_ns, status.st_size):
            raise busy("the clip has changed meanwhile; ask again")

    def work() -> None:
        try:
            with known_as(id, media.path):
                service.kept.make(key, checked)
        except MediaError:
            find(service, id)  # it may have gone since, which says more
            raise

    async def made() -> None:
        await service.clips.run(work)

    there = service.kept.open(key)
    for _ in range(_MAKINGS):
        if there is not None:
            return there
        await service.shared.get(key, made)
        there = service.kept.open(key)
    if there is None:
        raise busy(f"the {kind} is driven out by others as soon as it is made; ask again")
    return there


def find(service: Service, id: str) -> tuple[Media, os.stat_result]:
    """The file of a clip, as it is now. Raises 404, 410 where it has gone, 403 where it is a link to somewhere else."""
    media = service.archive.media(id)
    return media, _status(media.path, id)


def _status(path: Path, id: str) -> os.stat_result:
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError) as problem:  # RuntimeError: a link to itself
        raise _gone(id) from problem
    if real != path:
        raise Refused(HTTPStatus.FORBIDDEN, f"{id} is a link to another place, which is not served; index that place")
    if not S_ISREG(status.st_mode):
        raise Refused(HTTPStatus.GONE, f"{id} is no file any more; put it back, or take it out of the index")
    return status


def open_clip(service: Service, id: str) -> tuple[Media, BinaryIO]:
    """The file of a clip, opened.

    Raises what `find` raises, 503 where the server may not read it, 429 where another is being put in its place.
    """
    media, _ = find(service, id)
    try:
        opened = media.path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise _gone(id) from problem
    except OSError as problem:
        reason = f"the server cannot read the file of {id} ({problem.strerror}); give it the right to, or ask later"
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, reason) from problem
    try:
        # a link may have been put there after `find` looked
        if not os.path.samestat(os.fstat(opened.fileno()), _status(media.path, id)):
            raise busy(f"the file of {id} is just being replaced; ask again")
    except BaseException:
        opened.close()
        raise
    return media, opened


def _gone(id: str) -> Refused:
    return Refused(HTTPStatus.GONE, f"the file of {id} is gone; put it back, or take it out of the index")
