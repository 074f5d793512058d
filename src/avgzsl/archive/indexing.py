"""The calls behind `avgzsl index` and `avgzsl index-…`: clips into an index and out of it, and what there is in it."""

import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from avgzsl.archive import clip_database, clip_selection, clip_table, file_table, indexed_files, pruning, repair
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import (
    RUN,
    STORES,
    Collection,
    append,
    apply,
    held,
    open_index,
    remove,
    require_run,
    view,
    writing,
)
from avgzsl.archive.collection import purge as erase
from avgzsl.archive.creation import create, discard
from avgzsl.archive.engines import default_engine
from avgzsl.archive.extraction import extract_media, has_extracted
from avgzsl.archive.index_record import RECORD
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.archive.phrases import note_text
from avgzsl.archive.results import Added, Faults, IndexInfo, Removed
from avgzsl.archive.sources import decoder_of, kind_of, open_source
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.experiments.run import Run, load_run
from avgzsl.features.extract import FAILURES
from avgzsl.media.version import DECODER
from avgzsl.support.arguments import as_path, check_arguments, check_list
from avgzsl.support.progress import Progress, Step
from avgzsl.types import EncoderChoice


def index(
    run: str | Path | Run,
    source: str | Path,
    out: str | Path,
    *,
    engine: str | None = None,
    url: str | None = None,
    encoders: EncoderChoice | None = None,
    split: str | None = None,
    manifest: str | Path | None = None,
    prune: bool = False,
    progress: Progress | None = None,
) -> Added:
    """Index the clips of `source` with a run into the folder `out`; an index of the same run there goes on.

    `source` is a store, a folder of features in any layout, or a folder of media files (or those in a `manifest`),
    which go through the run's own encoders, or those that it is told, into a store inside the index. Encoders of text
    that are told are checked, and the index knows them from then on. `split` takes only train, val or test. Clips of
    files that were replaced are replaced; `prune` removes those of files that were in the source's folder and are gone.
    `engine` is that of a new index, LanceDB on disk if not given; `url` is where it is, if not on disk: here, and in
    the other calls, it is the user who says so, here or in AVGZSL_ENGINE_URL.
    There are more parameters than eight, for a new index has an engine besides all that `index_add` takes.

    Raises DataError, RunError, ConfigError, ModalityError, WeightsError; a new index that nothing had come into is
    then gone.
    """
    check_arguments(encoders=encoders, progress=progress)
    opened, folder = run if isinstance(run, Run) else load_run(Path(run)), Path(out)
    more: dict[str, Any] = {
        "encoders": None if encoders is None else replace(encoders, text=()),
        "split": split,
        "manifest": manifest,
        "prune": prune,
        "progress": progress,
    }
    if (folder / RECORD).exists():
        collection = open_index(folder, url, type(opened.method))
        require_run(folder, collection.record, opened)
        made_for = collection.record.engine
        if engine not in (None, made_for):
            raise DataError(
                f"{folder}: is an index with the engine {made_for}; go on with that, or choose another folder"
            )
        return index_add(_with_text(collection, encoders), source, **more)
    existed = folder.exists()
    decoder = decoder_of(source)
    collection = create(folder, opened, engine or default_engine(), url, DECODER if decoder is None else decoder)
    try:
        return index_add(_with_text(collection, encoders), source, **more)
    except Exception:  # no interruption: after that the same command goes on
        _undo(collection, existed)
        raise


def _with_text(collection: Collection, encoders: EncoderChoice | None) -> Collection:
    return collection if encoders is None or not encoders.parts else note_text(collection, encoders)


