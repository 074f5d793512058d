"""What the package keeps on a machine, outside of the folders that its user names: told, and cleared.

Only what has the names that the package gives is told and removed, and no link is followed. What a process holds stays:
an index that is written to or served, weights that are being fetched, the note of a server that runs. Features that a
training has mapped may go: it keeps them until it ends (on Windows they stay).
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from avgzsl.archive.writer import only_writer
from avgzsl.data.reading.cache import cache_folder
from avgzsl.data.reading.cache_entry import MANIFEST
from avgzsl.errors import AvgzslError, ConfigError, DataError, UnknownNameError
from avgzsl.fetching.card import names as card_names
from avgzsl.fetching.plan import local_plan
from avgzsl.fetching.record import read_record, record_file, waiting_folder
from avgzsl.recognition.bank_cache import bank_folder
from avgzsl.server import running
from avgzsl.server.opening import indexes_folder
from avgzsl.support.own_folders import state_folder
from avgzsl.support.registry import unknown
from avgzsl.support.showing import ShownItems
from avgzsl.support.temporary import is_free, leftovers, temporary_folder
from avgzsl.support.trust import read_json, read_regular
from avgzsl.support.weights import fetched_folder

Kind = Literal["features", "phrases", "folders", "weights", "media", "servers"]
KINDS: dict[Kind, str] = {
    "features": "features of data sets, read once",
    "phrases": "text of the phrases that hits are held against",
    "folders": "indexes of folders that `avgzsl open` showed",
    "weights": "weights that `avgzsl fetch` brought",
    "media": "which folders of clips you named",
    "servers": "which servers of an index run",
}
_DAY = 86_400  # seconds


@dataclass(frozen=True)
class Kept:
    """One thing that is kept: `paths` are its files or its folder, `size` is in bytes, `used` in seconds since 1970.

    When it was last used is what the file system says of it; many note no more than the day.
    """

    kind: Kind
    what: str
    paths: tuple[Path, ...]
    size: int
    used: float

    @property
    def day(self) -> str:
        """The day on which it was last used, here."""
        return datetime.fromtimestamp(self.used).strftime("%Y-%m-%d")


@dataclass(frozen=True)
class Cache(ShownItems[Kept]):
    """All that is kept, or what was cleared of it; `stayed` are those that were to go and are in use."""

    stayed: tuple[Kept, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One row a thing."""
        return [
            {"kind": one.kind, "what": one.what, "where": str(one.paths[0]), "bytes": one.size, "last used": one.day}
            for one in self.items
        ]


def cache() -> Cache:
    """What the package keeps on this machine for this user, by kind."""
    return Cache(tuple(one for kind in KINDS for one in _FIND[kind]()))


def clear_cache(*kinds: str, older_than: float = 0.0) -> Cache:
    """Remove what is kept of these kinds, or of that what was not used for `older_than` days.

    Raises UnknownNameError for a kind, ConfigError for days below 0.
    """
    removed: list[Kept] = []
    stayed: list[Kept] = []
    for one in to_clear(kinds, older_than):
        (removed if _remove(one) else stayed).append(one)
    return Cache(tuple(removed), tuple(stayed))


def to_clear(kinds: Iterable[str], older_than: float = 0.0) -> Cache:
    """What `clear_cache` would remove. Raises as it does."""
    wanted = tuple(kinds)
    for kind in wanted:
        if kind not in KINDS:
            raise UnknownNameError(unknown("kind", kind, KINDS))
    if not older_than >= 0:
        raise ConfigError(f"older than {older_than} days: expected a number of days, 0 or more")
    latest = time.time() - older_than * _DAY if older_than else float("inf")
    return Cache(tuple(one for one in cache() if one.kind in wanted and one.used <= latest))


# finding


def _features() -> Iterator[Kept]:
    for path in _named(cache_folder(), r"[0-9a-f]{16}-[0-9a-f]{32}-(plain|dropped)"):
        said: Any = None
        with suppress(AvgzslError, OSError, ValueError):
            said = read_json(path / MANIFEST, DataError)
        source = said.get("source") if isinstance(said, dict) else None
        # to be told here is no use of it
        yield _kept("features", str(source or path.name), path, lambda file: file.name != MANIFEST)


def _phrases() -> Iterator[Kept]:
    for path in _named(bank_folder(), r"[0-9a-f]{64}\.safetensors"):
        yield _kept("phrases", "of one choice of text encoders", path)


def _folders() -> Iterator[Kept]:
    for place in _named(indexes_folder(), r"[0-9a-f]{16}"):
        for path in _named(place, r"[^.].*"):
            yield _kept("folders", path.name, path)


