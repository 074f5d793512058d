"""`avgzsl index` and `avgzsl index-…`: an archive that can be searched."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avgzsl.cli.options import (
    Index,
    Json,
    LabelsFromFolders,
    Manifest,
    MethodOfRun,
    Retrievals,
    Source,
    Split,
    Url,
    with_options,
)
from avgzsl.types import EncoderChoice

if TYPE_CHECKING:
    from avgzsl.archive.file_check import CheckedFiles
    from avgzsl.archive.results import Added

Prune = Annotated[
    bool, typer.Option("--prune", help="Remove the clips of files that lay in this source's folder and are gone.")
]
Window = Annotated[
    str | None,
    typer.Option(help="Of a new index: cut longer files into pieces of this length; --frozen cuts at 10s by itself."),
]
Hop = Annotated[str | None, typer.Option(help="Of a new index: from one piece to the next; the window if not given.")]
Recall = Annotated[
    float | None,
    typer.Option(
        help="Of a new index with an approximate engine: the share of the ten nearest to find; 0.99 by itself."
    ),
]
_OF_CLIPS = {
    "audio": "Of clips: audio encoder, if the run does not know its own.",
    "video": "Of clips: video encoder, likewise.",
    "models": "Of clips: folder of the weights of the run's encoders.",
    "device": "Of clips: where their encoders run: auto, cpu, cuda or cuda:N.",
}


@with_options(
    **_OF_CLIPS
    | {
        "text": "What words go through, once a part: own=ENCODER where the run does not know it (kept); with --frozen "
        "any, chosen to fit if not given."
    },
)
def index(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run; with --frozen, the clips.")],
    source: Annotated[Path | None, typer.Argument(help="A store, a folder of features, or a folder of clips.")] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the index; one of the same run goes on.")],
    frozen: Annotated[
        bool, typer.Option("--frozen", help="No run: encoders as they are, by default the best on this machine.")
    ] = False,
    engine: Annotated[str | None, typer.Option(help="Of a new index; see `avgzsl engines`.")] = None,
    url: Url = None,
    split: Split = None,
    manifest: Manifest = None,
    labels_from_folders: LabelsFromFolders = False,
    window: Window = None,
    hop: Hop = None,
    recall: Recall = None,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
    prune: Prune = False,
) -> None:
    """Index clips with a run, or `index CLIPS --frozen` without any; what is there unchanged is skipped."""
    from avgzsl.archive.frozen_index import index_frozen
    from avgzsl.archive.indexing import index as fill
    from avgzsl.cli import show
    from avgzsl.experiments.run import load_run
    from avgzsl.media.windows import seconds

    more: dict[str, Any] = {
        "engine": engine,
        "url": url,
        "encoders": encoders,
        "manifest": manifest,
        "labels_from_folders": labels_from_folders,
        "window": None if window is None else seconds(window),
        "hop": None if hop is None else seconds(hop),
        "recall": recall,
        "prune": prune,
    }
    _check_sources(run, source, frozen, unused={"--split": split, "--method": method})
    with show.progress() as progress:
        if source is None:
            added = index_frozen(run, out, **more, progress=progress, note=show.note)
        else:
            added = fill(load_run(run, method), source, out, **more, split=split, progress=progress)
    _show_added(out, added)


@with_options("text", **_OF_CLIPS)
def index_add(
    index: Index,
    source: Source,
    *,
    url: Url = None,
    split: Split = None,
    manifest: Manifest = None,
    labels_from_folders: LabelsFromFolders = False,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
    prune: Prune = False,
) -> None:
    """Add clips to an index, with the run that made it."""
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.indexing import index_add as add
    from avgzsl.cli import show

    with show.progress() as progress:
        added = add(
            open_index(index, url, method),
            source,
            encoders=encoders,
            split=split,
            manifest=manifest,
            labels_from_folders=labels_from_folders,
            prune=prune,
            progress=progress,
        )
    _show_added(index, added)


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

    said = info(open_index(index, url, method))
    if json:
        show.json(said)
        return
    for name, value in said.json().items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        print(f"{name}: {show.printable(shown)}")


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
    for fault in [*faults.truth, *faults.engine]:
        print(fault)
    if faults.truth:
        print("restore these files from a copy, or index again into another folder")
        sys.exit(1)
    if faults.engine:
        print(f"`avgzsl index-rebuild {index}` mends this")
    else:
        print(f"{index}: as it was written")
    with show.progress() as progress:
        files = index_files(collection, hash=hash, progress=progress)
    sys.exit(1 if _show_files(index, files) or faults.engine else 0)


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


@with_options(split="Only train, val or test; all labelled clips if not given.")
def index_evaluate(
    index: Index,
    *,
    split: Split = None,
    retrieval: Retrievals = None,
    url: Url = None,
    method: MethodOfRun = None,
    json: Json = False,
) -> None:
    """Measure how well the clips of an index are found by the names of their classes."""
    from rich.console import Console

    from avgzsl.archive.collection import open_index
    from avgzsl.archive.retrieval import index_evaluate as evaluate
    from avgzsl.cli import show
    from avgzsl.methods import marked_label, settings_of
    from avgzsl.reports.tables import render

    collection = open_index(index, url, method)
    evaluation = evaluate(collection, split, retrieval=retrieval)
    if json:
        show.json(evaluation)
        return
    name = marked_label(evaluation.method, settings_of(collection.run.method))
    Console().print(*render(evaluation.results, name))
    if evaluation.retrieval == "corrected":
        print("by corrected scores, without the bias to seen classes; --retrieval plain gives those of the paper")
    print(f"{evaluation.unlabelled} clips without a label were not counted")


def _check_sources(run: Path, source: Path | None, frozen: bool, unused: dict[str, str | None]) -> None:
    """Raises ConfigError unless there are a run and a source, or, with --frozen, clips alone and nothing of a run."""
    from avgzsl.errors import ConfigError

    if frozen:
        if source is not None:
            raise ConfigError(f"--frozen indexes one folder without a run, and two were given; leave {run} out")
        if given := [name for name, value in unused.items() if value is not None]:
            raise ConfigError(f"{given[0]} is of a run, and --frozen has none; leave it out")
    elif source is None:
        raise ConfigError(f"{run}: one folder was given; give a run and a source, or one folder of clips with --frozen")


def _show_added(index: Path, added: "Added") -> None:
    from avgzsl.cli import show

    pruned = f", {added.pruned} removed whose files are gone" if added.pruned else ""
    print(f"{index}: {added.added} clips added, {added.kept} were there unchanged{pruned}")
    show.notes(added.notes)
    if added.failed:
        print(f"{added.failed} file{'s' * (added.failed > 1)} gave none; why, is in {added.failures}")
        sys.exit(1)


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