def index_add(
    index: str | Path | Collection,
    source: str | Path,
    *,
    url: str | None = None,
    encoders: EncoderChoice | None = None,
    split: str | None = None,
    manifest: str | Path | None = None,
    prune: bool = False,
    progress: Progress | None = None,
) -> Added:
    """Add the clips of `source` to an index, with the run that made it; unchanged ones are skipped. As `index`."""
    check_arguments(encoders=encoders, progress=progress)
    collection, path = open_index(index, url), Path(source)
    _require_decoder(collection, path)
    collection.address()  # before anything is done
    if kind_of(path) != "media":
        _require_media_options_unused(path, encoders, manifest)
        return _add(collection, path, split, prune, progress)
    extraction = extract_media(
        collection.run,
        path,
        collection.folder / STORES,
        encoders=encoders,
        split=split,
        manifest=as_path(manifest),
        progress=progress,
    )
    added = _add(collection, extraction.store.folder, split, prune, progress)
    if not extraction.failures:
        return added
    return replace(added, failed=len(extraction.failures), failures=extraction.store.folder / FAILURES)


def index_remove(
    index: str | Path | Collection, ids: Iterable[str] = (), *, purge: bool = False, url: str | None = None
) -> Removed:
    """Remove clips by id; with `purge`, erase all that was ever removed or replaced from every file and version.

    Raises DataError for an id that is not there, and then removes nothing.
    """
    check_list("ids", ids)
    collection, unique = open_index(index, url), list(dict.fromkeys(ids))
    if purge:
        collection.address()  # before anything is removed
    with writing(collection) as db:
        indexed = clip_table.stored(db, unique)
        if unknown := [name for name in unique if name not in indexed]:
            raise DataError(
                f"{collection.folder}: holds no clip {', '.join(map(repr, unknown[:5]))}; nothing was removed"
            )
        removed = remove(collection, db, unique)
        file_table.forget_others(db)
        erased = erase(collection, db) if purge else 0
        if purge:  # features of clips that came as files; those that stay are extracted again when they are added again
            shutil.rmtree(collection.folder / STORES, ignore_errors=True)
    collection.close()
    return Removed(removed, erased)


def index_rebuild(index: str | Path | Collection, *, url: str | None = None) -> None:
    """Make the engine anew from the stored embeddings. Raises DataError where these themselves are damaged."""
    collection = open_index(index, url)
    faults = repair.verify(collection).truth
    if faults:
        raise DataError(f"{collection.folder}: cannot be rebuilt from what is stored:\n  " + "\n  ".join(faults))
    repair.rebuild(collection)
    collection.close()


def index_verify(index: str | Path | Collection, *, url: str | None = None) -> Faults:
    """Read all that is stored and say what is wrong. Raises DataError, RunError for what is no index of its run."""
    collection = open_index(index, url)
    faults = repair.verify(collection)
    collection.close()
    return faults


def index_info(index: str | Path | Collection, *, url: str | None = None) -> IndexInfo:
    """What an index is and how much it holds."""
    collection = open_index(index, url)
    with view(collection) as seen:
        counts = clip_selection.counts(seen.db)
        waiting = len(clip_selection.positions_within(seen.db, seen.state.applied, seen.state.end))
        dead = len(clip_table.dead(seen.db))
    return IndexInfo(
        record=collection.record,
        **counts._asdict(),
        modes=tuple(map(str, collection.modes)),
        waiting_for_the_engine=waiting,
        removed_but_not_purged=dead,
        bytes=sum(file.stat().st_size for file in collection.folder.rglob("*") if file.is_file()),
    )


def _add(collection: Collection, source: Path, split: str | None, prune: bool, progress: Progress | None) -> Added:
    """Features of a store or of a folder, embedded and written, a batch at a time."""
    clips = open_source(collection.run, source, split)
    root = pruning.root_of(source) if prune else None
    added = kept = pruned = 0
    with writing(collection) as db:
        if root is not None:
            pruned = pruning.prune(collection, db, root)
        for batch in clips.batches:
            new = _changed(collection, db, batch.clips)
            fresh = set(new)
            _note_files(db, [clip for i, clip in enumerate(batch.clips) if i not in fresh])
            if root is not None:
                new = [i for i in new if not pruning.lacks_file(batch.clips[i])]
            if new:
                embedded = collection.run.method.embed_clips(batch.features.take(torch.tensor(new)))
                append(collection, db, [batch.clips[i] for i in new], embedded)
                apply(collection, db)
            added, kept = added + len(new), kept + len(batch.clips) - len(new)
            if progress is not None:
                progress(Step("index", added + kept, clips.total))
        apply(collection, db, enough=1)
    collection.close()
    return Added(added, kept, pruned=pruned)