def _weights() -> Iterator[Kept]:
    models = fetched_folder()
    for name in card_names():
        try:
            plan, fetched = local_plan(name, models), read_record(models, name).files
        except AvgzslError:  # a damaged record says of no file that it was fetched
            continue
        own = [file.path for file in plan.files if file.card.name in fetched and _is_own(file.path)]
        more = [path for path in (record_file(models, name), waiting_folder(models, name)) if _is_own(path)]
        if fetched and own + more:
            files = [file for path in own + more for file in _files(path)]
            used = [max(status.st_atime, status.st_mtime) for status in map(_status, own or files) if status]
            sizes = [status.st_size for status in map(_status, files) if status]
            yield Kept("weights", name, tuple(own + more), sum(sizes), max(used, default=0.0))


def _media() -> Iterator[Kept]:
    for path in _named(state_folder(), r"[0-9a-f]{64}"):
        with suppress(AvgzslError, OSError):
            what = os.fsdecode(read_regular(path, DataError))
            yield _note("media", what, path)


def _servers() -> Iterator[Kept]:
    for path in _named(running.notes_folder(), r"[0-9a-f]{64}\.json"):
        yield _note("servers", running.noted_url(path) or "a note that cannot be read", path)


_FIND: dict[Kind, Callable[[], Iterator[Kept]]] = {
    "features": _features,
    "phrases": _phrases,
    "folders": _folders,
    "weights": _weights,
    "media": _media,
    "servers": _servers,
}


def _named(folder: Path, pattern: str) -> list[Path]:
    """The entries of a folder that have the package's names, and what killed processes left there; no links."""
    with suppress(OSError):
        paths = sorted(folder.iterdir())
        ours = [path for path in paths if re.fullmatch(pattern, path.name) and _is_own(path)]
        return [*ours, *leftovers(folder)]
    return []


def _is_own(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_symlink()


def _kept(kind: Kind, what: str, path: Path, counts: Callable[[Path], bool] = lambda _: True) -> Kept:
    """What lies at a path; files that do not count say nothing of when it was used."""
    found = [(file, status) for file in _files(path) if (status := _status(file)) is not None]
    used = [max(status.st_atime, status.st_mtime) for file, status in found if counts(file)]
    return Kept(kind, what, (path,), sum(status.st_size for _, status in found), max(used, default=0.0))


def _note(kind: Kind, what: str, path: Path) -> Kept:
    """A small file that is read whenever something is shown: it was used when it was written."""
    status = path.lstat()
    return Kept(kind, what, (path,), status.st_size, status.st_mtime)


def _files(path: Path) -> Iterator[Path]:
    """The files at a path or below, no link followed."""
    if path.is_dir() and not path.is_symlink():
        for folder, _, names in os.walk(path):
            yield from (Path(folder, name) for name in names)
    else:
        yield path


def _status(path: Path) -> os.stat_result | None:
    with suppress(OSError):
        return path.lstat()
    return None


# clearing


def _remove(one: Kept) -> bool:
    """Whether it is gone now; where a process uses it, or the disk refuses, it stays."""
    try:
        return _REMOVE.get(one.kind, _take_all)(one)
    except (AvgzslError, OSError):
        return False


def _take_all(one: Kept) -> bool:
    for path in one.paths:
        _take(path)
    return True


def _take(path: Path) -> None:
    """Remove a file, or a folder, which is first taken out of sight as a whole."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    with temporary_folder(path) as aside:
        path.rename(aside / path.name)


def _take_index(one: Kept) -> bool:
    (path,) = one.paths
    if running.running(path) is not None:
        return False
    with only_writer(path):  # which raises where another process has it
        shutil.rmtree(path)
    with suppress(OSError):
        path.parent.rmdir()
    return True


def _take_weights(one: Kept) -> bool:
    waiting = [file for path in one.paths if path.is_dir() for file in _files(path)]
    if not all(map(is_free, waiting)):
        return False
    _take_all(one)
    for folder in {path.parent for path in one.paths}:
        for empty in (folder, *folder.parents):
            if not empty.is_relative_to(fetched_folder()) or empty == fetched_folder():
                break
            with suppress(OSError):  # not empty
                empty.rmdir()
    return True


def _take_note(one: Kept) -> bool:
    return not running.answers(one.paths[0]) and _take_all(one)


_REMOVE: dict[Kind, Callable[[Kept], bool]] = {
    "folders": _take_index,
    "weights": _take_weights,
    "servers": _take_note,
}
