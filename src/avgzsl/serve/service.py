"""What the routes share: the archive, and the lines in which work on it waits."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import anyio
from fastapi import Depends, Request

from avgzsl.errors import MediaError
from avgzsl.media.decode import probe
from avgzsl.media.workers import Decoders
from avgzsl.serve.archive import Archive
from avgzsl.serve.journal import Figures
from avgzsl.serve.kept import Kept
from avgzsl.serve.limits import Line, Shared
from avgzsl.serve.problems import Refused
from avgzsl.serve.settings import Settings

_SEARCHES_WAITING, _CLIPS_WAITING = 64, 64


@dataclass(frozen=True, eq=False)
class Service:
    """Searches and clips wait in lines of their own: a slow clip keeps no search waiting."""

    archive: Archive
    settings: Settings
    decoders: Decoders
    figures: Figures
    kept: Kept
    searches: Line
    clips: Line
    shared: Shared


@contextmanager
def started(archive: Archive, settings: Settings, decoders: Decoders) -> Iterator[Service]:
    """A service, whose calls have ended and whose files are gone when it is left."""
    searches = Line("search", os.cpu_count() or 1, _SEARCHES_WAITING)
    clips = Line("clip", settings.decoders, _CLIPS_WAITING)
    kept = Kept(settings.kept_bytes)
    try:
        yield Service(archive, settings, decoders, Figures(), kept, searches, clips, Shared())
    finally:
        searches.close()
        clips.close()
        kept.close()


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


Serving = Annotated[Service, Depends(_service)]


@asynccontextmanager
async def uploaded(request: Request, service: Service) -> AsyncIterator[Path]:
    """The body as a file of a folder of its own, which goes again. Raises 413 for one too large, 422 for none."""
    with tempfile.TemporaryDirectory(prefix="avgzsl-upload-") as folder:
        path = Path(folder) / "clip"
        async with await anyio.open_file(path, "wb") as file:
            async for piece in request.stream():
                await file.write(piece)
        if not path.stat().st_size:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is empty; send the bytes of a clip")
        yield path


def check_length(service: Service, path: Path) -> None:
    """Raises MediaError for what is no clip, or a clip that is too long."""
    seconds, most = service.decoders.call(probe, path)["duration"], service.settings.clip_seconds
    if seconds is not None and seconds > most:
        raise MediaError(f"{path}: is {seconds:.0f} s long; at most {most:g} s are taken, cut a piece out of it")