def _require_media_options_unused(source: Path, encoders: EncoderChoice | None, manifest: str | Path | None) -> None:
    """Raises ConfigError for what says how media files are read, or names, of a source that has features already."""
    unset = asdict(EncoderChoice())
    given = asdict(encoders or EncoderChoice())
    unused = [name for name in given if given[name] != unset[name]] + (["manifest"] if manifest is not None else [])
    if unused:
        raise ConfigError(f"{source}: holds features already; {unused[0]} has no part in indexing them, leave it out")


def _require_decoder(collection: Collection, source: Path) -> None:
    """Clips of which the same file would give other frames or sound do not compare."""
    ours, theirs, folder = collection.record.decoder, decoder_of(source), collection.folder
    if theirs is None or theirs == ours:
        return
    command = "avgzsl extract … --out NEW" if theirs < ours else f"avgzsl index {folder / RUN} CLIPS --out NEW"
    raise DataError(
        f"{folder}: holds clips decoded by version {ours} of the decoder, and those of {source} are of version "
        f"{theirs}; they are not mixed, though the index can still be searched. The older one is "
        f"{source if theirs < ours else folder}: make it anew with `{command}`"
    )


def _undo(collection: Collection, keep_folder: bool) -> None:
    """Take a new index away, unless a clip, or the features of one, came into it."""
    try:
        with held(collection):
            with clip_database.opened(collection.folder) as db:
                unused = clip_table.state(db).end == 0
            if unused and not has_extracted(collection.folder / STORES):
                discard(collection, keep_folder)
    except AvgzslError:  # another process is writing, or the disk fails: the first error is the one to tell
        return


def _changed(collection: Collection, db: sqlite3.Connection, clips: list[IndexedClip]) -> list[int]:
    """Which of the clips are new or other than those of their id. Raises DataError for an id of two files."""
    known = clip_table.stored(db, [clip.id for clip in clips])
    changed = [i for i, clip in enumerate(clips) if clip.id not in known or known[clip.id].hash != clip.hash]
    for clip in (clips[i] for i in changed):
        path = known[clip.id].path if clip.id in known else None
        if path is not None and clip.path is not None and path != clip.path and Path(path).is_file():
            raise DataError(
                f"{collection.folder}: {path} and {clip.path} have the id {clip.id!r}; give them different ids in a "
                "manifest, or remove the first from the index"
            )
    return changed


def _note_files(db: sqlite3.Connection, clips: list[IndexedClip]) -> None:
    """Of clips that are there unchanged: where their files lie by now, and what they were when they were read."""
    known = clip_table.stored(db, [clip.id for clip in clips])
    noted = file_table.noted(db, (clip.path for clip in known.values() if clip.path is not None))
    moved: dict[str, str] = {}
    files: list[tuple[str, IndexedFile]] = []
    for clip in clips:
        if clip.id not in known or clip.path is None:
            continue
        before = known[clip.id].path
        if before != clip.path:
            if before is not None and not indexed_files.is_gone(before):
                continue  # its file is where it was: this one is a copy
            moved[clip.id] = clip.path
        if clip.file is not None and noted.get(clip.path) != clip.file:
            files.append((clip.path, clip.file))
    if moved or files:
        with clip_database.transaction(db, write=True):
            clip_table.set_paths(db, moved)
            file_table.note(db, files)
            if moved:
                file_table.forget_others(db)
