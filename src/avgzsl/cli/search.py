"""`avgzsl search`: words or a clip to the clips of an index."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from avgzsl.cli.options import Top
from avgzsl.types import Fusion

if TYPE_CHECKING:
    from avgzsl.archive.search import Hit

Modality = Literal["audio", "video", "both"]
_MARKS = {"gone": " (the file is gone)", "changed": " (changed since)", "touched": " (perhaps changed since)"}


def search(
    index: Annotated[Path, typer.Argument(help="Folder of an index.")],
    words: Annotated[list[str] | None, typer.Argument(help="What to look for; several phrases are added up.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Words to stay away from, by vector arithmetic.")] = None,
    like: Annotated[Path | None, typer.Option(help="A clip, instead of words.")] = None,
    by: Annotated[
        Modality | None, typer.Option(help="By what of the clip --like to search; all there is, if not given.")
    ] = None,
    top: Top = 10,
    modality: Annotated[
        Modality | None, typer.Option(help="By what to compare clips; all there is, if not given.")
    ] = None,
    fusion: Annotated[Fusion | None, typer.Option(help="equal or attention.")] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help='A condition, as "duration < 10 and label contains école". `contains` takes É and é for the same, the '
            "other operators do not; none minds how an accent is written."
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Where the engine is, if not on disk; else AVGZSL_ENGINE_URL. The index is not asked."),
    ] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of the weights of encoders.")] = None,
    audio: Annotated[str | None, typer.Option(help="Audio encoder, if the run does not know its own.")] = None,
    video: Annotated[str | None, typer.Option(help="Video encoder, likewise.")] = None,
    text: Annotated[str | None, typer.Option(help="Text encoder, likewise.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list of hits as JSON.")] = False,
) -> None:
    """Find clips by words, seen in training or not, or by a clip."""
    import dataclasses
    from json import dumps

    from avgzsl.archive.search import open_searcher
    from avgzsl.archive.search import search as find
    from avgzsl.errors import ConfigError

    idle = {"--text": text} if like is not None else {"--audio": audio, "--video": video}
    if given := [option for option, spec in idle.items() if spec is not None]:
        raise ConfigError(f"{given[0]} has no part in a search {'by a clip' if like else 'for words'}; leave it out")
    searcher = open_searcher(index, url=url, models=models, audio=audio, video=video, text=text)
    hits = find(
        searcher,
        words or [],
        without=without or [],
        like=like,
        by=by,
        k=top,
        modality=modality,
        fusion=fusion,
        where=where,
    )
    print(dumps([dataclasses.asdict(hit) for hit in hits], indent=2)) if json else _table(hits)


def _table(hits: "list[Hit]") -> None:
    """One line a hit, nearest first."""
    from rich.console import Console
    from rich.table import Column, Table

    near = "distance" if hits and hits[0].distance is not None else "score"
    table = Table("", near, "audio", "video", "label", Column("clip", overflow="fold"))
    for rank, hit in enumerate(hits, 1):
        value = hit.score if hit.distance is None else hit.distance
        mark = "" if hit.seen is not False else " (unseen)"
        parts = [_number(hit.distances[m]) for m in ("audio", "video")]
        table.add_row(str(rank), _number(value), *parts, _shown(f"{hit.label or '–'}{mark}"), _place(hit))
    Console().print(table)
    if not hits:
        print("no clip meets the condition, or none has that modality")


def _place(hit: "Hit") -> Any:
    span = (
        ""
        if not hit.start and hit.end is None
        else f" {hit.start or 0:g}–{'' if hit.end is None else f'{hit.end:g}'} s"
    )
    return _shown(f"{hit.path or hit.id}{span}{_MARKS.get(hit.file or '', '')}")


def _shown(text: str) -> Any:
    """Names come from files: no markup, and nothing that moves the cursor."""
    from rich.text import Text

    from avgzsl.cli.show import printable

    return Text(printable(text))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
