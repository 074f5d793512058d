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
            help='A condition, as "duration < 10 and label contains école". `contains` takes É and é for the same, the '
            "other operators do not; none minds how an accent is written."
        ),
    ] = None,
    retrieval: Retrievals = None,
    only_likely: Annotated[
        bool,
        typer.Option("--only-likely", help="Only clips that the words probably fit; exit code 3 where there is none."),
    ] = False,
    url: Url = None,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
    json: Json = False,
) -> None:
    """Find clips by words, seen in training or not, or by a clip.

    Clips below the line probably do not fit the words. Exit codes with --only-likely: 0 for some clips, 3 for none, 1
    for an error, as where nothing tells what is likely.
    """
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.search import search as find
    from avgzsl.cli import show

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
    if only_likely and not shown:
        sys.exit(NONE_LIKELY)


def _print(hits: "Hits", shown: "Hits", asked: str) -> None:
    """The hits that are shown, and whether any of all is likely."""
    from avgzsl.cli.hits_table import show_hits
    from avgzsl.cli.show import printable

    if not hits:
        print("no clip meets the condition, or none has that modality")
        return
    if hits.line == 0:
        print(
            f"nothing here fits {printable(asked)}" + ("; the nearest clips, which probably do not:" if shown else "")
        )
    if shown:
        show_hits(shown, shown.line or None)  # where nothing is likely, or nothing tells, there is no line
