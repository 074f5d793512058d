"""The calls behind `avgzsl index` and `avgzsl index-…`: clips into an index and out of it, and what there is in it."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from avgzsl.archive import (
    clip_database,
    clip_selection,
    clip_table,
    file_table,
    known_clips,
    pruning,
    recall_record,
    repair,
    standard,
)
from avgzsl.archive.changing import append, apply, held, remove, writing
from avgzsl.archive.changing import purge as erase
from avgzsl.archive.collection import STORES, Collection, open_index, require_run, view
from avgzsl.archive.creation import create, discard
from avgzsl.archive.engines import default_engine
from avgzsl.archive.extraction import extract_media, has_extracted
from avgzsl.archive.index_checks import (
    checked_cut,
    checked_recall,
    require_decoder,
    require_made_so,
    require_media_options_unused,
)
from avgzsl.archive.index_record import RECORD, Cut
from avgzsl.archive.naming import named, require_name
from avgzsl.archive.phrases import note_text
from avgzsl.archive.recall import renew as renew_recall
from avgzsl.archive.results import Added, Faults, IndexInfo, Removed
from avgzsl.archive.sources import decoder_of, kind_of, open_source
from avgzsl.errors import AvgzslError, DataError
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
    labels_from_folders: bool = False,
    window: float | None = None,
    hop: float | None = None,
    recall: float | None = None,
    prune: bool = False,
    name: str | None = None,
    progress: Progress | None = None,
) -> Added:
    """Index the clips of `source` with a run into the folder `out`; an index of the same run there goes on.

    `source` is a store, a folder of features in any layout, or a folder of media files (or those in a `manifest`),
    which go through the run's own encoders, or those that it is told, into a store inside the index; they have
    labels where a manifest says so, or `labels_from_folders`. Encoders of text that are told are checked, and the
    index knows them from then on. Of a new index, `window` and `hop` (seconds) say into what pieces longer media
    files are cut. `split` takes only train, val or test. Clips of files that were replaced are replaced; `prune`
    removes those of files that were in the source's folder and are gone. `engine` is that of a new index, `memory`
    if not given; `url` is where it is, if not on disk: here, and in the other calls, it is the user who says so,
    here or in AVGZSL_ENGINE_URL. `name` is what the page calls the archive, kept in the index; `recall` is what
    share of the ten nearest an approximate engine is to find, 0.99 if not given. There are more parameters than
    eight, for a new index has an engine besides all that `index_add` takes.

    Raises DataError, RunError, ConfigError, ModalityError, WeightsError; a new index that nothing had come into is
    then gone.
    """
    check_arguments(encoders=encoders, progress=progress)
    require_name(name)
    opened, folder = run if isinstance(run, Run) else load_run(Path(run)), Path(out)
    more: dict[str, Any] = {
        "encoders": None if encoders is None else replace(encoders, text=()),
        "split": split,
        "manifest": manifest,
        "labels_from_folders": labels_from_folders,
        "prune": prune,
        "progress": progress,
    }
    cut, wanted = checked_cut(window, hop), checked_recall(recall)
    if (folder / RECORD).exists():
        collection = open_index(folder, url, type(opened.method))
        require_run(folder, collection.record, opened)
        require_made_so(collection, engine, cut, wanted)
        return index_add(_with_text(named(collection, name), encoders), source, **more)
    existed = folder.exists()
    decoder = decoder_of(source)
    made_by = DECODER if decoder is None else decoder
    collection = create(folder, opened, engine or default_engine(), url, made_by, cut, wanted)
    try:
        return index_add(_with_text(named(collection, name), encoders), source, **more)
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
    labels_from_folders: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> Added:
    """Add the clips of `source` to an index, with the run that made it; unchanged ones are skipped. As `index`.

    Media files are cut as those of the index are.
    """
    check_arguments(encoders=encoders, progress=progress)
    collection, path = open_index(index, url), Path(source)
    require_decoder(collection, path)
    collection.address()  # before anything is done
    if kind_of(path) != "media":
        require_media_options_unused(collection, path, encoders, manifest, labels_from_folders)
        return _add(collection, path, split, prune, encoders, progress)
    extraction = extract_media(
        collection.run,
        path,
        collection.folder / STORES,
        encoders=encoders,
        split=split,
        manifest=as_path(manifest),
        labels_from_folders=labels_from_folders,
        cut=Cut(collection.record.window, collection.record.hop),
        progress=progress,
    )
    added = _add(collection, extraction.store.folder, split, prune, encoders, progress)
    added = replace(added, notes=extraction.notes)
    if not extraction.failures:
        return added
    return replace(added, failed=len(extraction.failures), failures=extraction.store.folder / FAILURES)


def index_remove(
    index: str | Path | Collection, ids: Iterable[str] = (), *, purge: bool = False, url: str | None = None
) -> Removed:
    """Remove clips by id; with `purge`, erase all that was ever removed or replaced from every file and version.

    Raises DataError for an id that is not there, and then removes nothing, and AvgzslError where an engine refuses to
    erase.
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
        try:
            erased = erase(collection, db) if purge else 0
        except AvgzslError as problem:
            left = f"{removed} clips are removed, and not all is erased; erase it with `avgzsl index-remove --purge`"
            kind = DataError if isinstance(problem, DataError) else AvgzslError
            raise kind(f"{problem}; {left}") from problem
        if purge:  # features of clips that came as files; those that stay are extracted again when they are added again
            shutil.rmtree(collection.folder / STORES, ignore_errors=True)
    collection.close()
    return Removed(removed, erased)


