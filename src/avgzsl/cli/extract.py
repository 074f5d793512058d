"""`avgzsl extract`: features of clips, into a store."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import LabelsFromFolders, Workers, with_options
from avgzsl.types import EncoderChoice


@with_options(
    audio="Backbone of the sound: NAME, NAME:WEIGHTS or a card; see `avgzsl encoders`.",
    video="Backbone of the picture, likewise.",
    text="Text of the classes, once a part: [audio=|video=]ENCODER[:WEIGHTS][+prompts=…][+descriptions=FILE].",
)
def extract(
    clips: Annotated[Path, typer.Argument(help="Folder of clips.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the store; the same command goes on with an unfinished one.")],
    encoders: EncoderChoice,
    manifest: Annotated[
        Path | None, typer.Option(help="csv: path and, if known, label, split, seen, start, end, id, further columns.")
    ] = None,
    labels_from_folders: LabelsFromFolders = False,
    overrides: Annotated[
        Path | None, typer.Option(help="csv original,manual: the words to use for some class names.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="Cut longer clips into pieces of this length, e.g. 10s.")] = None,
    hop: Annotated[str | None, typer.Option(help="From one piece to the next; the window if not given.")] = None,
    merge_spellings: Annotated[
        bool, typer.Option("--merge-spellings", help="Labels that are one class written differently become one.")
    ] = False,
    workers: Workers = None,
    batch: Annotated[int, typer.Option(help="Clips embedded together; each batch is durable.", min=1)] = 16,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    keep_sequence: Annotated[
        bool, typer.Option("--keep-sequence", help="Keep what each window or frame gives, with its time, too.")
    ] = False,
) -> None:
    """Extract features of every clip; failed files end in failures.csv, and the exit code is 1 if there are any."""
    from avgzsl.cli import show
    from avgzsl.features.extract import FAILURES
    from avgzsl.features.extract import extract as run
    from avgzsl.media.windows import seconds

    with show.progress() as progress:
        extraction = run(
            clips,
            out,
            encoders=encoders,
            manifest=manifest,
            labels_from_folders=labels_from_folders,
            overrides=overrides,
            window=None if window is None else seconds(window),
            hop=None if hop is None else seconds(hop),
            merge_spellings=merge_spellings,
            workers=workers,
            batch=batch,
            engine=engine,
            keep_sequence=keep_sequence,
            progress=progress,
        )
    print(f"{len(extraction.store)} clips in the store, {extraction.extracted} of them extracted now")
    show.notes(extraction.notes)
    show.files([out])
    if extraction.failures:
        name, reason = next(iter(extraction.failures.items()))
        print(f"{len(extraction.failures)} clips failed, see {out / FAILURES}; {name}: {reason}", file=sys.stderr)
        sys.exit(1)
