"""The clips of the archive: a list, their files, what a page shows of them. Files are found by the clip's id alone."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from avgzsl.archive.clip_order import Sort
from avgzsl.media.preview import preview, thumbnail
from avgzsl.server.content_types import media_type
from avgzsl.server.contract import ListPlace, Media
from avgzsl.server.made_of_clips import made
from avgzsl.server.opened_files import open_clip, vouch
from avgzsl.server.problems import Refused, described
from avgzsl.server.routes.parameters import Id, Where
from avgzsl.server.schema import Clips, Facets, OneClip
from avgzsl.server.sending import FileAnswer
from avgzsl.server.service import Serving
from avgzsl.types import TestModality

router = APIRouter(tags=["clips"])

ByModality = Annotated[
    TestModality | None, Query(description="By what of the clip names are near; by each that it has, if not given.")
]
_SMALL, _LARGE = 320, 960  # pixels of the longer side of a thumbnail


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
    group: Annotated[
        Literal["file"] | None,
        Query(
            description="`file`: the clips of one file are one entry, where the first of them stands; `limit` then "
            "counts files, and pages follow each other by `after` alone."
        ),
    ] = None,
) -> Clips:
    """A page of the list of clips."""
    place = ListPlace(after, offset, limit, sort, descending, group)
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
        await vouch(service, id, media, opened)
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
