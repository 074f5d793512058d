"""Files that a journal does not know yet: each is hashed with its first clip, by whoever embeds that."""

from pathlib import Path
from typing import NamedTuple

from avgzsl.errors import MediaError
from avgzsl.features.embedding import Outcome, file_hash
from avgzsl.features.journal import FileState, Journal
from avgzsl.features.manifest import Row


class _Unhashed(NamedTuple):
    """A file as it was before the first of its clips went out, which brings its hash."""

    first: str
    size: int
    mtime_ns: int


class NewFiles:
    """Brings the files of a journal up to date while their clips are extracted."""

    def __init__(self, journal: Journal, root: Path) -> None:
        self.journal, self.root = journal, root
        self._unhashed: dict[str, _Unhashed] = {}

    def look_at(self, row: Row) -> None:
        """Before a clip goes out: the state of its file. Raises MediaError when it cannot be read."""
        if self.journal.file(row.path) is not None:
            self.journal.current(self.root, row.path)
        elif row.path not in self._unhashed:
            try:
                status = (self.root / row.path).stat()
            except OSError as problem:
                raise MediaError(f"{self.root / row.path}: cannot be read ({problem})") from problem
            self._unhashed[row.path] = _Unhashed(row.id, status.st_size, status.st_mtime_ns)

    def hashed_with(self, row: Row) -> bool:
        """Whether the file of a clip is hashed with this one."""
        return row.path in self._unhashed and self._unhashed[row.path].first == row.id

    def note(self, row: Row, outcome: Outcome) -> None:
        """When its outcome comes: record the state of its file. Raises MediaError when it cannot be read."""
        if row.path in self._unhashed and (outcome.sha256 or not outcome.error):
            # without a hash here, the clip that was to bring it has failed
            sha256 = outcome.sha256 or file_hash(self.root / row.path)
            before = self._unhashed.pop(row.path)
            self.journal.set_file(row.path, FileState(before.size, before.mtime_ns, sha256))
