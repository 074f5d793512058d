"""`avgzsl generate`: data with a known structure, in a layout of the field."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from avgzsl.cli.options import Seed, with_options


@with_options(seed="Another seed, another world.")
def generate(
    kind: Annotated[str, typer.Argument(help="What to generate, e.g. audioset-zsl.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    scale: Annotated[float, typer.Option(help="Fraction of the real data set's clips.")] = 0.05,
    seed: Seed = 0,
    splits: Annotated[
        Path | None, typer.Option(help="Folder with the published class-split (avca, tcaf, clipclap).")
    ] = None,
    w2v: Annotated[Path | None, typer.Option(help="The published word vectors, or their folder.")] = None,
    features: Annotated[Literal["main", "cls"] | None, typer.Option(help="avca, tcaf: which set of features.")] = None,
) -> None:
    """Generate features and word vectors, for trying things without a download."""
    from avgzsl import generators
    from avgzsl.cli import show

    given = {"splits": splits, "w2v": w2v, "features": features}
    options = {name: value for name, value in given.items() if value is not None}
    with show.progress() as progress:
        generators.generate(kind, out, scale=scale, seed=seed, progress=progress, **options)
    if (out / generators.REPORT).is_file():
        print((out / generators.REPORT).read_text(), end="")
    show.files([out])
