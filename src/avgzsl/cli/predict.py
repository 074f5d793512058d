"""`avgzsl predict`: clips to their classes."""

import csv
import json as writer
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avgzsl.cli.options import Calibrated, Top
from avgzsl.types import Fusion

if TYPE_CHECKING:
    from avgzsl.recognition.recognise import Result


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    paths: Annotated[list[str], typer.Argument(help="Clips; folders and patterns of clips.")],
    classes: Annotated[
        str | None, typer.Option(help='Any names, as in "dog barking, church bell"; by default the run\'s.')
    ] = None,
    top: Top = 5,
    modality: Annotated[
        Literal["audio", "video", "both"] | None, typer.Option(help="By default the most that the run serves.")
    ] = None,
    fusion: Annotated[Fusion | None, typer.Option(help="By default attention, where the run has it.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Say where none of the classes is near enough.")] = False,
    calibrated: Calibrated = True,
    models: Annotated[Path | None, typer.Option(help="Folder of the encoders' weights.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    audio: Annotated[str | None, typer.Option(help="Encoder of sound, if the run does not know its own.")] = None,
    video: Annotated[str | None, typer.Option(help="Encoder of picture, if the run does not know its own.")] = None,
    text: Annotated[str | None, typer.Option(help="Encoder of names, if the run does not know its own.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Tell the classes of clips, seen in training or not (exit code 1 if a clip could not be read)."""
    from avgzsl.errors import ConfigError
    from avgzsl.recognition.recognise import find_clips, recognise
    from avgzsl.recognition.recogniser import load_recogniser

    if text is not None and classes is None:
        raise ConfigError(f"--text {text} encodes names, and none are given; add --classes, or leave it out")
    recogniser = load_recogniser(
        run, modality=modality, fusion=fusion, models=models, device=device, audio=audio, video=video, text=text
    )
    clips = find_clips(paths)
    results = recognise(recogniser, clips, split_names(classes), top=top, calibrated=calibrated, reject=reject)
    failed, uncalibrated, told = 0, 0, []
    for result in results:
        failed += result.error is not None
        uncalibrated += result.answer is not None and result.answer.gamma is None
        told.append(result.json())
        if not json:
            show(result)
    if json:
        print(writer.dumps(told, indent=2, allow_nan=False))
    elif calibrated and uncalibrated:
        print(
            f"not calibrated: {uncalibrated} of {len(told)} clips, by what they have, for the run has no penalty from "
            "validation clips like them; seen classes are favoured"
        )
    sys.exit(1 if failed else 0)


def split_names(classes: str | None) -> list[str] | None:
    """Names between commas; one that has a comma itself stands in double quotes."""
    if classes is None:
        return None
    return [name.strip() for name in next(csv.reader([classes], skipinitialspace=True), [])]


def show(result: "Result") -> None:
    """Print a clip and its nearest classes: distance, that by each modality, and what each adds to the lead."""
    from rich.console import Console
    from rich.table import Table

    if result.answer is None:
        where = "" if result.path in str(result.error) else f"{result.path}: "
        print(f"error: {where}{result.error}", file=sys.stderr)
        return
    answer = result.answer
    counts = ", ".join(f"{m} {100 * w:.0f} %" for m, w in answer.weights.items() if w is not None)
    print(f"{result.path}" + (f"  ({counts})" if counts else ""))
    if answer.none_of_these:
        print("  none of these; the nearest:")
    table = Table(box=None, padding=(0, 1))
    of_distance = any(one.distance is not None for one in answer.top)
    for name in ("class", "", "distance" if of_distance else "score", "audio", "video", "+audio", "+video"):
        table.add_column(name, justify="left" if name in ("class", "") else "right", no_wrap=name != "class")
    for one in answer.top:
        near = [one.distance if of_distance else one.score, *one.distances.values(), *one.support.values()]
        figures = ["–" if value is None else f"{value:.3f}" for value in near]
        table.add_row(_escaped(one.label), "seen" if one.seen else "unseen", *figures)
    Console().print(table)


def _escaped(name: str) -> str:
    from rich.markup import escape

    return escape(name)
