"""`avgzsl search`: words or a clip to the clips of an index."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avgzsl.cli.options import Fusions, Index, Json, MethodOfRun, Modality, Retrievals, Top, Url, with_options
from avgzsl.types import EncoderChoice

if TYPE_CHECKING:
    from avgzsl.archive.hits import Hits

NONE_LIKELY = 3  # exit code of --only-likely where no hit is
NOT_ALL_ASKED = 4  # exit code where no clip is given and a part of the index did not answer


@with_options(
    top="How many clips.",
    by="By what of the clip --like to search; all there is, if not given.",
    modality="By what to compare clips; all there is, if not given.",
)
def search(
    index: Index,
    words: Annotated[list[str] | None, typer.Argument(help="What to look for; several phrases are added up.")] = None,
    *,
    without: Annotated[
        list[str] | None, typer.Option(help="Words to stay away from, by vector arithmetic; may be repeated.")
    ] = None,
    like: Annotated[Path | None, typer.Option(help="A clip, instead of words.")] = None,
    by: Modality = None,
    top: Top = 20,
    modality: Modality = None,
    fusion: Fusions = None,
    where: Annotated[
        str | None,
        typer.Option(
            help='A condition, as "duration < 10 and label contains école" or "label = dog or cat" (either). '
            "`contains` takes É and é for the same, the other operators do not; none minds how an accent is written."
        ),
    ] = None,
    retrieval: Retrievals = None,
    only_likely: Annotated[
        bool,
        typer.Option("--only-likely", help="Only clips that the words probably fit; exit code 3 where there is none."),
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write what is shown to this new file, as a table.")] = None,
    m3u: Annotated[
        Path | None, typer.Option(help="Write it as a playlist, which plays each clip's own seconds.")
    ] = None,
    cut: Annotated[
        Path | None, typer.Option(help="Cut the clips out of their files, into this new folder (mp4, flac).")
    ] = None,
    media: Annotated[
        list[Path] | None,
        typer.Option(help="Folder whose files may be cut, of an index made elsewhere; may be repeated."),
    ] = None,
    url: Url = None,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
    json: Json = False,
) -> None:
    """Find clips by words, seen in training or not, or by a clip.

    Clips below the line probably do not fit the words. Exit codes with --only-likely: 0 for some clips, 3 for none, 1
    for an error, as where nothing tells what is likely. With or without it, 4 says that no clip is given and a part of
    the index did not answer: with --json, `[]` alone would not tell.
    """
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.search import search as find
    from avgzsl.cli import show

    _require_new(csv, m3u, cut, media)
    hits = find(
        open_index(index, url, method),
        words or [],
        without=without or [],
        like=like,
        by=by,
        top=top,
        modality=modality,
        fusion=fusion,
        where=where,
        retrieval=retrieval,
        encoders=encoders,
    )
    shown = hits.only_likely() if only_likely else hits
    if json:
        show.json(shown)
    else:
        _print(hits, shown, f"‘{' + '.join(words or [])}’")
    show.notes((*hits.notes, *hits.absent), aside=json)
    failed = _export(shown, csv, m3u, cut, media or [])
    if shown.partial and not shown:
        sys.exit(NOT_ALL_ASKED)
    if only_likely and not shown:
        sys.exit(NONE_LIKELY)
    if failed:
        sys.exit(1)


def _require_new(csv: Path | None, m3u: Path | None, cut: Path | None, media: list[Path] | None) -> None:
    """Before anything is searched. Raises ConfigError where something would be overwritten, or is no use."""
    if not (csv or m3u or cut or media):
        return
    from avgzsl.archive.exports import new_file, new_folder
    from avgzsl.errors import ConfigError

    for file in (csv, m3u):
        if file is not None:
            new_file(file)
    if cut is not None:
        new_folder(cut)
    elif media:
        raise ConfigError("--media names folders whose files may be cut, and nothing is; give --cut, or leave it out")


def _export(hits: "Hits", csv: Path | None, m3u: Path | None, cut: Path | None, media: list[Path]) -> bool:
    """Write what was asked for, and say so on stderr; gives whether a clip could not be cut."""
    if not (csv or m3u or cut):
        return False
    from avgzsl.archive.exports import cut_clips, save_playlist, save_table
    from avgzsl.cli import show

    if not hits:
        show.note("no file was written, for no clip is shown")
        return False
    if csv is not None:
        save_table(hits, csv)
        show.note(f"{csv}: {len(hits)} clips")
    if m3u is not None:
        save_playlist(hits, m3u)
        show.note(f"{m3u}: a playlist of them")
    if cut is None:
        return False
    with show.progress() as progress:
        made = cut_clips(hits, cut, media=media, progress=progress)
    show.note(f"{cut}: {len(made.files)} cut files, and a table of them")
    show.notes((f"no cut of rank {rank}: {why}" for rank, why in made.failures), aside=True)
    return bool(made.failures)


def _print(hits: "Hits", shown: "Hits", asked: str) -> None:
    """The hits that are shown, and whether any of all is likely."""
    from avgzsl.cli.hits_table import show_hits
    from avgzsl.cli.show import printable, said

    if not hits:
        said("no clip meets the condition, or none has that modality")
        return
    if hits.part_of_name:
        said(f"no clip is above the line for {printable(asked)}" + ("; the nearest clips:" if shown else ""))
    elif hits.line == 0:
        said(f"nothing here fits {printable(asked)}" + ("; the nearest clips, which probably do not:" if shown else ""))
    if shown:
        show_hits(shown, shown.line or None)  # where nothing is likely, or nothing tells, there is no line
