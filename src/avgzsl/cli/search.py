"""`avgzsl search`: words or a clip to the clips of an index."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avgzsl.cli.options import Fusions, Index, Json, MethodOfRun, Modality, Retrievals, Top, Url, with_options
from avgzsl.types import EncoderChoice

if TYPE_CHECKING:
    from avgzsl.archive.hits import Hit, Hits

_MARKS = {"gone": " (the file is gone)", "changed": " (changed since)", "touched": " (perhaps changed since)"}


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
    url: Url = None,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
    json: Json = False,
) -> None:
    """Find clips by words, seen in training or not, or by a clip."""
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
    if json:
        show.json(hits)
    else:
        _table(hits)
    show.notes(hits.notes, sys.stderr if json else sys.stdout)


def _table(hits: "Hits") -> None:
    """One line a hit, nearest first."""
    from rich.console import Console
    from rich.table import Column, Table

    # a corrected score orders clips, and is no distance
    far = bool(hits) and hits[0].distance is not None and not any(hit.addend for hit in hits)
    near = "distance" if far else "score"
    table = Table("", near, "audio", "video", "label", Column("clip", overflow="fold"))
    for rank, hit in enumerate(hits, 1):
        value = hit.distance if far else hit.score
        mark = "" if hit.seen is not False else " (unseen)"
        parts = [_number(hit.distances[m]) for m in ("audio", "video")]
        table.add_row(str(rank), _number(value), *parts, _shown(f"{hit.label or '–'}{mark}"), _place(hit))
    Console().print(table)
    if not hits:
        print("no clip meets the condition, or none has that modality")


def _place(hit: "Hit") -> Any:
    """Where a clip is: its file, or its id, and its part of the file."""
    span = ""
    if hit.start or hit.end is not None:
        span = f" {hit.start or 0:g}–{'' if hit.end is None else f'{hit.end:g}'} s"
    return _shown(f"{hit.path or hit.id}{span}{_MARKS.get(hit.file or '', '')}")


def _shown(text: str) -> Any:
    """Names come from files: no markup, and nothing that moves the cursor."""
    from rich.text import Text

    from avgzsl.cli.show import printable

    return Text(printable(text))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
