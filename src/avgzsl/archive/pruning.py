"""Clips whose files are gone out of an index: those of files that lay in the folder of a source."""

import os
import sqlite3
from pathlib import Path

from avgzsl.archive import file_table, indexed_files
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, remove
from avgzsl.errors import ConfigError, DataError
from avgzsl.features.feature_store import is_store, open_store


def root_of(source: Path) -> Path:
    """The folder of the files of a store.

    Raises ConfigError for a source without files, DataError where none of its files is there: a disk that is not
    mounted is no reason to remove anything.
    """
    if not is_store(source):
        raise ConfigError(f"{source}: holds features without files, so that none can be gone; leave --prune out")
    store = open_store(source)
    if all(indexed_files.is_gone(str(store.file(row))) for row in range(len(store))):
        raise DataError(
            f"{store.record.root}: none of the {len(store)} files is there; is the disk mounted? Nothing was removed. "
            "Where they have moved, `avgzsl index-move` says so to the index"
        )
    return Path(store.record.root)


def prune(collection: Collection, db: sqlite3.Connection, root: Path) -> int:
    """Remove the clips of files that lay in `root` and are gone; gives how many. What is out of reach is not gone."""
    inside = str(root).rstrip(os.sep) + os.sep
    clips = [(name, path) for name, path, _ in file_table.paths_of_clips(db) if path.startswith(inside)]
    gone = {path for path in {path for _, path in clips} if indexed_files.is_gone(path)}
    removed = remove(collection, db, [name for name, path in clips if path in gone])
    file_table.forget_others(db)
    return removed


def lacks_file(clip: IndexedClip) -> bool:
    """Whether the file of a clip is gone."""
    return clip.path is not None and indexed_files.is_gone(clip.path)
