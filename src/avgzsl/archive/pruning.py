"""Clips whose files are gone out of an index: those of files that lay in the folder of a source."""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from avgzsl.archive import file_table, indexed_files
from avgzsl.archive.changing import remove
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection
from avgzsl.errors import ConfigError, DataError
from avgzsl.features.feature_store import is_store, open_store


@dataclass(frozen=True)
class ListedFiles:
    """The folder of a source's files, the files themselves, by their paths, and the ids of all their clips."""

    root: Path
    paths: frozenset[str]
    ids: frozenset[str]


def files_of(source: Path) -> ListedFiles:
    """Those of a store.

    Raises ConfigError for a source without files, DataError where none of its files is there: a disk that is not
    mounted is no reason to remove anything.
    """
    if not is_store(source):
        raise ConfigError(f"{source}: holds features without files, so that none can be gone; leave --prune out")
    store = open_store(source)
    paths = frozenset(str(store.file(row)) for row in range(len(store)))
    if all(map(indexed_files.is_gone, paths)):
        raise DataError(
            f"{store.record.root}: none of the {len(store)} files is there; is the disk mounted? Nothing was removed. "
            "Where they have moved, `avgzsl index-move` says so to the index"
        )
    return ListedFiles(Path(store.record.root), paths, frozenset(store.clips["id"]))


def prune(collection: Collection, db: sqlite3.Connection, listed: ListedFiles) -> int:
    """Remove the clips of files that lay in the root and are gone; gives how many. What is out of reach is not gone.

    Where the index cuts files, windows that their file has no longer, as it became shorter, go as well.
    """
    inside = str(listed.root).rstrip(os.sep) + os.sep
    clips = [(name, path) for name, path, _ in file_table.paths_of_clips(db) if path.startswith(inside)]
    gone = {path for path in {path for _, path in clips} if indexed_files.is_gone(path)}
    is_cut = collection.record.window is not None

    def goes(name: str, path: str) -> bool:
        return path in gone or (is_cut and path in listed.paths and name not in listed.ids)

    removed = remove(collection, db, [name for name, path in clips if goes(name, path)])
    file_table.forget_others(db)
    return removed


def lacks_file(clip: IndexedClip) -> bool:
    """Whether the file of a clip is gone."""
    return clip.path is not None and indexed_files.is_gone(clip.path)
