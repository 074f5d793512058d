"""From media files to a store of features, batch by batch, so that what was interrupted goes on."""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import ConfigError, DataError, MediaError, RunError
from avgzsl.features import class_splits, engines
from avgzsl.features.embedding import Outcome, Task
from avgzsl.features.encoder_record import EncoderRecord, record
from avgzsl.features.engines import BackboneSetup
from avgzsl.features.feature_store import Store, StoredClip, is_store, write
from avgzsl.features.journal import JOURNAL, Journal, open_journal
from avgzsl.features.manifest import Row, is_text, printable, read_clips
from avgzsl.features.new_files import NewFiles
from avgzsl.features.store_record import Part
from avgzsl.features.window_clips import cut, measure
from avgzsl.support import own_folders
from avgzsl.support.arguments import as_path, check_arguments
from avgzsl.support.generated import pass_mark_on
from avgzsl.support.progress import Progress, Step
from avgzsl.support.showing import Shown
from avgzsl.support.spreadsheet import write_table
from avgzsl.text.part_record import TextPart
from avgzsl.text.spellings import spelling_notes, vector_notes
from avgzsl.types import EncoderChoice, Modality

FAILURES = "failures.csv"
_UNNAMED = "its name is not UTF-8, and no table can hold it; rename the file, or the folder it is in"
BATCH = 16
NO_LABELS = "no clip has a label: they come from a manifest, or, where that is asked for, from the names of subfolders"


