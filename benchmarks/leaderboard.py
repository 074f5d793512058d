"""The published numbers of the AVCA benchmark, a table for each data set and set of features: docs/leaderboard.md.

    python -m benchmarks.leaderboard --document docs/leaderboard.md

All is in `leaderboard.yaml`; nothing is measured. A row whose HM is not that of its S and U says so.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from avgzsl.errors import ConfigError
from avgzsl.scores.metrics import harmonic_mean
from avgzsl.support.trust import read_yaml
from benchmarks.tables import put

FILE = Path(__file__).with_name("leaderboard.yaml")
DATA = ("UCF", "ActivityNet", "VGGSound")
FIGURES = ("S", "U", "HM", "ZSL")
TOLERANCE = 0.02  # of an HM in %: what rounding S and U to two digits can do, twice


class Row(NamedTuple):
    """A published row: its figures in % (None where not read), and how they came about."""

    features: str
    data: str
    method: str
    figures: tuple[float | None, ...]
    chosen: str
    order: str
    seeds: str
    source: str

    def recomputed(self) -> float | None:
        """The HM of S and U, where both are known and it is another than the published one."""
        seen, unseen, published, _ = self.figures
        if seen is None or unseen is None or published is None:
            return None
        own = 100 * harmonic_mean(seen / 100, unseen / 100)
        return own if abs(own - published) > TOLERANCE else None


def read(file: Path = FILE) -> tuple[dict[str, Any], list[Row]]:
    """The content of the file, and its rows. Raises ConfigError."""
    content = read_yaml(file, ConfigError)
    rows = [
        Row(one["name"], data, row["method"], tuple(row[data]), row["chosen"], row.get("order", one["order"][data]),
            row["seeds"], row["source"])
        for one in content["sets"] for row in one["rows"] for data in DATA if data in row
    ]  # fmt: skip
    return content, rows


def document() -> str:
    """All tables, each of one data set and one set of features, and the sources."""
    content, rows = read()
    parts = []
    for one in content["sets"]:
        parts.append(f"## {one['name']}\n\nFeatures: {' '.join(one['about'].split())}.\n")
        tables = {data: [row for row in rows if (row.features, row.data) == (one["name"], data)] for data in DATA}
        parts += [table(f"{data}, {one['name']}: published, in %", own) for data, own in tables.items() if own]
    sources = [f"- `{name}`: {about}" for name, about in content["sources"].items()]
    return "\n".join([*parts, "## Sources\n", *sources])


def table(title: str, rows: list[Row]) -> str:
    """A table with its title, the best HM first, and below it what does not agree."""
    ordered = sorted(rows, key=lambda row: -(row.figures[2] or 0))
    head = ["method", *FIGURES, "chosen on test", "text vectors", "seeds", "source"]
    lines = [
        [f"{row.method}{' *' if row.recomputed() else ''}", *map(_shown, row.figures), row.chosen, row.order, row.seeds,
         row.source]
        for row in ordered
    ]  # fmt: skip
    marks = ["---", *["---:"] * len(FIGURES), "---", "---", "---", "---"]
    notes = [
        f"\\* {row.method}: HM of the published S and U is {own:.2f}, not {row.figures[2]:.2f}."
        for row in ordered
        if (own := row.recomputed())
    ]
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in [head, marks, *lines])
    return f"**{title}**\n\n{text}\n" + "".join(f"\n{note}\n" for note in notes)


def _shown(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.2f}"


def main() -> None:
    """Print the tables, and put them into --document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    if options.document is None:
        print(document())
    else:
        put(options.document, "leaderboard", document())


if __name__ == "__main__":
    main()
