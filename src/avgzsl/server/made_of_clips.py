"""What is made of a clip to show it: kept, and made once for all who ask."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from avgzsl.archive.indexed_files import identity
from avgzsl.errors import MediaError
from avgzsl.server.contract import Media
from avgzsl.server.opened_files import find, indexed_file
from avgzsl.server.problems import busy
from avgzsl.server.service import Service

_MAKINGS = 3  # of a preview that others drive out before it is opened


async def made(service: Service, id: str, kind: str, make: Callable[[Media, Path, Path], object]) -> BinaryIO:
    """What is made of a clip to show it, opened: kept, or made now, once for all who ask meanwhile.

    Raises what `find` raises, MediaError for a clip that cannot be decoded, 429 where no room can be found to keep it,
    or the clip changed while it was decoded.
    """
    media, _, status = await service.searches.run(find, service, id)
    here = identity(status)
    key = kind, media.path, media.span, media.file, here

    def checked(out: Path) -> None:
        with indexed_file(service, id) as (_, path):
            make(media, path, out)
        if identity(find(service, id)[2]) != here:
            raise busy("the clip has changed meanwhile; ask again")

    def work() -> None:
        try:
            service.kept.make(key, checked)
        except MediaError:
            find(service, id)  # it may have gone since, which says more
            raise

    async def in_line() -> None:
        await service.clips.run(work)

    opened = service.kept.open(key)
    for _ in range(_MAKINGS):
        if opened is not None:
            return opened
        await service.shared.get(key, in_line)
        opened = service.kept.open(key)
    if opened is None:
        raise busy(f"the {kind} is driven out by others as soon as it is made; ask again")
    return opened
