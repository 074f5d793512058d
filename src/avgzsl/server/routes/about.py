"""What the server is and what it holds."""

from fastapi import APIRouter
from starlette.responses import Response

from avgzsl.server.icon import icon
from avgzsl.server.problems import described
from avgzsl.server.schema import Health, Info, Limits, RunTables
from avgzsl.server.service import Serving

router = APIRouter(tags=["about"])


@router.get("/v1/health")
async def health(service: Serving) -> Health:
    """The server answers, and says whose it is by the random id of the index. Needs no token."""
    return Health(archive=service.archive.identity)


@router.get("/v1/info", responses=described(401))
async def info(service: Serving) -> Info:
    """The archive, the run that made it, and what may be asked."""
    description = await service.searches.run(service.archive.describe)
    limits = Limits(upload_bytes=service.settings.upload_bytes, clip_seconds=service.settings.clip_seconds)
    told = description.model_dump()
    told["name"] = service.settings.archive_name or description.name
    return Info(**told, limits=limits, private=service.access.token is not None)


@router.get("/v1/icon", responses=described(401) | {200: {"content": {"image/svg+xml": {}}}}, response_class=Response)
async def icon_of(service: Serving) -> Response:
    """An icon by which the archive can be told from others: of its name the first letter and a colour."""
    description = await service.searches.run(service.archive.describe)
    return Response(icon(description.name), media_type="image/svg+xml")


@router.get("/v1/run", responses=described(401))
async def run(service: Serving) -> RunTables:
    """The run's settings, its evaluation and its training."""
    return await service.searches.run(service.archive.tables)


@router.get("/metrics", responses=described(401) | {200: {"content": {"text/plain": {}}}}, response_class=Response)
async def metrics(service: Serving) -> Response:
    """Figures for Prometheus."""
    return Response(service.figures.text(), media_type="text/plain; version=0.0.4")
