"""`avgzsl demo`: the whole way on rendered clips."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("demo"),
    scale: Annotated[float, typer.Option(help="Of the number of clips; 1 is 300 a class to train on.")] = 0.02,
    seed: Annotated[int, typer.Option(help="Of the clips and of the training.")] = 0,
) -> None:
    """Render clips with sound, extract features, train AVGZSLNet, recognise a clip of a phrase it never saw."""
    from avgzsl.cli import show
    from avgzsl.cli.predict import show as show_clip
    from avgzsl.showcase import demo as run_demo

    stages = {
        "rendering": show.counting_progress("render"),
        "extracting": show.extraction_progress(),
        "training": show.training_progress(),
    }
    found = run_demo(out, scale=scale, seed=seed, **stages)
    show.tables(found.evaluation, "avgzslnet")
    print(f"\nA clip of the phrase “{found.truth}”, which training never saw:")
    show_clip(found.recognised)
    show.files(found.written)
    print(f"\nTo search these clips in the browser: avgzsl serve {out / 'index'}")
