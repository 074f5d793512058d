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
    words, phrases = made.found.words, made.found.phrases
    print(f"\nSearched by {len(words)} single words, {made.found.precision:.0%} of the first ten hits are right.")
    print(f"Searched by {len(phrases)} phrases never trained, the first hit is right for {made.found.right}.")
    show.files(made.written)
    print("\nTry next:")
    print(f'  avgzsl search {out / "index"} "blue bell"  the clips nearest to any words')
    print(f"  avgzsl serve {out / 'index'}               the same in the browser, with sound and picture")
    print(f"  avgzsl evaluate {out / 'words'}            the tables of the run that is searched")
