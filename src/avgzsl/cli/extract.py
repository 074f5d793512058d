"""`avgzsl extract`: features of clips, into a store."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def extract(
    clips: Annotated[Path, typer.Argument(help="Folder of clips; without a manifest, one subfolder a class.")],
    out: Annotated[Path, typer.Option(help="Folder of the store; the same command goes on with an unfinished one.")],
    manifest: Annotated[
        Path | None, typer.Option(help="csv: path and, if known, label, split, seen, start, end, id, further columns.")
    ] = None,
    audio: Annotated[str | None, typer.Option(help="Backbone of the sound: NAME, NAME:WEIGHTS or a card.")] = None,
    video: Annotated[str | None, typer.Option(help="Backbone of the picture.")] = None,
    text: Annotated[str | None, typer.Option(help="Encoder of the class names: NAME or NAME:ARGUMENT.")] = None,
    overrides: Annotated[
        Path | None, typer.Option(help="csv original,manual: the words to use for some class names.")
    ] = None,
    models: Annotated[Path | None, typer.Option(help="Folder where weights are looked for.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    workers: Annotated[int | None, typer.Option(help="Clips at once; by default as many as cores.", min=1)] = None,
    window: Annotated[str | None, typer.Option(help="Cut longer clips into pieces of this length, e.g. 10s.")] = None,
    hop: Annotated[str | None, typer.Option(help="From one piece to the next; the window if not given.")] = None,
    batch: Annotated[int, typer.Option(help="Clips embedded together; each batch is durable.", min=1)] = 16,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    merge_spellings: Annotated[
        bool, typer.Option("--merge-spellings", help="Labels that are one class written differently become one.")
    ] = False,
) -> None:
    """Extract features of every clip; failed files end in failures.csv, and the exit code is 1 if there are any."""
    from avgzsl.cli import show
    from avgzsl.features.extract import FAILURES
    from avgzsl.features.extract import extract as run
    from avgzsl.media.windows import seconds

    with show.extraction_progress() as told:
        found = run(
            clips,
            out,
            manifest=manifest,
            audio=audio,
            video=video,
            text=text,
            overrides=overrides,
            models=models,
            device=device,
            workers=workers,
            window=None if window is None else seconds(window),
            hop=None if hop is None else seconds(hop),
            batch=batch,
            engine=engine,
            merge_spellings=merge_spellings,
            told=told,
        )
    print(f"{len(found.store)} clips in the store, {found.extracted} of them extracted now")
    show.notes(found.notes)
    show.files([out])
    if found.failures:
        name, reason = next(iter(found.failures.items()))
        print(f"{len(found.failures)} clips failed, see {out / FAILURES}; {name}: {reason}", file=sys.stderr)
        sys.exit(1)
