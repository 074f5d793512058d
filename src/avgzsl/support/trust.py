"""What is trusted, and the checks of all that is not.

Trusted is this program, what its user types (paths, names, addresses, the environment), and the user's own state
folder. Not trusted is whatever lies in a run, a pack, an index, a store, a tree of features, a list or a clip: somebody
else may have made it. Opening it sends nothing, runs nothing, reads nothing beside it and writes nothing outside it
(docs/security.md).
"""

import errno
import json
import os
import shutil
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from avgzsl.errors import AvgzslError

RECORD_BYTES = 64 << 20  # more than any record of this program takes
_OF_SEVERAL_FILES = bytes.fromhex("d9d505f920a163d7")  # ends a journal of SQLite that names another one
LIST_BYTES = 1 << 30  # of classes, of clips
YAML_BYTES = 64 << 10  # presets and cards
LARGE = 256 << 20  # bytes that are read without asking how few of them were ever written
DENSEST = 1100  # bytes for one on disk: more than deflate can do (1032)
_DEPTH = 64  # lists in lists
_BITS = 1024  # of a whole number: what a float64 holds


def require_regular(path: Path, error: type[AvgzslError]) -> None:
    """Raises `error` for what is there and no plain file, before a library waits for a pipe or a device.

    Also for a large file of holes, which would be read as zeros for ever.
    """
    try:
        status = path.stat()
    except (OSError, ValueError):  # whoever opens it says so
        return
    if not stat.S_ISREG(status.st_mode):
        raise error(f"{path}: is no plain file (a pipe, a folder or a device); put a plain file in its place")
    require_written(path, status, error)


def require_written(path: Path, status: os.stat_result, error: type[AvgzslError]) -> None:
    """Raises `error` for a large file of which hardly anything lies on the disk: the rest would be read as zeros."""
    blocks = getattr(status, "st_blocks", None)
    if status.st_size <= LARGE or blocks is None:  # Windows does not tell
        return
    written = 512 * blocks
    if written * DENSEST < status.st_size and (written or _is_one_hole(path)):
        raise error(
            f"{path}: has {status.st_size:,} bytes, of which only {written:,} were ever written; fetch it again, or "
            "make it anew"
        )


def _is_one_hole(path: Path) -> bool:
    """Whether there are no data in a file: some file systems say of every file that it has no blocks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # whoever opens it says so
        return False
    try:
        os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as problem:
        return problem.errno == errno.ENXIO  # what it says where no data follow
    finally:
        os.close(descriptor)
    return False


def read_regular(path: Path, error: type[AvgzslError], most: int = RECORD_BYTES) -> bytes:
    """The bytes of a plain file. Never waits, as opening a pipe would.

    Raises `error` for a pipe, a device or a socket, for more than `most` bytes, and for a file that is longer than it
    says, as those of the system are; OSError as `open` does.
    """
    with open_regular(path, error) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > most:
            raise error(f"{path}: has more than the {most:,} bytes that such a file may have; is it the right one?")
        content = stream.read(size + 1)
    if len(content) > size:
        raise error(f"{path}: has more than the {size:,} bytes that it says; expected a plain file")
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


def copy_regular(source: Path, target: Path, error: type[AvgzslError]) -> None:
    """Copy a plain file. Raises `error` for anything else, as for holes that the copy would fill; OSError."""
    require_regular(source, error)
    shutil.copyfile(source, target)


def read_text(path: Path, error: type[AvgzslError], most: int = LIST_BYTES) -> str:
    """The text of a plain file in UTF-8, with or without a mark of that, its line ends as they are.

    Raises as `read_regular`, and ValueError for what is not UTF-8.
    """
    return read_regular(path, error, most).decode("utf-8-sig")


def require_no_way_out(path: Path, error: type[AvgzslError]) -> None:
    """Raises `error` for a link that leads out of its folder.

    For lists that come with data: what stands in them goes into tables, indexes and answers.
    """
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise error(f"{path}: is a link that leads out of its folder; put a copy of what it stands for in its place")


def parse_json(content: bytes | str) -> Any:
    """The value that JSON says. Raises ValueError for what is no JSON, or unfit (see `_require_fit`)."""
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _require_fit(value)
    return value


def read_json(path: Path, error: type[AvgzslError]) -> Any:
    """The value in a plain file of JSON. Raises as `read_regular` and `parse_json`."""
    return parse_json(read_regular(path, error))


def parse_yaml(content: bytes | str) -> Any:
    """The value that YAML says, by its plain types alone. Raises ValueError for what is none, unfit, or has aliases.

    Aliases let a few lines stand for more than any memory holds.
    """
    import yaml

    if len(content) > YAML_BYTES:
        raise ValueError(f"it is longer than {YAML_BYTES:,} letters")

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("it has aliases (*name), which are not read; write the value out")
            if self.depth > _DEPTH:  # said at once: its scanner takes the square of the depth
                raise ValueError("it is nested too deeply")
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    try:
        value = yaml.load(content, Loader)  # a SafeLoader
    except (yaml.YAMLError, AttributeError, TypeError, OverflowError, MemoryError) as problem:
        raise ValueError(" ".join(str(problem).split())[:200] or "damaged") from problem
    _require_fit(value)
    return value


def read_yaml(path: Path, error: type[AvgzslError]) -> Any:
    """The value in a plain file of YAML. Raises as `read_regular` and `parse_yaml`."""
    return parse_yaml(read_regular(path, error, YAML_BYTES))


def _require_fit(value: Any) -> None:
    """Raises ValueError for nesting that is too deep, numbers too large for a float, text that UTF-8 cannot hold."""
    level, depth = [value], 0
    while level:
        if depth > _DEPTH:
            raise ValueError("it is nested too deeply")
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                deeper += [*item, *item.values()]
            elif isinstance(item, list | tuple):
                deeper += item
            elif isinstance(item, str) and not item.isascii():
                item.encode()  # UnicodeEncodeError is a ValueError
            elif isinstance(item, int) and item.bit_length() > _BITS:
                raise ValueError(f"it has a whole number of {item.bit_length()} bits")
        level, depth = deeper, depth + 1


def plain_name(name: str, place: Path | str, error: type[AvgzslError]) -> str:
    """`name`, if it is the name of one file in a folder. Raises `error`, which names `place`, where the name stands."""
    if not _is_plain(name):
        raise error(f"{place}: names the file {name!r}; expected a plain name, without folders")
    return name


def is_plain_way(name: str) -> bool:
    """Whether `name` is a file in a folder or its subfolders, as `config.json` or `1_Pooling/config.json`."""
    parts = name.split("/")
    return all(_is_plain(part) for part in parts)


def _is_plain(name: str) -> bool:
    parts = PurePosixPath(name).parts, PureWindowsPath(name).parts
    return name.isprintable() and name not in ("", ".", "..") and all(part == (name,) for part in parts)


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
