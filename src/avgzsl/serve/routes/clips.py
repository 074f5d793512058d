"""The clips of the archive: a list, their files, what a page shows of them. Files are found by the clip's id alone."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import FileResponse

from avgzsl.errors import MediaError
from avgzsl.media.preview import preview, thumbnail
from avgzsl.serve.archive import Media
from avgzsl.serve.kinds import media_type
from avgzsl.serve.problems import Refused, described
from avgzsl.serve.schema import Clips
from avgzsl.serve.service import Service, Serving

router = APIRouter(tags=["clips"])

Id = Annotated[str, Query(min_length=1, max_length=4096, description="A clip of the archive.")]
_KEEP = {"cache-control": "private, max-age=3600"}


def _file(*types: str) -> dict[int | str, dict[str, object]]:
    return {200: {"description": "The file.", "content": {kind: {} for kind in types}}}


@router.get("/v1/clips", responses=described(401, 422, 429, 503))
async def clips(
    service: Serving,
    offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 24,
    where: Annotated[str | None, Query(max_length=1000, description="Only clips that meet this.")] = None,
) -> Clips:
    """A page of the list of clips."""
    total, rows = await service.searches.run(service.archive.clips, offset, limit, where)
    return Clips(total=total, offset=offset, clips=rows)


@router.get(
    "/v1/clips/file",
    response_class=FileResponse,
    responses=_file("video/*", "audio/*", "image/*", "application/octet-stream")
    | described(401, 403, 404, 410, 422, 429, 503),
)
async def file(service: Serving, id: Id) -> FileResponse:
    """The file of a clip as it is, or the ranges of it that are asked for."""
    media = await service.searches.run(find, service, id)
    return FileResponse(media.path, media_type=media_type(media.path.name) or "application/octet-stream", headers=_KEEP)


@router.get(
    "/v1/clips/preview",
    response_class=FileResponse,
    responses=_file("video/mp4") | described(401, 403, 404, 410, 422, 429, 503),
)
async def clip_preview(service: Serving, id: Id) -> FileResponse:
    """The clip as mp4 of H.264 and AAC, small, a minute of it at most."""

    def make(media: Media, out: Path) -> None:
        service.decoders.call(preview, media.path, out, media.span)

    return FileResponse(await _made(service, id, "preview", make), media_type="video/mp4", headers=_KEEP)


@router.get(
    "/v1/clips/thumbnail",
    response_class=FileResponse,
    responses=_file("image/jpeg") | described(401, 403, 404, 410, 422, 429, 503),
)
async def clip_thumbnail(service: Serving, id: Id) -> FileResponse:
    """A picture from the middle of the clip."""

    def make(media: Media, out: Path) -> None:
        if not media.has_video:
            raise Refused(HTTPStatus.NOT_FOUND, "the clip has no picture")
        out.write_bytes(service.decoders.call(thumbnail, media.path, media.span))

    return FileResponse(await _made(service, id, "thumbnail", make), media_type="image/jpeg", headers=_KEEP)


async def _made(service: Service, id: str, kind: str, make: Callable[[Media, Path], object]) -> Path:
    """The picture or preview of a clip: kept, or made now, once for all who ask meanwhile."""
    media = await service.searches.run(find, service, id)
    status = media.path.stat()
    key = kind, media.path, media.span, status.st_mtime_ns, status.st_size

    def work() -> Path:
        try:
            return service.kept.make(key, partial(make, media))
        except MediaError as problem:  # where the file lies is the server's own affair
            raise MediaError(str(problem).replace(str(media.path), id)) from problem

    async def made() -> Path:
        return await service.clips.run(work)

    there = service.kept.find(key)
    return await service.shared.get(key, made) if there is None else there


def find(service: Service, id: str) -> Media:
    """The file of a clip. Raises 404, 410 where it has gone, 403 where it has become a link to somewhere else."""
    media = service.archive.media(id)
    try:
        real = media.path.resolve(strict=True)
    except OSError as problem:
        raise Refused(
            HTTPStatus.GONE, f"the file of {id} is gone; put it back, or take it out of the index"
        ) from problem
    if real != media.path:
        raise Refused(HTTPStatus.FORBIDDEN, f"{id} is a link to another place, which is not served; index that place")
    if not real.is_file():
        raise Refused(HTTPStatus.GONE, f"{id} is no file any more; put it back, or take it out of the index")
    return media
