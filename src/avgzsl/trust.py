"""What is trusted, and the checks of all that is not.

Trusted is this program, what its user types (paths, names, addresses, the environment), and the user's own state
folder. Not trusted is whatever lies in a run, a pack, an index, a store, a tree of features, a list or a clip: somebody
else may have made it. Opening it sends nothing, runs nothing, reads nothing beside it and writes nothing outside it
(docs/security.md).
"""

import json
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from avgzsl.errors import AvgzslError

RECORD_BYTES = 64 << 20  # more than any record of this program takes


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
