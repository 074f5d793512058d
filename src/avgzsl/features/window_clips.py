"""Clips cut out of longer ones."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from avgzsl.errors import AvgzslError, MediaError
from avgzsl.features.embedding import file_hash
from avgzsl.features.journal import FileState, Journal
from avgzsl.features.manifest import Row, clip_id
from avgzsl.media.needs import Span


def cut(rows: Sequence[Row], window: float, hop: float | None, durations: Mapping[str, float | None]) -> list[Row]:
    """The windows of each clip, `window` seconds long and `hop` seconds apart (`media.windows` has the rule).

    A clip that is no longer than a window stays as it is, as does one whose file has no duration: a still picture, or
    one that cannot be read, which extraction will say.
    """
    return [piece for row in rows for piece in _pieces(row, window, hop, durations.get(row.path))]


def measure(rows: Sequence[Row], journal: Journal, root: Path, workers: int) -> dict[str, float | None]:
    """Seconds of each file of which a clip goes to the end; None where that cannot be known."""
    states: dict[str, FileState] = {}
    new: list[str] = []
    for path in dict.fromkeys(row.path for row in rows if row.end is None):
        if journal.file(path) is None:
            new.append(path)
            continue
        with suppress(MediaError):  # extraction will meet it again, and say so
            states[path] = journal.current(root, path)
    with ThreadPoolExecutor(workers) as threads:
        hashed = threads.map(_state, [root / path for path in new])
        states |= {path: state for path, state in zip(new, hashed, strict=True) if state is not None}
    unknown = [path for path, state in states.items() if state.duration is None]
    probed = dict(zip(unknown, _probed([root / path for path in unknown], workers), strict=True))
    for path, duration in probed.items():
        journal.set_file(path, states[path]._replace(duration=duration))
    return {path: state.duration for path, state in states.items()} | probed


def _state(file: Path) -> FileState | None:
    """None for a file that cannot be read: as above."""
    try:
        status = file.stat()
        return FileState(status.st_size, status.st_mtime_ns, file_hash(file))
    except (OSError, MediaError):
        return None


def _probed(files: list[Path], workers: int) -> Iterator[float | None]:
    from avgzsl.media.decode import probe
    from avgzsl.media.workers import Decoders

    with Decoders(workers) as decoders, ThreadPoolExecutor(workers) as threads:

        def duration(file: Path) -> float | None:
            try:
                seconds: float | None = decoders.call(probe, file)["duration"]
            except AvgzslError:  # as above
                return None
            return seconds

        yield from threads.map(duration, files)


def _pieces(row: Row, window: float, hop: float | None, duration: float | None) -> list[Row]:
    from avgzsl.media.windows import windows

    end = duration if row.end is None else row.end
    if end is None or end - row.start <= window:
        return [row]
    spans = [
        Span(row.start + piece.start, row.start + piece.end)
        for piece in windows(end - row.start, window, hop)
        if piece.end is not None  # each has one, of a length that is known
    ]
    named = row.path if row.id == clip_id(row.path, row.span) else row.id
    return [replace(row, id=clip_id(named, span), start=span.start, end=span.end) for span in spans]
