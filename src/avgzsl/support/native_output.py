"""What native code writes to the error output, past Python: lines that say nothing to a user are left out."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

_LOCK = threading.Lock()  # there is one error output
_STDERR = 2


@contextmanager
def without_lines(*beginnings: bytes) -> Iterator[None]:
    """Holds back what is written to descriptor 2 meanwhile, and writes it afterwards without the lines that begin so.

    For calls of milliseconds: whatever other threads write in that time waits, too.
    """
    with _LOCK, TemporaryFile() as held:
        try:
            before = os.dup(_STDERR)
        except OSError:  # there is no error output
            yield
            return
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
            held.seek(0)
            if kept := b"".join(line for line in held if not line.startswith(beginnings)):
                os.write(_STDERR, kept)
