"""A folder of clips in the browser: its index, kept outside of it, and the server on that; a second call joins."""

import logging
import os
import re
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from threading import Thread

from avgzsl.archive.changing import held
from avgzsl.archive.collection import open_index
from avgzsl.archive.creation import discard
from avgzsl.archive.frozen_index import index_frozen
from avgzsl.archive.index_record import RECORD
from avgzsl.archive.naming import require_name
from avgzsl.archive.results import Added, reasons
from avgzsl.errors import ConfigError, DataError, WeightsError
from avgzsl.recognition.encoders import clip_encoders
from avgzsl.recognition.local_encoders import TAGGERS, local_encoders
from avgzsl.server.running import noted, running
from avgzsl.server.serving import require_libraries, serve
from avgzsl.server.watching import folder_state, watched
from avgzsl.support.arguments import as_path, check_arguments
from avgzsl.support.own_folders import cache_root
from avgzsl.support.progress import Progress
from avgzsl.types import EncoderChoice

_HERE = "127.0.0.1"
LOG = logging.getLogger("avgzsl.server")


def open_folder(
    folder: str | Path,
    *,
    out: str | Path | None = None,
    encoders: EncoderChoice | None = None,
    port: int | None = None,
    browser: bool = True,
    watch: bool = False,
    name: str | None = None,
    progress: Progress | None = None,
    ready: Callable[[str], None] = print,
    ending: Callable[[], None] = lambda: None,
    note: Callable[[str], None] = print,
) -> int:
    """Index the clips of a folder without any training, and show them in the browser until SIGINT or SIGTERM.

    The index lies in the user's cache, under a hash of the folder's path, or at `out`, and never in the folder. The
    next time clips that are new are added, and those whose files are gone removed. With `watch` that is done while
    the page is open, too. `name` is what the page calls it, kept in the index, at first the folder's. Where a server of
    this index runs already, the browser is opened on that. Only this machine can call the server; its `port` is a free
    one if not given. `encoders` are those of `index_frozen`. `ready` is told the address, `note` what the reader should
    know. There are more parameters than eight, few of which are ever given.

    Gives the signal that ended it, 0 where it joined. Raises ConfigError for a place inside the folder or without the
    extra `serve`, DataError for what is no folder or holds no clip, and what `index_frozen` and `serve` raise.
    """
    check_arguments(encoders=encoders, progress=progress)
    require_libraries()
    clips = _folder(Path(folder))
    index = index_place(clips, out)
    if (address := running(index)) is not None:
        note(f"{clips} is open already, by another command; end that one first to change its name, port or encoders")
        ready(address)
        _browse(address, browser)
        return 0

    def update(progress: Progress | None) -> Added:
        return index_frozen(clips, index, encoders=encoders, prune=True, name=name, progress=progress, note=note)

    if out is None:
        _leave_to_better(index, encoders or EncoderChoice(), note)
    if name is None and not (index / RECORD).exists():
        name = _shown(clips.name)
    before = folder_state(clips)
    added = update(progress)
    for line in (said(added), *reasons(added)):
        note(line)
    with noted(index) as own, ExitStack() as ends:
        ends.callback(LOG.setLevel, LOG.level)
        if watch:
            ended = ends.enter_context(watched(clips, before, update, note))

        def begun(url: str) -> None:
            LOG.setLevel(logging.WARNING)  # who opens a folder reads no journal of requests
            own.write(url)
            ready(url)
            note("Ctrl+C ends it")
            _browse(url, browser)

        def ends_now() -> None:
            own.remove()
            if watch:
                ended.set()
            ending()

        of_words = None if encoders is None else EncoderChoice(models=encoders.models, device=encoders.device)
        return serve(index, host=_HERE, port=port or 0, encoders=of_words, ready=begun, ending=ends_now, warn=note)


def index_place(folder: Path, out: str | Path | None = None) -> Path:
    """Where the index of a folder is kept: at `out`, else in the user's cache (AVGZSL_CACHE).

    Raises ConfigError for a place inside the folder, which stays as it is.
    """
    if out is None:
        folder = folder.resolve()
        known = sha256(os.fsencode(folder)).hexdigest()[:16]
        place = indexes_folder() / known / _readable(folder.name)
    else:
        place = Path(out)
    if place.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{place}: lies in {folder}, in which nothing is written; choose a place outside of it with --out"
        )
    return place


def indexes_folder() -> Path:
    """Where the indexes of folders are kept that were opened without `out`: in the user's cache."""
    return cache_root() / "folders"


def said(added: Added) -> str:
    """What came of an index, in a line."""
    gone = f", {added.pruned} removed whose files are gone" if added.pruned else ""
    failed = (
        f"; {added.failed} file{'s' * (added.failed > 1)} gave none, {added.failures} says why" if added.failed else ""
    )
    return f"{added.added} clips added, {added.kept} were there{gone}{failed}"


def _leave_to_better(index: Path, encoders: EncoderChoice, note: Callable[[str], None]) -> None:
    """Remove an index in the cache that was made with taggers, where encoders that find more have come since."""
    if not (index / RECORD).exists() or clip_encoders(encoders):
        return
    collection = open_index(index)
    known = {encoder.spec for encoder in collection.run.config.data.encoders.values()}
    try:
        best = local_encoders(as_path(encoders.models))
    except WeightsError:  # what the index needs of them is told when it is needed
        return
    if best.better is None and known & set(TAGGERS.values()):
        note(f"{' and '.join(best.specs.values())} are on this machine now: the folder is indexed anew with them")
        with held(collection):
            discard(collection, keep_folder=False)


def _folder(given: Path) -> Path:
    """The folder by its path without links. Raises DataError."""
    try:
        if given.is_dir():
            if not os.access(given, os.R_OK | os.X_OK):
                raise DataError(f"{given}: may not be read by you; change its permissions, or open another folder")
            return given.resolve()
        exists = given.exists()
    except (OSError, ValueError, RuntimeError) as problem:
        raise DataError(f"{given}: is no folder that can be opened ({problem})") from problem
    if exists:
        raise DataError(f"{given}: is a file; give the folder that it lies in, {given.parent}")
    raise DataError(f"{given}: is not there; give the folder of the clips")


def _shown(name: str) -> str | None:
    """A folder's name as that of an archive; None where it cannot be shown."""
    with suppress(ConfigError):
        require_name(name)
        return name
    return None


def _readable(name: str) -> str:
    """A name of a folder as a name that every file system takes."""
    return re.sub(r"[^\w.-]+", "-", name.encode("utf-8", "replace").decode()).strip("-.")[:60] or "clips"


def _browse(url: str, wanted: bool) -> None:
    """Beside all else: a browser may take seconds to start, and some hold whoever starts them."""
    if wanted:
        Thread(target=webbrowser.open, args=(url,), daemon=True, name="browser").start()
