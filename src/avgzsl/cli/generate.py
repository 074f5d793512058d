"""`avgzsl generate`: data with a known structure, in a layout of the field."""

from pathlib import Path
from typing import Annotated

import typer


def generate(
    kind: Annotated[str, typer.Argument(help="What to generate, e.g. audioset-zsl.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    scale: Annotated[float, typer.Option(help="Fraction of the real data set's clips.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 0,
) -> None:
    """Generate features and word vectors, for trying things without a download."""
    from avgzsl import generators
    from avgzsl.cli import show

    with show.counting_progress(f"generate {kind}") as progress:
        generators.generate(kind, out, scale=scale, seed=seed, progress=progress)
    show.files([out])
