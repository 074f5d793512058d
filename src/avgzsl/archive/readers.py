"""The table of an index for one who reads it again and again, as a server does.

Connections stay open, and what was found out stays known for as long as nobody has changed the table: SQLite counts the
changes that others commit, and a file that was put in the place of another is another one.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from avgzsl.archive import clip_database
from avgzsl.archive.clip_database import Connection, errors_named
from avgzsl.archive.clip_table import FILE

T = TypeVar("T")
Version = tuple[Hashable, ...]
"""Which file it is, and how often others have changed it; empty where nobody counts."""

_MOST_BYTES = 256 << 20
_LEAST_BYTES = 1 << 12  # that anything counts for


class Known:
    """What was found out, of the table as it stands in one version; beyond _MOST_BYTES what was not asked for longest
    goes. Any thread may call it."""

    def __init__(self, version: Version = ()) -> None:
        self.version, self._lock, self._bytes = version, Lock(), 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def of(self, key: Hashable, find: Callable[[], T], size: int | None = None) -> T:
        """What is known under a key; it is found out where it is not. Raises what `find` raises.

        It counts for `size` bytes, or for those that it, or an array, has.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                value: T = self._values[key][0]
                return value
        value = find()
        size = max(_LEAST_BYTES, _bytes_of(value) if size is None else size)
        with self._lock:
            if key not in self._values and size <= _MOST_BYTES:
                self._values[key] = value, size
                self._bytes += size
            while self._bytes > _MOST_BYTES:
                self._bytes -= self._values.popitem(last=False)[1][1]
        return value


def _bytes_of(value: object) -> int:
    return len(value) if isinstance(value, bytes) else int(getattr(value, "nbytes", 0))


class Readers:
    """Reads the table in a folder; inside `keep`, by connections that stay open. Any thread may call it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / FILE
        self._lock, self._keeps = Lock(), False
        self._file: Hashable = None
        self._watch: Connection | None = None  # which tells of changes, and reads nothing else
        self._idle: list[Connection] = []
        self._known = Known()

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Inside, connections stay open, and what is found out stays known."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
            with self._lock:
                self._forget()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection as that of `clip_database.opened`, with its errors."""
        if not self._keeps or clip_database.identity(self._folder) is None:
            with clip_database.opened(self._folder) as db:
                yield db
            return
        with errors_named(self._path):
            db = self._take()
            try:
                yield db
            except BaseException:
                db.close()
                raise
            self._give(db)

    def known(self, db: Connection) -> Known:
        """What is known of the table as a transaction sees it that has begun to read; nothing if it changed since."""
        if not db.version:
            return Known()
        with errors_named(self._path), self._lock:
            if not self._keeps or self._now() != db.version:
                return Known()
            if self._known.version != db.version:
                self._known = Known(db.version)
            return self._known

    def _take(self) -> Connection:
        with self._lock:
            version = self._now()
            db = self._idle.pop() if self._idle else None
        if db is None:
            db = clip_database.connected(self._folder)
        if db.version != version:
            clip_database.require_tables(db, self._path)
            db.version = version
        return db

    def _give(self, db: Connection) -> None:
        with self._lock:
            if self._keeps and db.version[0] == self._file:
                self._idle.append(db)
            else:
                db.close()

    def _now(self) -> Version:
        """The version as it is now. Raises as `clip_database.opened`."""
        file = clip_database.identity(self._folder)
        if self._file != file or self._watch is None:
            self._forget()
            self._watch, self._file = clip_database.connected(self._folder), file
        return file, self._watch.execute("pragma data_version").fetchone()[0]

    def _forget(self) -> None:
        kept = [*self._idle, *([] if self._watch is None else [self._watch])]
        self._idle, self._watch, self._file, self._known = [], None, None, Known()
        for db in kept:
            db.close()
