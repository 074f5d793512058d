"""The table of files: what the file of each clip was when its features were taken, in SQLite beside that of the clips.

An index that was made before there was one has no such table, and of its files nothing can be said but that they are
there.
"""

import sqlite3
from collections.abc import Iterable, Iterator

from avgzsl.archive.indexed_files import IndexedFile

SCHEMA = """
create table if not exists files (
    path text primary key, size integer not null, mtime_ns integer not null, sha256 text not null) strict, without rowid
"""
_AT_ONCE = 500  # values in one statement


def note(db: sqlite3.Connection, files: Iterable[tuple[str, IndexedFile]]) -> None:
    """Say what files were, in place of what was said before."""
    if rows := [(path, *file) for path, file in files]:
        db.execute(SCHEMA)
        db.executemany("insert or replace into files values (?, ?, ?, ?)", rows)


def noted(db: sqlite3.Connection, paths: Iterable[str]) -> dict[str, IndexedFile]:
    """What those of these files were of which it is said."""
    if not has_table(db, "files"):
        return {}
    files: dict[str, IndexedFile] = {}
    asked = list(dict.fromkeys(paths))
    for start in range(0, len(asked), _AT_ONCE):
        part = asked[start : start + _AT_ONCE]
        marks = ",".join("?" * len(part))
        rows = db.execute(f"select path, size, mtime_ns, sha256 from files where path in ({marks})", part)
        files |= {path: IndexedFile(*file) for path, *file in rows}
    return files


def files_of_clips(db: sqlite3.Connection) -> list[tuple[str, IndexedFile | None]]:
    """The files of all clips, in order of path, and what they were, where that is said."""
    paths = [path for (path,) in db.execute("select distinct path from clips where path is not null order by path")]
    files = noted(db, paths)
    return [(path, files.get(path)) for path in paths]


def paths_of_clips(db: sqlite3.Connection) -> Iterator[tuple[str, str, bool]]:
    """Id and path of each clip that has a file, and whether it is said what the file was."""
    said = "exists (select 1 from files where files.path = clips.path)" if has_table(db, "files") else "false"
    for name, path, is_noted in db.execute(f"select id, path, {said} from clips where path is not null"):
        yield name, path, bool(is_noted)


def forget_others(db: sqlite3.Connection) -> None:
    """Forget the files of which there is no clip any more."""
    if has_table(db, "files"):
        db.execute("delete from files where path not in (select path from clips where path is not null)")


def forget(db: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Forget what these files were."""
    if has_table(db, "files"):
        db.executemany("delete from files where path = ?", [(path,) for path in paths])


def has_table(db: sqlite3.Connection, name: str) -> bool:
    """Whether the database has a table, which older indexes lack."""
    return db.execute("select 1 from sqlite_master where type = 'table' and name = ?", (name,)).fetchone() is not None
