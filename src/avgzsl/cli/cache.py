"""`avgzsl cache`: what the package keeps on this machine, and what of it may go."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avgzsl.cli.options import Json

if TYPE_CHECKING:
    from avgzsl.housekeeping import Cache


LISTED = 20  # things of a kind


def cache(
    *,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            help="Remove, after a question: features, phrases, folders, weights, media, servers, or all; once or more.",
            metavar="KIND",
        ),
    ] = None,
    older_than: Annotated[
        float, typer.Option(help="Only what was not used for so many days.", metavar="DAYS", min=0)
    ] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Show what is kept on this machine outside of your own folders, where, how large, and when it was last used."""
    from avgzsl import housekeeping
    from avgzsl.cli import show

    kinds = tuple(housekeeping.KINDS) if clear and "all" in clear else tuple(clear or ())
    found = housekeeping.to_clear(kinds or housekeeping.KINDS, older_than)
    if kinds and found and not yes:
        _tell(found)
        typer.confirm(f"Remove these, {_size(found)} in all?", abort=True, err=True)
    if kinds:
        found = housekeeping.clear_cache(*kinds, older_than=older_than)
        show.notes((f"{one.what}: is in use, or cannot be removed; it stays" for one in found.stayed), aside=True)
    if json:
        show.json(found)
        return
    _tell(found)
    print(f"{'removed' if kinds else 'kept'}: {_size(found)} in all")


def _tell(found: "Cache") -> None:
    """A heading a kind, then a line a thing, the largest first: size, day of the last use, what it is.

    Of many only the first are listed, and the others counted: `--json` has all.
    """
    from avgzsl.cli.show import printable
    from avgzsl.housekeeping import KINDS

    for kind, about in KINDS.items():
        things = [one for one in found if one.kind == kind]
        if things:
            print(f"{kind}: {about}")
            print(f"  in {printable(_short(things[0].paths[0].parent))}")
        things.sort(key=lambda one: -one.size)
        for one in things[:LISTED]:
            print(f"  {megabytes(one.size):>12}  {one.day}  {printable(one.what)}")
        if others := things[LISTED:]:
            size = megabytes(sum(one.size for one in others))
            print(f"  {size:>12}  in {len(others)} more, which --json lists")


def _size(found: "Cache") -> str:
    return megabytes(sum(one.size for one in found))


def _short(path: Path) -> str:
    home = Path.home()
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)


def megabytes(size: int) -> str:
    """Bytes in words: millions of them, and a fraction where these are few."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"
