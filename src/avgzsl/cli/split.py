"""`avgzsl split`: which classes of a store are unseen, which clips are trained on."""

from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.folders import store_folder


def split(
    store: Annotated[Path, typer.Argument(help="What `avgzsl extract` wrote.", callback=store_folder)],
    unseen: Annotated[float | None, typer.Option(help="Fraction of the classes to draw; 0.3 if not given.")] = None,
    val: Annotated[float | None, typer.Option(help="Fraction of each class's clips; 0.2 if not given.")] = None,
    test: Annotated[float | None, typer.Option(help="Fraction of each class's clips; 0.2 if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, another division; 0 if not given.", min=0)] = None,
    name: Annotated[str | None, typer.Option(help="Of the class split; by default like --like, or split-SEED.")] = None,
    like: Annotated[
        Path | None, typer.Option(help="Folder with {all,seen,unseen}_class.txt that say which are unseen.")
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
    from avgzsl.errors import ConfigError, DataError

    if like is not None and unseen is not None:
        raise ConfigError(f"--unseen {unseen} and --like {like}: both say which classes are unseen; give one")
    proposed = propose(
        store,
        unseen=unseen if like is None else like,
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
