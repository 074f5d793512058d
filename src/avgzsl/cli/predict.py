"""`avgzsl predict`: clips to their classes."""

import csv
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from avgzsl.cli.options import Calibrated, Fusions, Json, MethodOfRun, Modality, Run, Top, with_options
from avgzsl.types import EncoderChoice

if TYPE_CHECKING:
    from avgzsl.recognition.results import Result


@with_options(top="How many classes to tell.")
def predict(
    run: Run,
    paths: Annotated[list[str], typer.Argument(help="Clips; folders and patterns of clips.")],
    *,
    classes: Annotated[
        str | None, typer.Option(help='Any names, as in "dog barking, church bell"; by default the run\'s.')
    ] = None,
    top: Top = 5,
    modality: Modality = None,
    fusion: Fusions = None,
    reject: Annotated[bool, typer.Option("--reject", help="Say where none of the classes is near enough.")] = False,
    calibrated: Calibrated = True,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
    json: Json = False,
) -> None:
    """Tell the classes of clips, seen in training or not (exit code 1 if a clip could not be read)."""
    from avgzsl.cli import show as shown
    from avgzsl.errors import ConfigError
    from avgzsl.experiments.run import load_run
    from avgzsl.recognition.recognise import find_clips, recognise
    from avgzsl.recognition.recogniser import asked_classes, load_recogniser
    from avgzsl.recognition.results import Predictions

    if encoders.parts and classes is None:
        given = " ".join(encoders.parts)
        raise ConfigError(f"--text {given} encodes names, and none are given; add --classes, or leave it out")
    recogniser = load_recogniser(load_run(run, method), encoders=encoders, modality=modality, fusion=fusion)
    (table, notes), results = asked_classes(recogniser, split_names(classes)), []
    with shown.progress() as progress:
        for result in recognise(
            recogniser,
            find_clips(paths),
            table,
            top=top,
            calibrated=calibrated,
            reject=reject,
            progress=progress if json else None,  # else each clip is shown as soon as it is there
        ):
            results.append(result)
            if not json:
                show(result)
    if json:
        shown.json(Predictions(tuple(results), notes))
    elif calibrated:
        _show_uncalibrated(results)
    shown.notes(notes, aside=json)
    sys.exit(1 if any(result.error is not None for result in results) else 0)


def _show_uncalibrated(results: "list[Result]") -> None:
    """Say of how many clips seen classes are favoured."""
    uncalibrated = sum(result.answer is not None and result.answer.gamma is None for result in results)
    if uncalibrated:
        print(
            f"not calibrated: {uncalibrated} of {len(results)} clips, by what they have, for the run has no penalty "
            "from validation clips like them; seen classes are favoured"
        )


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
    of_distance = any(candidate.distance is not None for candidate in answer.top)
    for name in ("class", "", "distance" if of_distance else "score", "audio", "video", "+audio", "+video"):
        table.add_column(name, justify="left" if name in ("class", "") else "right", no_wrap=name != "class")
    for candidate in answer.top:
        nearness = candidate.distance if of_distance else candidate.score
        values = [nearness, *candidate.distances.values(), *candidate.support.values()]
        figures = ["–" if value is None else f"{value:.3f}" for value in values]
        table.add_row(_escaped(candidate.label), "seen" if candidate.seen else "unseen", *figures)
    Console().print(table)


def _escaped(name: str) -> str:
    from rich.markup import escape

    return escape(name)
