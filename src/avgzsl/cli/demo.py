"""`avgzsl demo`: the whole way on generated data."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("demo"),
    scale: Annotated[float, typer.Option(help="Fraction of AudioSetZSL's clips.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of the data and of the training.")] = 0,
) -> None:
    """Generate data in the AudioSetZSL layout, train AVGZSLNet on it, print the paper's two tables."""
    from avgzsl.cli import show
    from avgzsl.demo import demo as run_demo

    with show.training_progress() as progress:
        evaluation, written = run_demo(out, scale=scale, seed=seed, progress=progress)
    show.tables(evaluation, "avgzslnet")
    show.files(written)
