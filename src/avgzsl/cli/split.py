"""`avgzsl split`: which classes of a store are unseen, which clips are trained on."""

from pathlib import Path
from typing import Annotated

import typer


def split(
    store: Annotated[Path, typer.Argument(help="What `avgzsl extract` wrote.")],
    unseen: Annotated[
        str | None,
        typer.Option(
            help="Fraction of the classes to draw, 0.3 if not given; or a folder with {all,seen,unseen}_class.txt."
        ),
    ] = None,
    val: Annotated[float | None, typer.Option(help="Fraction of each class's clips; 0.2 if not given.")] = None,
    test: Annotated[float | None, typer.Option(help="Fraction of each class's clips; 0.2 if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, another division; 0 if not given.", min=0)] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the class split; by default that of the folder of lists, or split-SEED.")
    ] = None,
    resplit: Annotated[bool, typer.Option("--resplit", help="Divide also clips that the manifest divides.")] = False,
    merge_spellings: Annotated[
        bool, typer.Option("--merge-spellings", help="Labels that are one class written differently become one.")
    ] = False,
) -> None:
    """Propose train, val and test clips and seen and unseen classes, and write them down for `train`."""
    from avgzsl.cli import show
    from avgzsl.data.layouts import open_dataset
    from avgzsl.data.splitting import split as propose
    from avgzsl.errors import DataError

    proposed = propose(
        store,
        unseen=_fraction_or_folder(unseen),
        val=val,
        test=test,
        seed=seed,
        name=name,
        resplit=resplit,
        merge_spellings=merge_spellings,
    )
    division = proposed.class_split
    print(f"{len(division.seen)} seen classes; {len(division.unseen)} unseen: {', '.join(division.unseen)}")
    try:
        dataset = open_dataset(store, layout="store", class_split=proposed.name)
    except DataError as problem:  # the division stands; what else is lacking is said by the time of training too
        print(f"not ready for training: {problem}")
    else:
        counts = (f"{len(dataset.split(name))} in {name}" for name in dataset.splits)
        print(f"clips: {', '.join(counts)}")
        show.notes(dataset.notes)
    show.files([proposed.file])


def _fraction_or_folder(unseen: str | None) -> float | Path | None:
    try:
        return None if unseen is None else float(unseen)
    except ValueError:
        return Path(unseen or "")
