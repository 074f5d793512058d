"""A folder of clips watched while its index is served: what comes and goes there is in the index soon after."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from avgzsl.archive.results import Added
from avgzsl.errors import AvgzslError
from avgzsl.features.manifest import list_folder
from avgzsl.support.progress import Step

SECONDS = 2.0  # between two looks
_LAST = 3.0  # seconds that an update has to end

Update = Callable[[Callable[[Step], None]], Added]
FolderState = dict[str, tuple[int, int]]


class _Ended(Exception):
    """The server ends."""


@contextmanager
def watched(
    folder: Path, since: FolderState | None, update: Update, told: Callable[[str], None], seconds: float = SECONDS
) -> Iterator[Event]:
    """Inside, `update` is called in a thread whenever the files of the folder have changed, and then rest.

    `since` is the folder as it was before it was indexed: what came meanwhile is a change, too. `update` takes whom to
    tell of its steps, and ends when that raises. `told` hears what came of it. Setting the event that is given ends the
    watch, as leaving does.
    """
    ended = Event()
    thread = Thread(target=_watch, args=(folder, since, update, told, seconds, ended), daemon=True, name="watch")
    thread.start()
    try:
        yield ended
    finally:
        ended.set()
        thread.join(_LAST)


def _watch(
    folder: Path,
    done: FolderState | None,
    update: Update,
    told: Callable[[str], None],
    seconds: float,
    ended: Event,
) -> None:
    def step(_: Step) -> None:
        if ended.is_set():
            raise _Ended

    before = done
    while not ended.wait(seconds):
        now = folder_state(folder)
        rests, before = now == before, now
        if now == done or not rests or now is None:  # a file that is still being written changes between two looks
            continue
        done = now
        with suppress(_Ended):
            try:
                told(_said(update(step)))
            except AvgzslError as problem:
                told(f"the index is as it was: {problem}")


def folder_state(folder: Path) -> FolderState | None:
    """Size and time of every clip; None where the folder cannot be read, or is without any."""
    try:
        files = [folder / row.path for row in list_folder(folder)]
    except AvgzslError:
        return None
    state: FolderState = {}
    for file in files:
        with suppress(OSError):
            found = file.stat()
            state[str(file)] = found.st_size, found.st_mtime_ns
    return state


def _said(added: Added) -> str:
    failed = f", {added.failed} file{'s' * (added.failed > 1)} gave none ({added.failures})" if added.failed else ""
    return f"{added.added} clips added, {added.pruned} removed{failed}"
