"""Pictures and previews, made when they are first asked for and kept on disk while the server runs."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from avgzsl.server.scratch import Scratch


class Kept:
    """Files of the server's folder; beyond `most_bytes` in all, those that were not used for longest go.

    Any thread may call it.
    """

    def __init__(self, scratch: Scratch, most_bytes: int) -> None:
        self._scratch = scratch
        self._most, self._lock, self._count = most_bytes, Lock(), 0
        self._sizes: OrderedDict[Hashable, tuple[Path, int]] = OrderedDict()

    def open(self, key: Hashable) -> BinaryIO | None:
        """The file of this key, if it is there: once open it can be read to its end, also when it has had to go."""
        with self._lock:
            if key not in self._sizes:
                return None
            self._sizes.move_to_end(key)
            try:
                return self._sizes[key][0].open("rb")
            except FileNotFoundError:  # something that clears temporary folders was here
                del self._sizes[key]
                return None

    def make(self, key: Hashable, write: Callable[[Path], object]) -> None:
        """Let `write` make the file of this key, and keep it. Raises what `write` raises."""
        path = self.place()
        try:
            write(path)
            size = path.stat().st_size
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            if key in self._sizes:  # another thread made it meanwhile
                self._sizes.pop(key)[0].unlink(missing_ok=True)
            self._sizes[key] = path, size
            while len(self._sizes) > 1 and sum(size for _, size in self._sizes.values()) > self._most:
                _, (unused, _) = self._sizes.popitem(last=False)
                unused.unlink(missing_ok=True)

    def place(self) -> Path:
        """A path of the folder at which nothing is; who writes there removes it."""
        with self._lock:
            self._count += 1
            return self._scratch.folder() / str(self._count)
