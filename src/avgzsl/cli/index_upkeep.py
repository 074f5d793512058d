"""`avgzsl index-remove`, `-rebuild`, `-info`, `-verify` and `-move`: an index that is there is kept in order."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avgzsl.cli.options import Index, Json, MethodOfRun, Url, with_options
from avgzsl.types import EncoderChoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avgzsl.archive.file_check import CheckedFiles
    from avgzsl.archive.results import IndexInfo


def index_remove(
    index: Index,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of clips.")] = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Erase all that was ever removed or replaced from every file and version.")
    ] = False,
    url: Url = None,
    method: MethodOfRun = None,
) -> None:
    """Remove clips from an index."""
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.indexing import index_remove as remove
    from avgzsl.errors import ConfigError

    if not ids and not purge:
        raise ConfigError("nothing to remove; give ids of clips, or --purge to erase what was removed before")
    clips = remove(open_index(index, url, method), ids or [], purge=purge)
    print(f"{clips.removed} clips removed" + (f", {clips.erased} erased" if purge else ""))


@with_options("audio", "video", "text", "device")
def index_rebuild(
    index: Index,
    *,
    url: Url = None,
    shard: Annotated[
        int | None, typer.Option(help="Of the engine sharded: this shard alone, counted from 1; the others go on.")
    ] = None,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
) -> None:
    """Make the engine of an index anew from the stored embeddings, and the mean of its scores where it has one."""
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.indexing import index_rebuild as rebuild

    rebuild(open_index(index, url, method), encoders=encoders, shard=shard)
    print(f"{index}: {'' if shard is None else f'shard {shard} '}rebuilt")


def index_info(index: Index, url: Url = None, method: MethodOfRun = None, json: Json = False) -> None:
    """Say what an index is and how much it holds."""
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.indexing import index_info as info
    from avgzsl.cli import show
    from avgzsl.reports.terminal_table import terminal_width, wrapped

    said = info(open_index(index, url, method))
    if json:
        show.json(said)
        return
    for name, value in _told(said):
        print("\n".join(wrapped(f"{name}: {show.printable(value)}", terminal_width(), "  ")))


def _told(info: "IndexInfo") -> "Iterator[tuple[str, str]]":
    """What one wants to know of an index, in words; `--json` has every field of its record."""
    from avgzsl.cli.cache import megabytes

    record = info.record
    yield "name", info.name
    both = f", {info.with_both} with both" if info.with_audio and info.with_video else ""
    yield "clips", f"{info.clips} ({info.with_audio} with sound, {info.with_video} with picture{both})"
    yield "labels", f"{info.labelled} clips of {info.labels} classes" if info.labels else "none"
    yield "size", megabytes(info.bytes)
    yield "searched by", ", ".join(info.modes)
    yield "method", f"{record.method}, run {record.run[:12]}"
    yield "numbers a clip", ", ".join(f"{part} {size}" for part, size in record.dimensions.items())
    yield "engine", record.engine + ("" if record.url is None else f" at {record.url}")
    if record.window is not None:
        hop = "" if record.hop is None else f", one each {record.hop:g} s"
        yield "long files", f"in pieces of {record.window:g} s{hop}"
    if info.recall:
        wanted = "" if record.wanted_recall is None else f" (wanted {record.wanted_recall:.1%})"
        found = "; ".join(f"{mode} {share:.1%}" for mode, share in info.recall.items())
        yield "finds of the ten nearest", f"{found}{wanted}"
    if info.waiting_for_the_engine:
        yield "not in the engine yet", f"{info.waiting_for_the_engine} clips, which are found without it"
    if info.removed_but_not_purged:
        yield "removed and not erased", f"{info.removed_but_not_purged} clips; `avgzsl index-remove INDEX --purge`"
    if info.with_file < info.clips:
        yield "without a file", f"{info.clips - info.with_file} clips, which cannot be played"


def index_verify(
    index: Index,
    hash: Annotated[
        bool, typer.Option("--hash", help="Compare every file by its bytes, not only those of another time.")
    ] = False,
    url: Url = None,
    method: MethodOfRun = None,
) -> None:
    """Read all of an index and say what is damaged, and which files changed or are gone; then the exit code is 1."""
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.file_check import index_files
    from avgzsl.archive.indexing import index_verify as verify
    from avgzsl.cli import show

    collection = open_index(index, url, method)
    faults = verify(collection)
    for fault in [*faults.truth, *faults.engine, *faults.unanswered]:
        print(fault)
    if faults.truth:
        print("restore these files from a copy, or index again into another folder")
        sys.exit(1)
    if faults.engine:
        print(f"`avgzsl index-rebuild {index}` mends this")
    if faults.unanswered:
        print("what does not answer could not be verified; see that it runs, and verify again")
    if not faults:
        print(f"{index}: as it was written")
    with show.progress() as progress:
        files = index_files(collection, hash=hash, progress=progress)
    sys.exit(1 if _show_files(index, files) or faults else 0)


def index_move(
    index: Index,
    old: Annotated[str, typer.Argument(help="Folder in which the files lay.")],
    new: Annotated[Path, typer.Argument(help="Folder in which they lie now.")],
    url: Url = None,
    method: MethodOfRun = None,
) -> None:
    """Tell an index that its files were moved; the exit code is 1 if some are not there, or are others."""
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.relocation import index_move as move
    from avgzsl.cli import show

    with show.progress() as progress:
        moved = move(open_index(index, url, method), old, new, progress=progress)
    print(f"{index}: {moved.clips} clips of {len(moved.files)} files lie in {new} now")
    sys.exit(1 if _show_files(index, moved.files) else 0)


def _show_files(index: Path, files: "CheckedFiles") -> bool:
    """Say which files are not those that were indexed, and what to do; whether there are any."""
    from avgzsl.cli.show import printable

    changed, gone, unknown = files.paths("changed"), files.paths("gone"), files.paths("unknown")
    for path in changed:
        print(f"changed since: {printable(path)}")
    for path in gone:
        print(f"gone: {printable(path)}")
    if unknown:
        print(
            f"{len(unknown)} files are there, and the index, made by an older version, does not say what they were; "
            f"`avgzsl index-add {index} SOURCE` notes it"
        )
    if changed or gone:
        print(
            f"of {len(files)} files {len(changed)} changed since they were indexed, {len(gone)} are gone; "
            f"`avgzsl index-add {index} SOURCE` brings the index up to date (with --prune it removes what is gone), "
            f"`avgzsl index-move {index} OLD NEW` says where a folder has moved"
        )
    return bool(changed or gone)
