"""Clips that come to an index which may have them already: what is new, and where the others' files lie by now."""

import sqlite3
from pathlib import Path

from avgzsl.archive import clip_database, clip_table, file_table, indexed_files
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.errors import DataError


def changed(collection: Collection, db: sqlite3.Connection, clips: list[IndexedClip]) -> list[int]:
    """Which of the clips are new or other than those of their id. Raises DataError for an id of two files."""
    known = clip_table.stored(db, [clip.id for clip in clips])
    changed = [i for i, clip in enumerate(clips) if clip.id not in known or known[clip.id].hash != clip.hash]
    for clip in (clips[i] for i in changed):
        path = known[clip.id].path if clip.id in known else None
        if path is not None and clip.path is not None and path != clip.path and Path(path).is_file():
            raise DataError(
                f"{collection.folder}: {path} and {clip.path} have the id {clip.id!r}; give them different ids in a "
                "manifest, or remove the first from the index"
            )
    return changed


def note_files(db: sqlite3.Connection, clips: list[IndexedClip]) -> None:
    """Of clips that are there unchanged: where their files lie by now, and what they were when they were read."""
    known = clip_table.stored(db, [clip.id for clip in clips])
    noted = file_table.noted(db, (clip.path for clip in known.values() if clip.path is not None))
    moved: dict[str, str] = {}
    files: list[tuple[str, IndexedFile]] = []
    for clip in clips:
        if clip.id not in known or clip.path is None:
            continue
        before = known[clip.id].path
        if before != clip.path:
            if before is not None and not indexed_files.is_gone(before):
                continue  # its file is where it was: this one is a copy
            moved[clip.id] = clip.path
        if clip.file is not None and noted.get(clip.path) != clip.file:
            files.append((clip.path, clip.file))
    if moved or files:
        with clip_database.transaction(db, write=True):
            clip_table.set_paths(db, moved)
            file_table.note(db, files)
            if moved:
                file_table.forget_others(db)
