"""`avgzsl predict`: clips to their classes."""

import sys
from collections.abc import Sequence
from csv import reader
from pathlib import Path
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
    reject: Annotated[
        bool | None,
        typer.Option(
            "--reject/--no-reject",
            help="Say where none of the classes is near enough; by default where the run has a threshold.",
        ),
    ] = None,
    calibrated: Calibrated = True,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
    csv: Annotated[Path | None, typer.Option(help="Also write the rows to this file, one a class of a clip.")] = None,
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
    (table, notes), asked = asked_classes(recogniser, split_names(classes)), find_clips(paths)
    with shown.progress() as progress:
        results = tuple(
            recognise(
                recogniser,
                asked,
                table,
                top=top,
                calibrated=calibrated,
                reject=reject,
                progress=progress if len(asked) > 1 else None,
            )
        )
    found = Predictions(results, notes)
    if csv is not None:
        found.write_csv(csv)
    if json:
        shown.json(found)
    else:
        _show(results, calibrated)
    shown.notes(notes, aside=json)
    if csv is not None and not json:
        shown.files([csv])
    sys.exit(1 if any(result.error is not None for result in results) else 0)


def _show(results: "Sequence[Result]", calibrated: bool) -> None:
    """One clip with all that is told of its classes, or a row each of many; then, on stderr, what could not be read."""
    from avgzsl.cli.classes_table import show_clip, show_clips

    if len(results) == 1 and (answer := results[0].answer) is not None:
        show_clip(results[0], answer)
    else:
        show_clips(results)
    if calibrated:
        _show_uncalibrated(results)
    for result in results:
        if result.error is not None:
            where = "" if result.path in result.error else f"{result.path}: "
            print(f"error: {where}{result.error}", file=sys.stderr)


def _show_uncalibrated(results: "Sequence[Result]") -> None:
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
    return [name.strip() for name in next(reader([classes], skipinitialspace=True), [])]
