"""`avgzsl index` and `avgzsl index-add`: clips into an archive that can be searched."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avgzsl.cli.folders import run_folder, store_folder
from avgzsl.cli.options import (
    Index,
    LabelsFromFolders,
    Manifest,
    MethodOfRun,
    Source,
    Split,
    Url,
    with_options,
)
from avgzsl.types import EncoderChoice

if TYPE_CHECKING:
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
    name: Annotated[
        str | None, typer.Option(help="What the page calls the archive; its folder's name if never given.")
    ] = None,
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
        "name": name,
    }
    _check_sources(run, source, frozen, unused={"--split": split, "--method": method})
    with show.progress() as progress:
        if source is None:
            added = index_frozen(run, out, **more, progress=progress, note=show.note)
        else:
            added = fill(
                load_run(run_folder(run), method), store_folder(source), out, **more, split=split, progress=progress
            )
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


def _check_sources(run: Path, source: Path | None, frozen: bool, unused: dict[str, str | None]) -> None:
    """Raises ConfigError unless there are a run and a source, or, with --frozen, clips alone and nothing of a run."""
    from avgzsl.errors import ConfigError
    from avgzsl.features.folder_kinds import kind_of_folder

    if frozen:
        if source is not None:
            raise ConfigError(f"--frozen indexes one folder without a run, and two were given; leave {run} out")
        if given := [name for name, value in unused.items() if value is not None]:
            raise ConfigError(f"{given[0]} is of a run, and --frozen has none; leave it out")
        return
    kind = kind_of_folder(run)
    if source is None:
        known = {
            "run": f"give what the run indexes, too: `avgzsl index {run} CLIPS --out …`",
            "clips": f"give a run before it, or index it with --frozen: `avgzsl index {run} --frozen --out …`",
        }
        said = known.get(kind or "", "give a run and a source, or one folder of clips with --frozen")
        raise ConfigError(f"{run}: one folder was given; {said}")
    if kind != "run" and kind_of_folder(source) == "run":
        raise ConfigError(f"{source} is the run; it goes first: `avgzsl index {source} {run} --out …`")


def _show_added(index: Path, added: "Added") -> None:
    from avgzsl.archive.results import reasons
    from avgzsl.cli import show

    pruned = f", {added.pruned} removed whose files are gone" if added.pruned else ""
    print(f"{index}: {added.added} clips added, {added.kept} were there unchanged{pruned}")
    show.notes(added.notes)
    if added.failed:
        print(f"{added.failed} file{'s' * (added.failed > 1)} gave none; why, is in {added.failures}")
        show.notes(reasons(added))
        sys.exit(1)
