"""Durable writes: a file is there whole or not at all, also after a crash, a kill or a full disk."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avgzsl.errors import AvgzslError
from avgzsl.support.temporary import temporary_file, temporary_folder


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place in one step.

    The previous content survives any failure. Raises AvgzslError when the disk refuses (full, read-only, …).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path) as temporary:
            write(temporary)
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as problem:
        raise AvgzslError(
            f"{path}: could not be written ({problem.strerror or problem}); what stood there before is unchanged. "
            "Free some space or choose another place, then run the same command again."
        ) from problem


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to be filled, which takes the place of `target`, absent or an empty folder, when it is left as planned.

    Raises AvgzslError when the disk refuses; then, and after any other error, nothing half is left.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target) as temporary:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if target.exists() and os.name != "posix":
                target.rmdir()  # elsewhere a folder takes the place of an empty one
            temporary.rename(target)
    except OSError as problem:
        raise AvgzslError(
            f"{target}: could not be written ({problem.strerror or problem}); nothing half is left. Free some "
            "space, or choose another place"
        ) from problem


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes, whole or not at all."""
    write_whole(path, lambda temporary: temporary.write_bytes(data))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON. NaN is not JSON: it must be None before it comes here."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened for fsync
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
