"""The calls behind `avgzsl index` and `avgzsl index-…`: clips into an index and out of it, and what there is in it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from avgzsl.archive import clip_table, indexed_files, pruning, repair
from avgzsl.archive.clip_table import Clip
from avgzsl.archive.collection import (
    RUN,
    STORES,
    Collection,
    append,
    apply,
    create,
    discard,
    held,
    open_collection,
    remove,
    require_run,
    view,
    writing,
)
from avgzsl.archive.collection import purge as erase
from avgzsl.archive.engines import default_engine
from avgzsl.archive.extraction import extracted, has_extracted
from avgzsl.archive.index_record import RECORD
from avgzsl.archive.sources import decoder_of, kind_of, open_source
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.experiments.run import load_run
from avgzsl.features.extract import FAILURES
from avgzsl.media.version import DECODER
from avgzsl.support.trust import bare_address

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Added:
    """Clips that were added (or replaced), those that were there already, unchanged, media files that gave none, with
    the file that says why, and clips that were removed because their files are gone."""

    added: int
    kept: int
    failed: int = 0
    failures: Path | None = None
    pruned: int = 0


def index(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    engine: str | None = None,
    url: str | None = None,
    split: str | None = None,
    prune: bool = False,
    told: Told | None = None,
    **media: Any,
) -> Added:
    """Index the clips of `source` with a run into the folder `out`; an index of the same run there goes on.

    `source` is a store, a folder of features in any layout, or a folder of media files, which go through the run's own
    encoders into a store inside the index (`media`: see `extraction.extracted`). `split` takes only train, val or test.
    Clips of files that were replaced are replaced; `prune` removes those of files that were in the source's folder and
    are gone. `engine` is that of a new index, LanceDB on disk if not given; `url` is where it is, if not on disk: here,
    and in the other calls, it is the user who says so, here or in AVGZSL_ENGINE_URL. Raises DataError, RunError,
    ConfigError, ModalityError, WeightsError; a new index that nothing had come into is then gone.
    """
    loaded, folder = load_run(Path(run)), Path(out)
    if (folder / RECORD).exists():
        collection = open_collection(folder, url)
        require_run(folder, collection.record, loaded)
        there = collection.record.engine
        if engine not in (None, there):
            raise DataError(f"{folder}: is an index with the engine {there}; go on with that, or choose another folder")
        return _add(collection, source, split, prune, told, media)
    there_before = folder.exists()
    decoder = decoder_of(source)
    collection = create(folder, loaded, engine or default_engine(), url, DECODER if decoder is None else decoder)
    try:
        return _add(collection, source, split, prune, told, media)
    except Exception:  # no interruption: after that the same command goes on
        _undo(collection, there_before)
        raise


def index_add(
    index: str | Path,
    source: str | Path,
    *,
    url: str | None = None,
    split: str | None = None,
    prune: bool = False,
    told: Told | None = None,
    **media: Any,
) -> Added:
    """Add the clips of `source` to an index, with the run that made it; unchanged ones are skipped. As `index`."""
    return _add(open_collection(index, url), source, split, prune, told, media)


def index_remove(
    index: str | Path, ids: Iterable[str] = (), *, purge: bool = False, url: str | None = None
) -> tuple[int, int]:
    """Remove clips by id; with `purge`, erase all that was ever removed or replaced from every file and version.

    Gives how many were removed and how many erased. Raises DataError for an id that is not there, and then removes
    nothing.
    """
    collection, wanted = open_collection(index, url), list(dict.fromkeys(ids))
    if purge:
        collection.address()  # before anything is removed
    with writing(collection) as db:
        there = clip_table.contents(db, wanted)
        if strange := [name for name in wanted if name not in there]:
            raise DataError(
                f"{collection.folder}: holds no clip {', '.join(map(repr, strange[:5]))}; nothing was removed"
            )
        removed = remove(collection, db, wanted)
        indexed_files.forget_others(db)
        erased = erase(collection, db) if purge else 0
        if purge:  # features of clips that came as files; those that stay are extracted again when they are added again
            shutil.rmtree(collection.folder / STORES, ignore_errors=True)
    collection.close()
    return removed, erased


def index_rebuild(index: str | Path, *, url: str | None = None) -> None:
    """Make the engine anew from the stored embeddings. Raises DataError where these themselves are damaged."""
    collection = open_collection(index, url)
    faults = repair.verify(collection).truth
    if faults:
        raise DataError(f"{collection.folder}: cannot be rebuilt from what is stored:\n  " + "\n  ".join(faults))
    repair.rebuild(collection)
    collection.close()


def index_verify(index: str | Path, *, url: str | None = None) -> repair.Faults:
    """Read all that is stored and say what is wrong. Raises DataError, RunError for what is no index of its run."""
    collection = open_collection(index, url)
    found = repair.verify(collection)
    collection.close()
    return found


def index_info(index: str | Path, *, url: str | None = None) -> dict[str, Any]:
    """What an index is and how much it holds."""
    collection = open_collection(index, url)
    with view(collection) as seen:
        counts = seen.db.execute(
            "select count(*), total(has_audio), total(has_video), total(has_audio and has_video), count(label), "
            "count(path), count(distinct label) from clips"
        ).fetchone()
        names = ("clips", "with_audio", "with_video", "with_both", "labelled", "with_file", "labels")
        waiting = len(seen.positions("position >= ?", (seen.state.applied,)))
        dead = len(clip_table.dead(seen.db))
    size = sum(file.stat().st_size for file in collection.folder.rglob("*") if file.is_file())
    return {
        **collection.record.model_dump(mode="json"),
        "url": None if (url := collection.record.url) is None else bare_address(url),
        **dict(zip(names, map(int, counts), strict=True)),
        "modes": [str(mode) for mode in collection.modes],
        "waiting_for_the_engine": waiting,
        "removed_but_not_purged": dead,
        "bytes": size,
    }


def _add(
    collection: Collection,
    source: str | Path,
    split: str | None,
    prune: bool,
    told: Told | None,
    media: dict[str, Any],
) -> Added:
    _require_decoder(collection, source)
    collection.address()  # before anything is done
    failed, failures, path = 0, None, Path(source)
    if kind_of(path) == "media":
        done = extracted(collection.run, path, collection.folder / STORES, told, split=split, **media)
        failed, failures, path = len(done.failures), done.store.folder / FAILURES, done.store.folder
    elif given := [name for name, value in media.items() if value is not None]:
        raise ConfigError(f"{path}: holds features already; {given[0]} is for media files, leave it out")
    found = open_source(collection.run, path, split)
    root = pruning.root_of(path) if prune else None
    added = kept = pruned = 0
    with writing(collection) as db:
        if root is not None:
            pruned = pruning.prune(collection, db, root)
        for batch in found.batches:
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
            if told is not None:
                told(added + kept, found.total)
        apply(collection, db, enough=1)
    collection.close()
    return Added(added, kept, failed, failures if failed else None, pruned)


def _require_decoder(collection: Collection, source: str | Path) -> None:
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
            with clip_table.opened(collection.folder) as db:
                unused = clip_table.state(db).end == 0
            if unused and not has_extracted(collection.folder / STORES):
                discard(collection, keep_folder)
    except AvgzslError:  # another process is writing, or the disk fails: the first error is the one to tell
        return


def _changed(collection: Collection, db: sqlite3.Connection, clips: list[Clip]) -> list[int]:
    """Which of the clips are new or other than those of their id. Raises DataError for an id of two files."""
    there = clip_table.contents(db, [clip.id for clip in clips])
    changed = [i for i, clip in enumerate(clips) if clip.id not in there or there[clip.id][0] != clip.hash]
    for clip in (clips[i] for i in changed):
        _, path = there.get(clip.id, (None, None))
        if path is not None and clip.path is not None and path != clip.path and Path(path).is_file():
            raise DataError(
                f"{collection.folder}: {path} and {clip.path} have the id {clip.id!r}; give them different ids in a "
                "manifest, or remove the first from the index"
            )
    return changed


def _note_files(db: sqlite3.Connection, clips: list[Clip]) -> None:
    """Of clips that are there unchanged: where their files lie by now, and what they were when they were read."""
    there = clip_table.contents(db, [clip.id for clip in clips])
    noted = indexed_files.noted(db, (path for _, path in there.values()))
    moved, files = [], []
    for clip in (clip for clip in clips if clip.id in there and clip.path is not None):
        path = there[clip.id][1]
        if path != clip.path and (path is None or indexed_files.is_gone(path)):
            moved.append((clip.path, clip.id))
        elif path != clip.path:
            continue
        if clip.file is not None and noted.get(clip.path or "") != clip.file:
            files.append((clip.path or "", clip.file))
    if moved or files:
        with clip_table.transaction(db, write=True):
            db.executemany("update clips set path = ? where id = ?", moved)
            indexed_files.note(db, files)
            if moved:
                indexed_files.forget_others(db)
