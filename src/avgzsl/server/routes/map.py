"""The archive in the plane, and its clusters."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from avgzsl.server import projection
from avgzsl.server.map_schema import Clusters, Map
from avgzsl.server.problems import described
from avgzsl.server.routes.parameters import Id, Modality
from avgzsl.server.schema import ClipRow
from avgzsl.server.service import Serving

router = APIRouter(tags=["map"])
_JSON = "application/json"


@router.get("/v1/map", response_model=Map, responses=described(401, 422))
async def map_of(
    service: Serving,
    modality: Modality = None,
    most: Annotated[int, Query(ge=4, le=100_000, description="Clips drawn at most.")] = 1000,
) -> Response:
    """Clips and class names in the plane, by t-SNE: near in the space of the run is near on the map.

    It is made once for an archive as it stands, which takes seconds.
    """

    async def make() -> bytes:
        return await service.searches.run(projection.map_of, service.archive, modality, most)

    return Response(await service.shared.get(("map", modality, most), make), media_type=_JSON)


@router.get("/v1/clusters", response_model=Clusters, responses=described(401, 422))
async def clusters(service: Serving, modality: Modality = None) -> Response:
    """The clusters that the map shows, counted among a few thousand clips: what is in the archive, at a glance."""

    async def make() -> bytes:
        return await service.searches.run(projection.clusters_of, service.archive, modality)

    return Response(await service.shared.get(("clusters", modality), make), media_type=_JSON)


@router.get("/v1/clips/some", responses=described(401, 422))
async def some_clips(
    service: Serving, id: Annotated[list[Id], Query(min_length=1, max_length=48, description="Clips of the archive.")]
) -> list[ClipRow]:
    """The clips of these ids that are there, in their order."""
    return await service.searches.run(service.archive.rows_there, id)
