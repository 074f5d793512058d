"""What is asked of an index that is made or added to, held against what it is: before anything is done."""

from dataclasses import asdict
from pathlib import Path

from avgzsl.archive import standard
from avgzsl.archive.collection import RUN, Collection
from avgzsl.archive.index_record import WHOLE, Cut
from avgzsl.archive.sources import decoder_of
from avgzsl.errors import ConfigError, DataError
from avgzsl.types import EncoderChoice


def checked_cut(window: float | None, hop: float | None) -> Cut:
    """How media files are cut. Raises ConfigError for lengths that are none, and for a hop without a window."""
    if window is None and hop is not None:
        raise ConfigError(f"a hop of {hop} s without a window; give the window too")
    for name, length in (("window", window), ("hop", hop)):
        if length is not None and not 0 < length < float("inf"):
            raise ConfigError(f"a {name} of {length} s; expected more than 0")
    return Cut(window, hop)


def require_recall_used(collection: Collection) -> None:
    """Raises ConfigError for a recall that is asked of an engine that finds all."""
    if collection.record.wanted_recall is not None and not collection.approximate:
        raise ConfigError(
            f"the engine {collection.record.engine} is exact; leave the recall out, or choose an approximate engine "
            "(see `avgzsl engines`)"
        )


def checked_recall(recall: float | None) -> float | None:
    """The share of the nearest that an approximate engine is to find. Raises ConfigError for what is none."""
    if recall is not None and not 0 < recall <= 1:
        raise ConfigError(f"a recall of {recall}; expected a share above 0 and up to 1, as 0.99")
    return recall


def require_made_so(collection: Collection, engine: str | None, cut: Cut, recall: float | None = None) -> None:
    """Raises DataError for an index of another engine or recall, or of files that were cut otherwise."""
    record, folder = collection.record, collection.folder
    if engine not in (None, record.engine):
        raise DataError(
            f"{folder}: is an index with the engine {record.engine}; go on with that, or choose another folder"
        )
    if recall not in (None, record.wanted_recall):
        raise DataError(
            f"{folder}: was made for a recall of {record.wanted_recall or 'its own'}, and {recall} is asked for; leave "
            "the recall out, or choose another folder"
        )
    if cut != WHOLE and cut != Cut(record.window, record.hop):
        made = "whole" if record.window is None else f"cut into windows of {record.window:g} s"
        raise DataError(
            f"{folder}: its files are {made}{'' if record.hop is None else f', {record.hop:g} s apart'}, and other "
            "windows were asked for; leave window and hop out, or choose another folder"
        )


def require_media_options_unused(
    collection: Collection,
    source: Path,
    encoders: EncoderChoice | None,
    manifest: str | Path | None,
    labels_from_folders: bool,
) -> None:
    """Raises ConfigError for what says how media files are read, or names, of a source that has features already.

    Where the index standardises its scores, it reads phrases.
    """
    unset, given = asdict(EncoderChoice()), asdict(encoders or EncoderChoice())
    used = ("text", "models", "device") if standard.is_own(collection) else ()
    unused = [name for name in given if given[name] != unset[name] and name not in used]
    unused += (["manifest"] if manifest is not None else []) + (["labels_from_folders"] if labels_from_folders else [])
    if unused:
        raise ConfigError(f"{source}: holds features already; {unused[0]} has no part in indexing them, leave it out")


def require_decoder(collection: Collection, source: Path) -> None:
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
