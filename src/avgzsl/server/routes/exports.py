"""Clips to be taken along."""

import asyncio
from concurrent.futures import Future
from http import HTTPStatus
from threading import Event
from typing import Annotated, BinaryIO, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.responses import Response

from avgzsl.server.exporting import as_playlist, as_table, as_zip
from avgzsl.server.problems import described
from avgzsl.server.sending import FileAnswer
from avgzsl.server.service import Service, Serving
from avgzsl.server.shares import caller

router = APIRouter(tags=["clips"])
PATH = "/v1/clips/export"
_TYPES = {"csv": "text/csv", "m3u": "audio/x-mpegurl", "cut": "application/zip"}
_FILE: dict[int | str, dict[str, object]] = {
    HTTPStatus.OK: {"description": "The file.", "content": {kind: {} for kind in _TYPES.values()}}
}
Id = Annotated[str, Field(min_length=1, max_length=4096)]


class Export(BaseModel):
    """Which clips, and as what."""

    model_config = ConfigDict(extra="forbid")
    ids: list[Id] = Field(min_length=1, max_length=1000, description="Clips of the archive, in this order.")
    kind: Literal["csv", "m3u", "cut"] = Field(
        description="`csv`: a table. `m3u`: a playlist with the seconds of each clip. `cut`: a zip of the clips, cut "
        "out of their files as mp4 or flac, pictures as they are, and a table of them."
    )


@router.post(PATH, response_class=Response, responses=_FILE | described(400, 401, 404, 408, 413, 422))
async def export(asked: Export, request: Request, service: Serving) -> Response:
    """Clips to be taken along, as a file. Clips whose file is not handed out are in tables alone."""
    ids = list(dict.fromkeys(asked.ids))
    answer: Response
    if asked.kind == "cut":
        answer = FileAnswer(await _zip(service, ids, caller(request.scope)), _TYPES["cut"], Headers(), keep="no-store")
    else:

        def write() -> str:
            if asked.kind == "m3u":
                return as_playlist(service, ids, str(request.base_url))
            return as_table(service.archive.rows(ids))

        answer = Response(await service.searches.run(write), media_type=_TYPES[asked.kind])
    ending = "zip" if asked.kind == "cut" else asked.kind
    answer.headers["content-disposition"] = f'attachment; filename="clips.{ending}"'
    return answer


async def _zip(service: Service, ids: list[str], address: str) -> BinaryIO:
    """The zip, opened; where the caller goes it is made no further, and closed."""
    stop = Event()
    with service.exports.place(address) as place:
        try:
            return await place.run(as_zip, service, ids, stop)
        except asyncio.CancelledError:
            stop.set()
            if place.begun is not None:
                place.begun.add_done_callback(_close)
            raise


def _close(made: "Future[BinaryIO]") -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().close()
