"""An index is made, and taken away again: at every moment it is an index, or nothing that could be taken for one.

While an index is made, and while it is removed, its record has another name, `index.json.begun`: what is in such a
folder is nothing yet, or nothing any more, and who makes an index there next clears it.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from avgzsl.archive import clip_database, clip_table, embeddings
from avgzsl.archive.changing import drop_vectors
from avgzsl.archive.collection import ENGINE, RUN, STORES, Collection, open_index
from avgzsl.archive.engines import PLUGINS, address, engines
from avgzsl.archive.index_checks import require_recall_used
from avgzsl.archive.index_record import RECORD, WHOLE, Cut, describe, write_record
from avgzsl.archive.recall_record import RECALL
from avgzsl.archive.standard_record import STANDARD
from avgzsl.archive.writer import LOCK, only_writer, refused
from avgzsl.errors import AvgzslError, DataError, RunError, UnknownNameError
from avgzsl.experiments.calibration import RECOGNITION
from avgzsl.experiments.run import CHECKPOINT, CLASSES, MODEL, Run
from avgzsl.experiments.run_record import CONFIG
from avgzsl.media.version import DECODER
from avgzsl.recognition.encoders import CARDS, WEIGHTS
from avgzsl.support.confidential import Address
from avgzsl.support.registry import unknown
from avgzsl.support.trust import copy_regular
from avgzsl.support.weights import identify

_BEGUN = f"{RECORD}.begun"
_NEEDED = (CONFIG, CLASSES, MODEL, RECOGNITION)  # of a run


def create(
    folder: Path,
    run: Run,
    engine: str,
    url: str | Address | None = None,
    decoder: int = DECODER,
    cut: Cut = WHOLE,
    recall: float | None = None,
) -> Collection:
    """An empty index for features of a version of the decoder, made by a run, of which it keeps a copy.

    What a killed creation left there is cleared.

    Raises DataError when something else is in the folder, AvgzslError when another process is at it, UnknownNameError,
    ConfigError for the engine.
    """
    if engine not in PLUGINS.names():
        raise UnknownNameError(unknown("engine", engine, engines()))
    given = None if url is None else address(engine, url)
    made = Collection(folder, describe(run, engine, address(engine, given), decoder, cut, recall), run, given)
    require_recall_used(made)
    _require_free(folder)
    folder_was_there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise refused(folder, problem, new=True) from problem
    with only_writer(folder):
        _require_free(folder)  # others may have been quicker
        try:
            _clear(folder)
            _write(made)
        except BaseException as problem:
            discard(made, folder_was_there)
            if not isinstance(problem, OSError):
                raise
            raise refused(folder, problem, new=True) from problem
    return open_index(folder, given, type(run.method))


def discard(collection: Collection, keep_folder: bool) -> None:
    """Remove an index that is held, from its engine's server too; with `keep_folder`, the folder stays, empty."""
    folder = collection.folder
    with suppress(FileNotFoundError):
        (folder / RECORD).replace(folder / _BEGUN)  # no index from here on
    with suppress(AvgzslError):  # a server that does not answer
        drop_vectors(collection)
    with suppress(OSError):  # another process may have come in; what stays is cleared by who comes next
        _clear(folder)
        (folder / LOCK).unlink()
        if not keep_folder:
            folder.rmdir()


def _require_free(folder: Path) -> None:
    """Raises DataError where an index, or anything but what a killed creation leaves, is in the way."""
    if (folder / RECORD).exists():
        raise DataError(f"{folder}: another process has made an index here; run the same again: it goes on with that")
    try:
        names = [file.name for file in folder.iterdir()]
    except FileNotFoundError:
        return
    except OSError as problem:
        raise DataError(f"{folder}: is no folder for an index ({problem.strerror}); choose another place") from problem
    if strange := sorted(name for name in names if not _own(name, _BEGUN in names)):
        raise DataError(
            f"{folder}: is not an empty folder and no index (it has {strange[0]!r}); choose another place or remove it"
        )


def _own(name: str, begun: bool) -> bool:
    """Whether a file of this name may lie in the folder of an index that is not made yet, or has been `begun`."""
    if name == LOCK or (name.startswith(f".{RECORD}.") and name.endswith(".tmp")):
        return True
    return begun and (
        name in (RUN, ENGINE, STORES, _BEGUN, RECALL, STANDARD, embeddings.FILE) or name.startswith(clip_table.FILE)
    )


def _clear(folder: Path) -> None:
    """Remove all of an index but the lock, its record last."""
    for child in sorted(folder.iterdir(), key=lambda child: child.name == _BEGUN):
        if child.name == LOCK:
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()


def _write(made: Collection) -> None:
    """Write all that an empty index has; it is one when its record has its name."""
    folder = made.folder
    write_record(folder, made.record, _BEGUN)
    for file in _files_of(made.run):
        copy = folder / RUN / file.relative_to(made.run.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy_regular(file, copy, RunError)
    clip_database.create(folder)
    for mode in made.stored:
        made.engine(mode).create()  # which fails where it is not installed, or its server is not there
    made.close()
    (folder / _BEGUN).replace(folder / RECORD)


def _files_of(run: Run) -> list[Path]:
    """What an index keeps of a run, which somebody else may have made: an index is shared.

    Links, of which a hub's copy is made, are followed to what a run has to have and to what its record knows by hash.
    """
    files = [file for file in sorted(run.folder.iterdir()) if file.is_file() and not _is_passing(file)]
    kept = [file for file in files if file.name in _NEEDED or not file.is_symlink()]
    known = {weights.sha256 for encoder in run.config.data.known_encoders for weights in encoder.weights}
    carried = (file for part in (WEIGHTS, CARDS) for file in sorted((run.folder / part).rglob("*")) if file.is_file())
    return [*kept, *(file for file in carried if identify(file).sha256 in known)]


def _is_passing(file: Path) -> bool:
    """Whether it is of use to a training that is under way alone."""
    return file.name == CHECKPOINT or file.suffix == ".tmp"
