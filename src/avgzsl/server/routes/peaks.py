"""The sound of a clip, as the page draws it."""

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from avgzsl.media.peaks import peaks
from avgzsl.server.contract import Media
from avgzsl.server.made_of_clips import made
from avgzsl.server.problems import Refused, described
from avgzsl.server.routes.parameters import Id
from avgzsl.server.schema import Peaks
from avgzsl.server.sending import FileAnswer
from avgzsl.server.service import Serving

router = APIRouter(tags=["clips"])

_DIGITS = 3  # of a value in [-1, 1]: a thousandth is less than a pixel


@router.get(
    "/v1/clips/peaks",
    response_class=StreamingResponse,
    responses={200: {"model": Peaks, "description": "The peaks."}, **described(401, 403, 404, 410, 416, 422)},
)
async def clip_peaks(service: Serving, request: Request, id: Id) -> FileAnswer:
    """The least and the greatest sample of each of 400 equal parts of a clip's sound, which draw its waveform."""

    def make(media: Media, opened: Path, out: Path) -> None:
        found = service.decoders.call(peaks, opened, media.span)
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, "the clip has no sound")
        parts = [(round(float(least), _DIGITS), round(float(greatest), _DIGITS)) for least, greatest in found.parts]
        out.write_text(Peaks(start=found.start, seconds=found.seconds, peaks=parts).model_dump_json())

    return FileAnswer(await made(service, id, "peaks", make), "application/json", request.headers)
