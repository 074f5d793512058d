"""Which files of an archive are handed out.

An index may be somebody else's, and names any path. What is handed out lies in a folder that this machine's user named
(`own_folders`), or that `serve --media` allows, without a link that leads out of it, and is the file that was indexed.
Where the index does not say what that was, `--media` alone allows it.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from avgzsl.archive.indexed_files import IndexedFile, state
from avgzsl.server.schema import FileStatus
from avgzsl.support import own_folders

_HASHED = 16 << 20  # bytes of a file that is compared for a list, as its time is another
_STATUS: dict[str, FileStatus] = {"gone": "gone", "changed": "changed"}


class Folders(NamedTuple):
    """Those that the user named, and those that `--media` allows; without links."""

    own: tuple[Path, ...]
    media: tuple[Path, ...]

    def of(self, file: IndexedFile | None) -> tuple[Path, ...]:
        """Where a file may lie, of which this is known."""
        return self.media if file is None else (*self.own, *self.media)


def folders(media: Iterable[Path]) -> Folders:
    """Those of this user as they are now, and those that `--media` allows."""
    return Folders(own_folders.remembered(), tuple(media))


def place(path: Path | str, file: IndexedFile | None, allowed: Folders) -> tuple[Path, Path] | None:
    """The path without links, and the folder that allows it; None where none does."""
    try:
        real = Path(os.path.realpath(path))
    except (OSError, ValueError):
        return None
    folder = own_folders.covering(real, allowed.of(file)) if os.path.isabs(path) else None  # noqa: PTH117
    return None if folder is None else (real, folder)


def status(path: str | None, file: IndexedFile | None, allowed: Folders) -> FileStatus:
    """What a list says of the file of a clip. Nothing is looked up of one that lies elsewhere."""
    if path is None:
        return "none"
    placed = place(path, file, allowed)
    if placed is None:
        return "elsewhere"
    real, _ = placed
    return _STATUS.get(state(real, file, _HASHED), "shown")


def of_other_places(paths: Iterable[tuple[str, bool]], allowed: Folders) -> tuple[int, int, str | None]:
    """How many clips have files in other folders, how many in an own one of which the index does not say what they
    were, and one of either; of (path, does it say). By their names alone, so that a large archive is gone through fast.
    """
    in_media, in_own = _begins(allowed.media), _begins(allowed.own)
    elsewhere, unknown, example = 0, 0, None
    for path, is_noted in paths:
        is_straight = ".." not in path
        if is_straight and path.startswith(in_media):
            continue
        is_own = is_straight and path.startswith(in_own)
        if is_own and is_noted:
            continue
        elsewhere, unknown, example = elsewhere + (not is_own), unknown + is_own, example or path
    return elsewhere, unknown, example


def _begins(folders: Iterable[Path]) -> tuple[str, ...]:
    """How paths of files in these folders begin."""
    return tuple(str(folder).rstrip(os.sep) + os.sep for folder in folders)
