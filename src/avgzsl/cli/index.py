"""`avgzsl index` and `avgzsl index-…`: an archive that can be searched."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from avgzsl.archive.file_check import Checked

Index = Annotated[Path, typer.Argument(help="Folder of an index.")]
Source = Annotated[Path, typer.Argument(help="A store, a folder of features, or a folder of clips.")]
Split = Annotated[str | None, typer.Option(help="Only train, val or test; all clips if not given.")]
Manifest = Annotated[Path | None, typer.Option(help="Of clips: a csv with a path each, labels, spans.")]
Models = Annotated[Path | None, typer.Option(help="Of clips: folder of the weights of the run's encoders.")]
Audio = Annotated[str | None, typer.Option(help="Of clips: audio encoder, if the run does not know its own.")]
Video = Annotated[str | None, typer.Option(help="Of clips: video encoder, likewise.")]
Url = Annotated[
    str | None,
    typer.Option(help="Where the engine is, as http://localhost:6333; else AVGZSL_ENGINE_URL. The index is not asked."),
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Remove the clips of files that lay in this source's folder and are gone.")
]


def index(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder of the index; one of the same run goes on.")],
    engine: Annotated[str | None, typer.Option(help="lancedb (of a new index, the default), memory or qdrant.")] = None,
    url: Url = None,
    split: Split = None,
    manifest: Manifest = None,
    models: Models = None,
    audio: Audio = None,
    video: Video = None,
    prune: Prune = False,
) -> None:
    """Index clips with a run, extracting their features where needed; clips that are there unchanged are skipped."""
    from avgzsl.archive.indexing import index as fill

    with _progress() as told:
        media = {"manifest": manifest, "models": models, "audio": audio, "video": video}
        added = fill(run, source, out, engine=engine, url=url, split=split, prune=prune, told=told, **media)
    _tell(out, added)


def index_add(
    index: Index,
    source: Source,
    url: Url = None,
    split: Split = None,
    manifest: Manifest = None,
    models: Models = None,
    audio: Audio = None,
    video: Video = None,
    prune: Prune = False,
) -> None:
    """Add clips to an index, with the run that made it."""
    from avgzsl.archive.indexing import index_add as add

    with _progress() as told:
        media = {"manifest": manifest, "models": models, "audio": audio, "video": video}
        added = add(index, source, url=url, split=split, prune=prune, told=told, **media)
    _tell(index, added)


def index_remove(
    index: Index,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of clips.")] = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Erase all that was ever removed or replaced from every file and version.")
    ] = False,
    url: Url = None,
) -> None:
    """Remove clips from an index."""
    from avgzsl.archive.indexing import index_remove as remove
    from avgzsl.errors import ConfigError

    if not ids and not purge:
        raise ConfigError("nothing to remove; give ids of clips, or --purge to erase what was removed before")
    removed, erased = remove(index, ids or [], purge=purge, url=url)
    print(f"{removed} clips removed" + (f", {erased} erased" if purge else ""))


def index_rebuild(index: Index, url: Url = None) -> None:
    """Make the engine of an index anew from the stored embeddings."""
    from avgzsl.archive.indexing import index_rebuild as rebuild

    rebuild(index, url=url)
    print(f"{index}: rebuilt")


def index_info(
    index: Index, url: Url = None, json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """Say what an index is and how much it holds."""
    from json import dumps

    from avgzsl.archive.indexing import index_info as info

    about = info(index, url=url)
    print(dumps(about, indent=2) if json else "\n".join(f"{name}: {_plain(value)}" for name, value in about.items()))


def index_verify(
    index: Index,
    hash: Annotated[
        bool, typer.Option("--hash", help="Compare every file by its bytes, not only those of another time.")
    ] = False,
    url: Url = None,
) -> None:
    """Read all of an index and say what is damaged, and which files changed or are gone; then the exit code is 1."""
    from avgzsl.archive.file_check import index_files
    from avgzsl.archive.indexing import index_verify as verify

    faults = verify(index, url=url)
    for fault in [*faults.truth, *faults.engine]:
        print(fault)
    if faults.truth:
        print("restore these files from a copy, or index again into another folder")
        sys.exit(1)
    if faults.engine:
        print(f"`avgzsl index-rebuild {index}` mends this")
    else:
        print(f"{index}: as it was written")
    with _progress("files") as told:
        found = index_files(index, hash=hash, told=told)
    sys.exit(1 if _tell_files(index, found) or faults.engine else 0)


def index_move(
    index: Index,
    old: Annotated[str, typer.Argument(help="Folder in which the files lay.")],
    new: Annotated[Path, typer.Argument(help="Folder in which they lie now.")],
    url: Url = None,
) -> None:
    """Tell an index that its files were moved; the exit code is 1 if some are not there, or are others."""
    from avgzsl.archive.moved import index_move as move

    with _progress("files") as told:
        moved = move(index, old, new, url=url, told=told)
    print(f"{index}: {moved.clips} clips of {len(moved.files)} files lie in {new} now")
    sys.exit(1 if _tell_files(index, moved.files) else 0)


def index_evaluate(
    index: Index,
    split: Annotated[str | None, typer.Option(help="Only train, val or test; all labelled clips if not given.")] = None,
    url: Url = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Measure how well the clips of an index are found by the names of their classes."""
    from json import dumps

    from rich.console import Console

    from avgzsl.archive.retrieval import index_evaluate as evaluate
    from avgzsl.reports.tables import render

    found = evaluate(index, split, url=url)
    if json:
        print(dumps(found, indent=2))
        return
    Console().print(*render(found["results"], found["method"]))
    print(f"{found['unlabelled']} clips without a label were not counted")


def _progress(what: str = "index") -> Any:
    from avgzsl.cli import show

    return show.counting_progress(what)


def _tell(folder: Path, added: Any) -> None:
    pruned = f", {added.pruned} removed whose files are gone" if added.pruned else ""
    print(f"{folder}: {added.added} clips added, {added.kept} were there unchanged{pruned}")
    if added.failed:
        print(f"{added.failed} files gave none; why, is in {added.failures}")
        sys.exit(1)


def _tell_files(index: Path, found: "list[Checked]") -> bool:
    """Say which files are not those that were indexed, and what to do; whether there are any."""
    from avgzsl.cli.show import printable

    of = {state: [printable(one.path) for one in found if one.state == state] for state in ("changed", "gone")}
    for state, paths in of.items():
        for path in paths:
            print(f"{'changed since' if state == 'changed' else state}: {path}")
    if unknown := sum(one.state == "unknown" for one in found):
        print(
            f"{unknown} files are there, and the index, made by an older version, does not say what they were; "
            f"`avgzsl index-add {index} SOURCE` notes it"
        )
    if any(of.values()):
        print(
            f"of {len(found)} files {len(of['changed'])} changed since they were indexed, {len(of['gone'])} are gone; "
            f"`avgzsl index-add {index} SOURCE` brings the index up to date (with --prune it removes what is gone), "
            f"`avgzsl index-move {index} OLD NEW` says where a folder has moved"
        )
    return any(of.values())


def _plain(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)  # no cursor is moved
