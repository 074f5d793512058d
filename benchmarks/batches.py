"""Searches that are answered together, in float32 and in bf16, and what finding the largest of many products costs.

    python -m benchmarks.batches [--rows 1000000]

The clips and queries are those of `benchmarks.index`, which puts these tables into docs/scale.md. Sixteen queries in
mode `both` are asked together and one after the other, of both engines in turn; what they find is the same, or it is an
error. `OMP_NUM_THREADS=1` shows one core.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avgzsl.archive.collection import Collection
from avgzsl.archive.engines import BatchScanner
from avgzsl.archive.fused import Space, question
from avgzsl.archive.nearest import Sought, nearest, nearest_many
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.scores.largest import largest
from benchmarks.index import BOTH, DIMENSION, K, Row, empty, fill, seconds, table, world

TOGETHER, ROUNDS, ASKED = 16, 9, 64
ENGINES = ("memory", "memory-bf16")
WANTED = 0.4


def in_turn(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median milliseconds of each, of rounds that go through all of them, after one that warms up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for warm in (True, *[False] * ROUNDS):
        for name, call in calls.items():
            taken = seconds(call)
            if not warm:
                times[name].append(1000 * taken)
    return {name: statistics.median(values) for name, values in times.items()}


def scanner(collection: Collection) -> BatchScanner:
    """The engine of the vectors of mode `both`."""
    engine = collection.engine(BOTH)
    assert isinstance(engine, BatchScanner)
    return engine


def resident(collection: Collection) -> int:
    """Bytes of the engine's files that lie in memory, as this process maps them."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            inside = str(collection.folder / "engine") in line
        elif inside and line.startswith("Rss:"):
            found += 1024 * int(line.split()[1])
    return found


def searches(collections: dict[str, Collection], text: Tensor, similarity: str) -> list[Row]:
    """The whole search, alone and together, of each engine."""
    sought = [Sought(TextEmbeddings.shared(point[None]), K, BOTH) for point in text[:TOGETHER]]
    alone = {name: [nearest(one, *some) for some in sought] for name, one in collections.items()}
    for name, one in collections.items():
        for found, right in zip(nearest_many(one, sought), alone["memory"], strict=True):
            if isinstance(found, Exception) or found.clips != right.clips or (found.scores != right.scores).any():
                raise ValueError(f"{name} does not find what memory finds for each query alone")
    calls: dict[str, Callable[[], object]] = {}
    for name, one in collections.items():
        calls[f"{name}, {similarity}: search, one after the other"] = lambda one=one: [  # type: ignore[misc]
            nearest(one, *some) for some in sought
        ]
        calls[f"{name}, {similarity}: search, together"] = lambda one=one: nearest_many(one, sought)  # type: ignore[misc]
    return rows_of(in_turn(calls))


def proposals(collections: dict[str, Collection], text: Tensor) -> list[Row]:
    """What an engine alone costs, and the bare product, of the vectors of mode `both` by squared distance."""
    asked = [question(TextEmbeddings.shared(point[None]), Space(BOTH, "mse")).vector for point in text[:TOGETHER]]
    queries, n, least = np.stack(asked), [ASKED] * TOGETHER, [-np.inf] * TOGETHER
    engines = {name: scanner(one) for name, one in collections.items()}
    count = len(collections["memory"].engine(BOTH).products(queries[0]))  # type: ignore[attr-defined]
    exact = torch.from_numpy(engines["memory"].scan(queries)(0, count))
    bare = torch.from_numpy(np.random.default_rng(0).standard_normal((count, queries.shape[1])).astype(np.float32))
    columns = torch.from_numpy(queries).T
    together = rows_of(
        in_turn(
            {
                "bare matmul + topk, float32": lambda: (bare @ columns).topk(ASKED, 0),
                "memory: the largest products": lambda: engines["memory"].query_many(queries, n, least),
                "memory-bf16: the largest products": lambda: engines["memory-bf16"].query_many(queries, n, least),
            }
        )
    )
    first = exact[:, :1].contiguous()
    maxima = in_turn(
        {
            "topk": lambda: first[:, 0].topk(ASKED),
            "greatest of groups": lambda: largest(
                lambda start, end, room: room.copy_(first[start:end]), count, [ASKED], [-np.inf]
            ),
        }
    )
    alone = [(f"{name} of {count:,} products of one query", f"{value:.2f}", "") for name, value in maxima.items()]
    return [*together, *alone]


def rows_of(medians: dict[str, float]) -> list[Row]:
    """Milliseconds a query, and how they compare with the first."""
    first = next(iter(medians.values()))
    return [(name, f"{value / TOGETHER:.2f}", f"{value / first:.2f} ×") for name, value in medians.items()]


def tables(rows: int) -> list[str]:
    """Measure; gives lines of Markdown."""
    text, batches = world(rows)
    speed: list[Row] = []
    space: list[Row] = []
    for similarity in ("mse", "euclidean"):
        with tempfile.TemporaryDirectory() as work:
            collections = {name: filled(Path(work) / name, name, similarity, batches()) for name in ENGINES}
            if similarity == "mse":
                speed += proposals(collections, text)
                for name, one in collections.items():
                    files = (one.folder / "engine").glob("*both*")
                    disk = sum(file.stat().st_size for file in files) / rows
                    space.append((name, f"{disk:.0f}", f"{resident(one) / rows:.0f}"))
            speed += searches(collections, text, similarity)
            for one in collections.values():
                one.close()
    return [
        *table((f"{TOGETHER} queries, top {K}, of mode both", "ms a query", "over the first"), speed),
        "",
        f"Wanted of sixteen in bf16: {WANTED} of the time in float32, half the memory.",
        "",
        *table(("vectors of mode both, bytes a clip", "on disk", "in memory after a search"), space),
    ]


def filled(folder: Path, engine: str, similarity: str, batches: Iterator[Embeddings]) -> Collection:
    """An index of all clips."""
    collection = empty(folder, engine, similarity)
    fill(collection, batches)
    return collection


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"{options.rows:,} clips, {DIMENSION} dimensions, {torch.get_num_threads()} threads")
    print("\n".join(tables(options.rows)))


if __name__ == "__main__":
    main()
