"""`avgzsl demo`: the whole way on rendered clips."""

from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import Seed, with_options


@with_options(seed="Of the clips and of the training.")
def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("demo"),
    scale: Annotated[float, typer.Option(help="Of the number of clips; 1 is 300 a class to train on.")] = 0.02,
    seed: Seed = 0,
) -> None:
    """Render clips with sound, extract features, train AVGZSLNet, recognise a clip of a phrase it never saw."""
    from avgzsl.cli import show
    from avgzsl.cli.classes_table import show_clip
    from avgzsl.showcase import demo as run_demo

    with show.progress() as progress:
        made = run_demo(out, scale=scale, seed=seed, progress=progress)
    show.tables(made.evaluation, "avgzslnet")
    print(f"\nA clip of the phrase “{made.truth}”, which training never saw:")
    if (answer := made.recognised.answer) is not None:
        show_clip(made.recognised, answer)
    show.files(made.written)
    print(f"\nTo search these clips in the browser: avgzsl serve {out / 'index'}")
