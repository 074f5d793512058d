"""What 10^6, 10^8 and 10^9 clips take, as sums over what the other benchmarks measured.

    python -m benchmarks.scale --document docs/scale.md --extraction docs/benchmarks.md

Nothing is measured here. The figures of one clip are read from the tables that `benchmarks.index` and
`benchmarks.postgres` put into docs/scale.md and `benchmarks.extraction` into docs/benchmarks.md; each row says its sum.
"""

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.tables import put

SIZES = {"10⁶": 10**6, "10⁸": 10**8, "10⁹": 10**9}
NODE = 16e9  # bytes of memory that a node has for vectors
DIMENSION = 64
# CLIP ViT-B/32 of eight frames and CLAP of ten seconds: counted by `benchmarks.gpu`, part extraction
FLOP = 82e9
CARD, SHARE = (
    773e12,
    1 / 3,
)  # the product in bf16 of an H200 as an earlier version measured it; how much of it is assumed


def cells(document: Path, mark: str, row: str) -> list[float]:
    """The numbers of the first row of a block whose name has these words. Raises ValueError where there is none."""
    block = document.read_text().partition(f"<!-- {mark} -->")[2].partition(f"<!-- /{mark} -->")[0]
    for line in block.splitlines():
        name, *values = [cell.strip() for cell in line.strip("| ").split("|")]
        if row in name:
            return [float(found[-1].replace(",", "")) for value in values if (found := re.findall(r"\d[\d,.]*", value))]
    raise ValueError(f"{document}: block {mark} has no row {row!r}; run the benchmark that makes it")


def rows_of(scale: Path, extraction: Path) -> list[tuple[str, str, Callable[[int], str]]]:
    """What is counted, its sum in words, and the figure for so many clips."""
    filled, embeddings, table, _ = cells(scale, "index", "memory")
    search = cells(scale, "index", "memory, mse: search")[0]
    by_two = cells(scale, "index", "memory, euclidean: search")[0]
    copied = cells(scale, "postgres", "rows/s put in by COPY")[0]
    stored = cells(scale, "postgres", "bytes a row: table")[-1]
    asked = cells(scale, "postgres", "median ms: pgvector")[0]
    rate = cells(extraction, "extraction", "extraction, YAMNet")[0]
    wide, narrow = 4 * (DIMENSION + 1), 2 * (DIMENSION + 4)
    return [
        (
            "embeddings and table on disk",
            f"{embeddings:.0f} + {table:.0f} bytes a clip",
            lambda n: _bytes(n * (embeddings + table)),
        ),
        ("one mode in `memory`", f"4 (d + 1) = {wide} bytes", lambda n: _bytes(n * wide)),
        ("one mode in `memory-bf16`", f"2 (d + 4) = {narrow} bytes", lambda n: _bytes(n * narrow)),
        ("nodes of 16 GB for that, float32, bf16", "rounded up", lambda n: f"{_nodes(n * wide)}, {_nodes(n * narrow)}"),
        ("a question, one node of 2 cores", f"{search:.1f} ms a million", lambda n: _seconds(n / 1e6 * search / 1e3)),
        ("… by Euclidean distances", f"{by_two:.1f} ms a million", lambda n: _seconds(n / 1e6 * by_two / 1e3)),
        (
            "nodes for an answer within 0.2 s",
            "rounded up",
            lambda n: f"{max(1, math.ceil(n / 1e6 * search / 200)):,}",
        ),
        ("filling `memory`, one process", f"{filled:,.0f} clips/s", lambda n: _seconds(n / filled)),
        ("filling PostgreSQL, one server", f"{copied:,.0f} rows/s", lambda n: _seconds(n / copied)),
        ("one mode in PostgreSQL", f"{stored:.0f} bytes a row", lambda n: _bytes(n * stored)),
        (
            "… its exact question, one server",
            f"{10 * asked:,.0f} ms a million",
            lambda n: _seconds(n / 1e5 * asked / 1e3),
        ),
        (
            "decoding and small networks, core hours",
            f"{rate:.1f} clips/s on 2 cores",
            lambda n: f"{2 * n / rate / 3600:,.0f}",
        ),
        (
            "CLIP and CLAP, GPU hours (assumed, not measured)",
            f"{FLOP / 1e9:.0f} GFLOP a clip at a third of {CARD / 1e12:.0f} TFLOP/s",
            lambda n: f"{n * FLOP / (CARD * SHARE) / 3600:,.1f}",
        ),
    ]


def _nodes(size: float) -> str:
    return f"{math.ceil(size / NODE):,}"


def _bytes(size: float) -> str:
    return f"{size / 1e12:,.1f} TB" if size >= 1e12 else f"{size / 1e9:,.1f} GB"


def _seconds(time: float) -> str:
    if time >= 3600:
        return f"{time / 3600:,.1f} h"
    return f"{time:,.1f} s" if time >= 1 else f"{1000 * time:.0f} ms"


def main() -> None:
    """Print the table, and put it into --document between the marks `scale`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, required=True, help="docs/scale.md, which is read and written")
    parser.add_argument("--extraction", type=Path, required=True, help="docs/benchmarks.md, which is read")
    options = parser.parse_args()
    lines = [f"| what (d = {DIMENSION}) | of one clip | {' | '.join(SIZES)} |", f"|---|---|{'---:|' * len(SIZES)}"]
    for name, sum_of, figure in rows_of(options.document, options.extraction):
        lines.append(f"| {name} | {sum_of} | {' | '.join(figure(size) for size in SIZES.values())} |")
    print("\n".join(lines))
    put(options.document, "scale", "\n".join(lines))


if __name__ == "__main__":
    main()
