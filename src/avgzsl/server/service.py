"""What the routes share: the archive, and the lines in which work on it waits."""

import os
import tempfile
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import anyio
from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from avgzsl.errors import MediaError
from avgzsl.media.decode import probe
from avgzsl.media.workers import Decoders
from avgzsl.server.access import Access, access_of
from avgzsl.server.batching import Together
from avgzsl.server.contract import Archive, Search
from avgzsl.server.kept import Kept
from avgzsl.server.limits import Shared, WaitingLine
from avgzsl.server.problems import Refused
from avgzsl.server.request_log import Figures
from avgzsl.server.schema import Hits
from avgzsl.server.scratch import Scratch, scratch
from avgzsl.server.settings import Settings

_SEARCHES_WAITING, _CLIPS_WAITING = 64, 64
_USUAL_RATE = 48_000  # of sound, samples a second; of a higher one less is taken
_UPLOADS_WAITING = 16  # each may lie on the disk, as large as an upload may be
_EXPORTS_WAITING = 3  # each may take all the time that an answer has


@dataclass(frozen=True, eq=False)
class Service:
    """Searches, the archive's clips, uploads and exports of cut files wait in lines of their own: a slow one keeps no
    other kind waiting."""

    archive: Archive
    settings: Settings
    access: Access
    decoders: Decoders
    scratch: Scratch
    figures: Figures
    kept: Kept
    searches: WaitingLine
    clips: WaitingLine
    uploads: WaitingLine
    exports: WaitingLine
    shared: Shared
    together: Together[Search, Hits]
    vouched: dict[Hashable, None] = field(default_factory=dict)
    """Files that were looked into and may be sent (`opened_files`)."""

    async def search(self, asked: Search) -> Hits:
        """The hits of a search; with those that wait as well, unless the settings say otherwise."""
        if self.settings.batching == "on":
            return await self.together.run(asked)
        return await self.searches.run(self.archive.search, asked)


@contextmanager
def started(archive: Archive, settings: Settings, decoders: Decoders) -> Iterator[Service]:
    """A service. When it is left its decoders have ended, and its calls, and its files are gone."""
    searches = WaitingLine("search", os.cpu_count() or 1, _SEARCHES_WAITING)
    clips = WaitingLine("clip", settings.decoders, _CLIPS_WAITING)
    uploads = WaitingLine("upload", settings.decoders, _UPLOADS_WAITING, settings.address_share)
    exports = WaitingLine("export", 1, _EXPORTS_WAITING, settings.address_share)
    lines = searches, clips, uploads, exports
    with scratch() as folder, archive.kept_open(), ExitStack() as ends:
        for line in lines:
            ends.callback(line.close)
        ends.enter_context(decoders)  # ended first: calls that wait for them end then, too
        for line in lines:
            ends.callback(line.stop)
        together = Together(searches, archive.search_many)
        ends.callback(together.close)
        kept = Kept(folder, settings.kept_bytes)
        access = access_of(settings)
        yield Service(archive, settings, access, decoders, folder, Figures(), kept, *lines, Shared(), together)


async def _service(request: Request) -> Service:  # else it would be called in a thread
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_service)]


@asynccontextmanager
async def uploaded(service: Service, request: Request) -> AsyncIterator[Path]:
    """The body as a file of a folder of its own, which goes again.

    Raises 413 for one too large, 408 for one that comes too slowly, 422 for none, 400 where the caller went away before
    its end.
    """
    with tempfile.TemporaryDirectory(prefix="avgzsl-upload-", dir=service.scratch.folder()) as folder:
        path = Path(folder) / "clip"
        async with await anyio.open_file(path, "wb") as file:
            try:
                async for piece in request.stream():
                    await file.write(piece)
            except ClientDisconnect as gone:
                raise Refused(HTTPStatus.BAD_REQUEST, "the clip ended before it was whole; send it again") from gone
        if not path.stat().st_size:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is empty; send the bytes of a clip")
        yield path


@contextmanager
def known_as(name: str, path: Path) -> Iterator[None]:
    """Where a file lies is the server's own affair: in a MediaError it has this name instead."""
    try:
        yield
    except MediaError as problem:
        raise type(problem)(str(problem).replace(str(path), name)) from problem


def check_length(service: Service, path: Path) -> None:
    """Raises MediaError for what is no clip, a clip that is too long, or whose sound has too many samples to decode."""
    streams, most = service.decoders.call(probe, path), service.settings.clip_seconds
    seconds, sound = streams["duration"], streams["audio"]
    if seconds is not None and seconds > most:
        raise MediaError(f"{path}: is {seconds:.0f} s long; at most {most:g} s are taken, cut a piece out of it")
    if seconds is not None and sound is not None:
        heard = min(seconds, service.archive.heard())
        if heard * sound["rate"] > most * _USUAL_RATE:
            raise MediaError(
                f"{path}: {heard:.0f} s of its sound at {sound['rate']:,} samples a second are too much; at most "
                f"{most * _USUAL_RATE / sound['rate']:.0f} s of such a sound are taken, cut a piece out of it"
            )
