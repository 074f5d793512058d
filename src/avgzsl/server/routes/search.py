"""Words or a clip to clips, and a clip to classes. Clips are sent as the bare body of the request."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Query, Request

from avgzsl.server.contract import HitChoice, Search
from avgzsl.server.problems import described
from avgzsl.server.routes.parameters import Id, Modality, Scores, Where
from avgzsl.server.schema import Hits, Recognised
from avgzsl.server.service import Service, Serving, check_length, known_as, uploaded
from avgzsl.server.shares import caller
from avgzsl.types import TestModality

router = APIRouter(tags=["search"])
T = TypeVar("T")

_LONGEST = 1000
_CLIP: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The bytes of a clip: a video, a sound or a picture.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
By = Annotated[
    TestModality,
    Query(description="What of the clip asked with counts (its sound can find pictures); `both` is all there is."),
]


async def _choice(  # else it would be called in a thread
    k: Annotated[int, Query(ge=1, le=200, description="How many hits.")] = 24,
    offset: Annotated[int, Query(ge=0, le=10_000, description="So many of the nearest hits are passed over.")] = 0,
    group: Annotated[
        Literal["file"] | None,
        Query(
            description="`file`: the clips of one file are one hit; `k` and `offset` then count files. At most 20,000 "
            "of the nearest clips are looked at."
        ),
    ] = None,
    modality: Modality = None,
    where: Where = None,
    retrieval: Scores = None,
) -> HitChoice:
    return HitChoice(k, modality, where, retrieval, offset, group)


Choice = Annotated[HitChoice, Depends(_choice)]


@router.get("/v1/search", responses=described(401, 422))
async def search(
    service: Serving,
    choice: Choice,
    q: Annotated[str, Query(min_length=1, max_length=_LONGEST, description="A phrase, as `church bell`.")],
    without: Annotated[
        str | None, Query(alias="not", min_length=1, max_length=_LONGEST, description="A phrase to stay away from.")
    ] = None,
) -> Hits:
    """The clips nearest to a phrase; with `not`, to the phrase less what another says, as vectors."""
    return await service.search(Search(choice, q, without))


@router.get("/v1/clips/like", responses=described(401, 404, 422))
async def search_like(
    service: Serving,
    choice: Choice,
    id: Id,
    by: By = "both",
) -> Hits:
    """The clips nearest to a clip of the archive."""
    return await service.search(Search(choice, like=id, by=by))


@router.post("/v1/search", responses=described(400, 401, 408, 413, 422), openapi_extra=_CLIP)
async def search_clip(service: Serving, request: Request, choice: Choice, by: By = "both") -> Hits:
    """The clips nearest to one that is sent."""

    def ask(path: Path) -> Hits:
        return service.archive.search_clip(path, by, choice)

    return await _of_upload(service, request, ask)


@router.post("/v1/classify", responses=described(400, 401, 408, 413, 422), openapi_extra=_CLIP)
async def classify(
    service: Serving,
    request: Request,
    name: Annotated[
        list[str] | None,
        Query(
            max_length=500,
            description="Names to choose from; if none, the run's classes; where it has none, everyday phrases.",
        ),
    ] = None,
    top: Annotated[int, Query(ge=1, le=100, description="How many classes.")] = 5,
) -> Recognised:
    """The classes nearest to a clip that is sent."""

    def ask(path: Path) -> Recognised:
        return service.archive.classify(path, name, top)

    return await _of_upload(service, request, ask)


async def _of_upload(service: Service, request: Request, ask: Callable[[Path], T]) -> T:
    """What `ask` gives for the clip in the body of a request. Raises 429, 413, 408, 400 or 422 for the body."""
    # before the body is read: whoever finds no place leaves nothing on the disk
    with service.uploads.place(caller(request.scope)) as place:
        async with uploaded(service, request) as path:

            def work() -> T:
                with known_as("the clip", path):
                    check_length(service, path)
                    return ask(path)

            return await place.run(work)