@dataclass(frozen=True, eq=False)
class Extraction(Shown):
    """A store, the clips that were extracted for it now (the others had been before), and failures: clip id, reason.

    `notes` say which classes are written differently, or have the same text vector.
    """

    store: Store
    extracted: int
    failures: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One row: the store, and how many clips."""
        counts = {"clips": len(self.store), "extracted": self.extracted, "failed": len(self.failures)}
        return [{"store": str(self.store.folder), **counts}]

    def json(self) -> dict[str, Any]:
        """The row, the failures and the notes."""
        (row,) = self.rows()
        return {**row, "failures": dict(self.failures), "notes": list(self.notes)}


class _Text(NamedTuple):
    """The text of c classes, and the parts it is made of."""

    vectors: Float32[np.ndarray, "c t"]
    parts: tuple[TextPart, ...]


@dataclass
class _Work:
    """What is extracted where, the batches that are under way, and how far all is."""

    rows: Sequence[Row]
    root: Path
    journal: Journal
    files: NewFiles
    failures: dict[str, str]
    waiting: deque[list[Row]] = field(default_factory=deque)
    extracted: int = 0
    done: int = 0


def extract(
    clips: Path | str,
    out: Path | str,
    *,
    encoders: EncoderChoice,
    manifest: str | Path | None = None,
    overrides: str | Path | None = None,
    window: float | None = None,
    hop: float | None = None,
    labels_from_folders: bool = False,
    merge_spellings: bool = False,
    workers: int | None = None,
    batch: int = BATCH,
    engine: str = "local",
    keep_sequence: bool = False,
    progress: Progress | None = None,
) -> Extraction:
    """Features of every clip in the folder `clips`, or of those that a manifest lists, into the store `out`.

    `encoders` are the backbones, one at least, and the parts of the text of the classes, if they are wanted
    (`text.part_spec`; `overrides`: see `text.encoders.load`). With `window` and `hop` (seconds) longer clips are cut.
    Without a manifest clips have no label, unless `labels_from_folders` says that each subfolder is a class.
    With `merge_spellings`, labels that are one class written differently become the most usual of them. `workers` files
    are decoded at once, `batch` clips embedded together; with the same `batch`, every engine and every number of
    workers gives the same bytes. With `keep_sequence` the store has what a backbone gives for each window or frame, if
    it gives any, beside the same means. More than eight parameters: each is a choice of its own, and few are given.

    Each finished batch is durable: the same call goes on after any end, extracts what is new or has changed, tries
    again what failed, and drops what is no longer listed. Clips that fail do not stop the others. The folder is noted
    as one of the user's own (`own_folders`).

    Raises DataError for a bad manifest or when no clip gives features, ConfigError, WeightsError, and RunError when
    `out` is something else, is of other backbones, or is being written.
    """
    check_arguments(encoders=encoders, workers=workers, batch=batch, progress=progress)
    root, folder = Path(clips), Path(out)
    specs = _specs(encoders)
    _check_sizes(window, hop, batch, workers)
    run = engines.engine(engine)
    _check_folder(folder)
    listed = read_clips(root, as_path(manifest), merge_spellings, labels_from_folders)
    own_folders.remember(root)
    rows = [row for row in listed if is_text(row.path)]
    unnamed = [row for row in listed if not is_text(row.path)]
    classes = tuple(sorted({row.label for row in rows if row.label is not None}))
    text = _encode(classes, encoders, as_path(overrides))
    how = (encoders.device, workers, encoders.precision, encoders.unit, keep_sequence)
    setup = BackboneSetup(specs, as_path(encoders.models), *how)
    backbones = engines.load_backbones(setup)
    with open_journal(folder / JOURNAL) as journal:
        records: dict[Part, EncoderRecord] = {m: record(backbone) for m, backbone in backbones.items()}
        journal.require(records)
        journal.keep_sequences(keep_sequence)
        if window is not None:
            rows = cut(rows, window, hop, measure(rows, journal, root, setup.processes))
        work = _Work([*rows, *unnamed], root, journal, NewFiles(journal, root), {row.id: _UNNAMED for row in unnamed})
        _embed_all(work, run(_batches(work, batch), setup, backbones), progress)
        store = _finish(folder, work, records, classes, text)
        pass_mark_on(root, folder)
    notes = [*spelling_notes(classes), *([] if text is None else vector_notes(classes, text.vectors))]
    notes += [] if classes else [NO_LABELS]
    return Extraction(store, work.extracted, work.failures, tuple(notes))


def _specs(encoders: EncoderChoice) -> dict[Modality, str]:
    chosen: dict[Modality, str | None] = {"audio": encoders.audio, "video": encoders.video}
    specs = {modality: spec for modality, spec in chosen.items() if spec is not None}
    if not specs:
        raise ConfigError(
            "no encoder was given of sound or of picture; give --audio, --video or both, as --audio descriptors "
            "--video descriptors, which need no weights; `avgzsl encoders` lists all"
        )
    return specs


def _check_sizes(window: float | None, hop: float | None, batch: int, workers: int | None) -> None:
    if window is None and hop is not None:
        raise ConfigError(f"a hop of {hop} s without a window; give the window too")
    if batch < 1 or (workers is not None and workers < 1):
        raise ConfigError(f"batch {batch}, workers {workers}: expected 1 or more")


def _check_folder(folder: Path) -> None:
    ours = is_store(folder) or (folder / JOURNAL).is_file()
    if folder.exists() and not ours and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: is not empty and holds no store of features; choose another folder")


def _encode(classes: tuple[str, ...], encoders: EncoderChoice, overrides: Path | None) -> _Text | None:
    """The text of the classes, if it is wanted. Raises DataError for classes without a sentence or a vector."""
    if not encoders.parts:
        if overrides is not None:
            raise ConfigError(f"overrides {overrides} are for a text encoder, and none was given")
        return None
    if not classes:
        raise ConfigError(
            f"text by {', '.join(encoders.parts)} is of classes, and no clip has a label; give --manifest, or "
            "--labels-from-folders where each subfolder is a class, or leave --text out"
        )
    from avgzsl.text.parts import describe_classes, load_parts

    loaded = load_parts(encoders.parts, as_path(encoders.models), overrides=overrides)
    vectors, parts = describe_classes(loaded, classes)
    return _Text(np.asarray(vectors.numpy(), dtype=np.float32), parts)


def _batches(work: _Work, size: int) -> Iterator[list[Task]]:
    """What there is to do, in batches at fixed places.

    So what was interrupted goes on with the same batches, and gives the same bytes.
    """
    for start in range(0, len(work.rows), size):
        if pending := [row for row in work.rows[start : start + size] if not _is_done(work, row)]:
            work.waiting.append(pending)
            yield [Task(work.root / row.path, row.span, work.files.hashed_with(row)) for row in pending]


def _embed_all(work: _Work, batches: Iterator[list[Outcome]], progress: Progress | None) -> None:
    """Bring the journal up to date with the rows."""
    begun, reported = time.monotonic(), -1
    for outcomes in batches:
        _keep(work, work.waiting.popleft(), outcomes)
        if progress is not None:
            progress(_step(work, time.monotonic() - begun))
            reported = work.done
    if progress is not None and reported != work.done:  # clips after the last batch were done before
        progress(_step(work, time.monotonic() - begun))


def _is_done(work: _Work, row: Row) -> bool:
    """Whether there is nothing (more) to do for a clip."""
    try:
        if row.id not in work.failures:
            work.files.look_at(row)
    except MediaError as problem:
        work.failures[row.id] = str(problem)
    work.done += (done := row.id in work.failures or work.journal.has(row))
    return done


def _keep(work: _Work, rows: list[Row], outcomes: list[Outcome]) -> None:
    good: list[tuple[Row, Outcome]] = []
    for row, outcome in zip(rows, outcomes, strict=True):
        try:
            work.files.note(row, outcome)
            problem = outcome.error or _changed(work, row)
        except MediaError as unread:
            problem = str(unread)
        if problem is None:
            good.append((row, outcome))
        else:
            work.failures[row.id] = problem
    work.journal.add(good)
    work.extracted += len(good)
    work.done += len(rows)


def _changed(work: _Work, row: Row) -> str | None:
    """Features are of the content whose hash stands beside them."""
    try:
        noted, status = work.journal.file(row.path), (work.root / row.path).stat()
    except OSError as problem:
        return f"{row.path}: cannot be read any more ({problem.strerror})"
    if noted is None or (status.st_size, status.st_mtime_ns) != noted[:2]:
        return f"{work.root / row.path}: changed while it was read; run the same command again"
    return None


def _step(work: _Work, seconds: float) -> Step:
    """How far it is; clips a second, and the time left, once the first are extracted."""
    rate = work.extracted / seconds if work.extracted and seconds > 0 else None
    left = (len(work.rows) - work.done) / rate if rate else None
    figures = {} if rate is None else {"clips/s": rate}
    return Step("extract", work.done, len(work.rows), left=left, failed=len(work.failures), figures=figures)


def _finish(
    folder: Path,
    work: _Work,
    encoders: Mapping[Part, EncoderRecord],
    classes: tuple[str, ...],
    text: _Text | None,
) -> Store:
    """The store, clip by clip out of the journal."""
    _write_failures(folder / FAILURES, work)
    stored = [row for row in work.rows if row.id not in work.failures]
    if not stored:
        name, reason = next(iter(work.failures.items()))
        raise DataError(f"{folder}: none of {len(work.rows)} clips gave features; {name}: {reason} (see {FAILURES})")
    named = [row for row in work.rows if is_text(row.path)]
    work.journal.keep(named)
    class_splits.write_manifest_split(folder, [(row.label, row.seen) for row in named])
    vectors, parts = (None, ()) if text is None else text
    columns, clips = tuple(work.rows[0].more), _stored(work, stored)
    steps = work.journal.step_totals(stored, encoders)
    return write(folder, work.root, encoders, classes, vectors, columns, len(stored), clips, parts, steps)


def _stored(work: _Work, rows: Sequence[Row]) -> Iterator[StoredClip]:
    for row in rows:
        file, features = work.journal.file(row.path), work.journal.finished(row)
        if file is None or features is None:
            raise RunError(f"{work.journal.path}: has lost {row.id}; run the same command again")
        columns = {name: getattr(row, name) for name in ("id", "path", "label", "split", "seen", "start", "end")}
        columns |= {"sha256": file.sha256, "size": file.size, "mtime_ns": file.mtime_ns, "info": features.info}
        yield StoredClip({**row.more, **columns}, features.audio, features.video, features.sequences)


def _write_failures(path: Path, work: _Work) -> None:
    if not work.failures:
        path.unlink(missing_ok=True)
        return
    failed = (row for row in work.rows if row.id in work.failures)
    rows = ((row.id, printable(Path(row.path)), row.start, row.end, work.failures[row.id]) for row in failed)
    write_table(path, ("id", "path", "start", "end", "reason"), rows)
