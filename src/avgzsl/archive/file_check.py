"""Are the files of an index there, and those that were indexed?"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from avgzsl.archive import file_table, indexed_files
from avgzsl.archive.collection import Collection, open_index, view
from avgzsl.archive.indexed_files import FileState, IndexedFile
from avgzsl.support.progress import Progress, Step
from avgzsl.support.showing import ShownItems


class CheckedFile(NamedTuple):
    """A file that clips are of: where it is, what it was, and what has become of it."""

    path: str
    file: IndexedFile | None
    state: FileState


@dataclass(frozen=True)
class CheckedFiles(ShownItems[CheckedFile]):
    """Files, in order of path."""

    def rows(self) -> list[dict[str, Any]]:
        """One row a file."""
        return [{"path": checked.path, "state": checked.state} for checked in self.items]

    def paths(self, state: FileState) -> list[str]:
        """Paths of the files in a state."""
        return [checked.path for checked in self.items if checked.state == state]


def index_files(
    index: str | Path | Collection, *, hash: bool = False, progress: Progress | None = None
) -> CheckedFiles:
    """What has become of each file of an index.

    A file of the size and time that it had is the same; one of another time is compared by its hash, with `hash` every
    one. Raises DataError, RunError for what is no index of its run.
    """
    with view(open_index(index)) as seen:
        files = file_table.files_of_clips(seen.db)
    return check(((path, path, file) for path, file in files), len(files), hash, progress)


def check(
    files: Iterable[tuple[str, str, IndexedFile | None]],
    total: int,
    hash: bool = False,
    progress: Progress | None = None,
) -> CheckedFiles:
    """What has become of files that the index has at a path, which are looked for at another: (path, where, what)."""
    checked = []
    for done, (path, where, file) in enumerate(files, 1):
        state = indexed_files.state(where, file)
        if hash and state == "same" and file is not None and not indexed_files.has_bytes_of(where, file):
            state = "changed"
        checked.append(CheckedFile(path, file, state))
        if progress is not None:
            progress(Step("files", done, total, item=path))
    return CheckedFiles(tuple(checked))
