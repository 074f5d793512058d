"""One writer of an index at a time; a process that ends, however it ends, lets go.

The lock is the system's, on a file of no content that stays. Whoever removes an index removes that file as well, so one
who waited at its door looks whether the door still belongs to the house.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.trust import require_one_name

LOCK = ".writer.lock"
_TRIES = 10
_BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the index against other writers.

    Raises AvgzslError when another process holds it or the storage is read-only, DataError when the folder is not
    there.
    """
    descriptor = _held(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def refused(folder: Path, problem: OSError, new: bool = False) -> AvgzslError:
    """What to say when a folder cannot be written to, or made where it is `new`."""
    if problem.errno in _READ_ONLY and not new:
        return AvgzslError(
            f"{folder}: is read-only here ({problem.strerror}). It can be searched, served and verified; to change it, "
            "copy it to a place that can be written to, and change the copy"
        )
    said = f"{problem.strerror or problem}, it is read-only here" if problem.errno in _READ_ONLY else problem.strerror
    return AvgzslError(f"{folder}: could not be written ({said or problem}); choose another place")


def _held(folder: Path) -> int:
    path = folder / LOCK
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    for _ in range(_TRIES):
        try:
            descriptor = os.open(path, flags, 0o666)
        except (FileNotFoundError, NotADirectoryError) as problem:
            raise DataError(f"{folder}: is gone; another process may have removed it: run the same again") from problem
        except OSError as problem:
            raise refused(folder, problem) from problem
        try:
            require_one_name(os.fstat(descriptor), path, DataError)
            _lock(descriptor)
            with suppress(FileNotFoundError):
                if os.path.samestat(path.lstat(), os.fstat(descriptor)):
                    return descriptor
        except OSError as problem:
            os.close(descriptor)
            if problem.errno in _BUSY:
                break
            raise AvgzslError(f"{path}: cannot be locked ({problem.strerror}); is it on a local disk?") from problem
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise AvgzslError(
        f"{folder}: another process is writing to this index; wait until that has finished, then run the same command "
        "again"
    )


def _lock(descriptor: int) -> None:
    """Raises OSError when another process has it."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # Windows
        from msvcrt import LK_NBLCK, locking  # type: ignore[attr-defined]

        locking(descriptor, LK_NBLCK, 1)
    else:
        flock(descriptor, LOCK_EX | LOCK_NB)