def index_rebuild(
    index: str | Path | Collection,
    *,
    url: str | None = None,
    encoders: EncoderChoice | None = None,
    shard: int | None = None,
) -> None:
    """Make anew what is made of the stored embeddings: the engine, and the mean and deviation of scores (`standard`).

    With `shard`, one shard of the engine `sharded` alone, counted from 1; the others are searched meanwhile. The mean
    takes the text encoder of a run without training. Raises DataError where the embeddings themselves are damaged,
    WeightsError, ConfigError where there is no such shard.
    """
    collection = open_index(index, url)
    faults = repair.verify(collection).truth
    if faults:
        raise DataError(f"{collection.folder}: cannot be rebuilt from what is stored:\n  " + "\n  ".join(faults))
    if shard is None:
        repair.rebuild(collection)
    else:
        repair.rebuild_shard(collection, shard)
    with writing(collection) as db:
        standard.renew(collection, db, encoders or EncoderChoice())
        renew_recall(collection, db)
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
        name=collection.name,
        **counts._asdict(),
        modes=tuple(map(str, collection.modes)),
        waiting_for_the_engine=waiting,
        removed_but_not_purged=dead,
        recall={mode: noted.recall for mode, noted in recall_record.measured_modes(collection).items()},
        bytes=sum(file.stat().st_size for file in collection.folder.rglob("*") if file.is_file()),
    )


def _add(
    collection: Collection,
    source: Path,
    split: str | None,
    prune: bool,
    encoders: EncoderChoice | None,
    progress: Progress | None,
) -> Added:
    """Features of a store or of a folder, embedded and written, a batch at a time."""
    clips = open_source(collection.run, source, split)
    files = pruning.files_of(source) if prune else None
    added = kept = pruned = 0
    with writing(collection) as db:
        if files is not None:
            pruned = pruning.prune(collection, db, files)
        for batch in clips.batches:
            new = known_clips.changed(collection, db, batch.clips)
            fresh = set(new)
            known_clips.note_files(db, [clip for i, clip in enumerate(batch.clips) if i not in fresh])
            if files is not None:
                new = [i for i in new if not pruning.lacks_file(batch.clips[i])]
            if new:
                embedded = collection.run.method.embed_clips(batch.features.take(torch.tensor(new)))
                append(collection, db, [batch.clips[i] for i in new], embedded)
                apply(collection, db)
            added, kept = added + len(new), kept + len(batch.clips) - len(new)
            if progress is not None:
                progress(Step("index", added + kept, clips.total))
        apply(collection, db, enough=1)
        standard.keep(collection, db, encoders or EncoderChoice())
        renew_recall(collection, db)
    collection.close()
    return Added(added, kept, pruned=pruned)


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
