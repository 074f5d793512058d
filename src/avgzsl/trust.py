"""What is trusted, and the checks of all that is not.

Trusted is this program, what its user types (paths, names, addresses, the environment), and the user's own state
folder. Not trusted is whatever lies in a run, a pack, an index, a store, a tree of features, a list or a clip: somebody
else may have made it. Opening it sends nothing, runs nothing, reads nothing beside it and writes nothing outside it
(docs/security.md).
"""

import errno
import json
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from avgzsl.errors import AvgzslError

RECORD_BYTES = 64 << 20  # more than any record of this program takes
_OF_SEVERAL_FILES = bytes.fromhex("d9d505f920a163d7")  # ends a journal of SQLite that names another one
_MOSTLY_HOLES = 1 << 30, 1000  # bytes, and how many times fewer lie on the disk


def require_regular(path: Path, error: type[AvgzslError]) -> None:
    """Raises `error` for what is there and no plain file, before a library waits for a pipe or a device."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever opens it says so
        return
    if not stat.S_ISREG(mode):
        raise error(f"{path}: is no plain file (a pipe, a folder or a device); put a plain file in its place")


def read_regular(path: Path, error: type[AvgzslError], most: int = RECORD_BYTES) -> bytes:
    """The bytes of a plain file. Never waits, as opening a pipe would.

    Raises `error` for a pipe, a device or a socket, and for more than `most` bytes; OSError as `open` does.
    """
    with open_regular(path, error) as stream:
        content = stream.read(most + 1) if os.fstat(stream.fileno()).st_size <= most else None
    if content is None or len(content) > most:
        raise error(f"{path}: has more than the {most:,} bytes that such a file may have; is it the right one?")
    return content


def open_regular(path: Path, error: type[AvgzslError]) -> BinaryIO:
    """A plain file, opened to be read. Never waits. Raises `error` for anything else, OSError as `open` does."""
    require_regular(path, error)  # some devices act when they are opened
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    stream = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        stream.close()
        raise error(f"{path}: is no plain file any more; put a plain file in its place")
    return stream


def read_text(path: Path, error: type[AvgzslError], most: int = RECORD_BYTES) -> str:
    """The text of a plain file in UTF-8, with or without a mark of that. Raises as `read_regular`, and ValueError."""
    return read_regular(path, error, most).decode("utf-8-sig")


def parse_json(content: bytes | str) -> Any:
    """The value that JSON says. Raises ValueError, also where it is nested too deeply or holds too long a number."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def plain_name(name: str, place: Path | str, error: type[AvgzslError]) -> str:
    """`name`, if it is the name of one file in a folder. Raises `error`, which names `place`, where the name stands."""
    parts = PurePosixPath(name).parts, PureWindowsPath(name).parts
    if not name.isprintable() or name in ("", ".", "..") or any(part != (name,) for part in parts):
        raise error(f"{place}: names the file {name!r}; expected a plain name, without folders")
    return name


def require_no_links(folder: Path, error: type[AvgzslError]) -> None:
    """Raises `error` for the first thing below `folder` that is neither a plain file nor a folder."""
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            mode = os.lstat(Path(root) / name).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                kind = "a link" if stat.S_ISLNK(mode) else "no plain file"
                raise error(
                    f"{Path(root) / name}: is {kind}; nothing in {folder} may be, copy what it stands for there"
                )


def open_in_place(path: Path, error: type[AvgzslError], new: bool = False) -> BinaryIO:
    """A plain file, opened to be changed where it lies, and nothing else than it: it is no link and has no other name.

    Raises `error` for anything else, OSError as `open` does. `new`: it is not there yet.
    """
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | (os.O_CREAT | os.O_EXCL if new else 0), 0o666)
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise error(f"{path}: is a link, and what it leads to is not written to; copy that there") from problem
        raise
    try:
        require_one_name(os.fstat(descriptor), path, error)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "r+b")


def require_one_name(status: os.stat_result, path: Path, error: type[AvgzslError]) -> None:
    """Raises `error` unless it is a plain file without a second name: what is written to it would show there too."""
    if not stat.S_ISREG(status.st_mode):
        raise error(f"{path}: is no plain file (a link, a pipe, a folder or a device); put a plain file in its place")
    if status.st_nlink > 1:
        raise error(
            f"{path}: has {status.st_nlink} names (hard links), and writing would change what the others stand for; "
            "give it a copy of its own (as `cp -r` makes)"
        )


def require_own_journal(database: Path, error: type[AvgzslError]) -> None:
    """Raises `error` where SQLite, on opening the database, would delete a file that the journal beside it names."""
    journal = database.with_name(f"{database.name}-journal")
    if not journal.exists():
        return
    if not journal.is_file():
        raise error(f"{journal}: is no plain file; remove it")
    with journal.open("rb") as stream:
        stream.seek(max(stream.seek(0, os.SEEK_END) - len(_OF_SEVERAL_FILES), 0))
        if stream.read() == _OF_SEVERAL_FILES:
            raise error(f"{journal}: names another file, which SQLite would delete, as no journal of this program does")


def require_no_holes(path: Path, status: os.stat_result, error: type[AvgzslError]) -> None:
    """Raises `error` for a file that says it is huge, and hardly anything of which lies on the disk."""
    most, times = _MOSTLY_HOLES
    there = getattr(status, "st_blocks", None)  # of 512 bytes; not on every system
    if there is not None and status.st_size > most and there * 512 * times < status.st_size:
        raise error(f"{path}: says that it has {status.st_size:,} bytes, and is a hole; make it anew")


def bare_address(url: str) -> str:
    """Scheme, host and port of an address, as it may be shown: without names, passwords, paths and questions."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host:
        return "what cannot be read as an address"
    host = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{host}{port}"[:200]
    return "".join(char if char.isprintable() else "?" for char in shown)
