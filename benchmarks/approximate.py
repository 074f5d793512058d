"""An approximate index at scale: how soon it answers, how much of the nearest it finds, and what it costs to build.

    python -m benchmarks.approximate [--rows 10000000] [--document docs/scale.md]

Clips of one modality (64 numbers, 100 classes that clips lie around) are put into an index with the engine `faiss`, as
`avgzsl index` does, and into one with `memory`, which scans. Questions are points near classes, which neither index has
seen; each is asked in turn: the whole search of either (ranked by the method's own distance, the table of clips read),
and a bare matrix product with topk. Recall is counted over the scan's ten nearest. Generated clips lie in clear
clusters, which is easy for lists: `--spread 3` makes them overlap. At 10 million rows it takes about 12 GB of disk.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Generator, Tensor

from avgzsl.archive import recall
from avgzsl.archive.changing import writing
from avgzsl.archive.collection import ENGINE, Collection
from avgzsl.archive.fused import question
from avgzsl.archive.nearest import nearest
from avgzsl.archive.recall_record import measured
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import Run
from avgzsl.experiments.run_record import Config
from avgzsl.methods import Embeddings, Method, TextEmbeddings
from benchmarks.index import BATCH, DIMENSION, K, Row, empty, fill, seconds, size, table, told
from benchmarks.tables import put

CLASSES, QUERIES = 100, 40
MODE = Mode("audio", "equal")


class Compares(Method):
    """A method of sound alone, whose clips are embedded already; it compares by mean squared distance."""

    name = "compares"
    modalities = ("audio",)
    similarity = "mse"

    def learn_from(self, train, classes, job): ...  # type: ignore[no-untyped-def]
    def embed_chunk(self, clips): ...  # type: ignore[no-untyped-def]
    def learned(self): ...  # type: ignore[no-untyped-def]
    def restore_learned(self, state, sizes): ...  # type: ignore[no-untyped-def]


def clips(rows: int, spread: float) -> Iterator[Embeddings]:
    """Batches of clips around the classes; the same at each call."""
    g, centres = Generator().manual_seed(1), classes()
    for start in range(0, rows, BATCH):
        n = min(BATCH, rows - start)
        z = centres[torch.randint(CLASSES, (n,), generator=g)] + spread * torch.randn(n, DIMENSION, generator=g)
        yield Embeddings(z, None, None, torch.ones(n, dtype=torch.bool), torch.zeros(n, dtype=torch.bool))


def classes() -> Tensor:
    """Where classes are."""
    return torch.randn(CLASSES, DIMENSION, generator=Generator().manual_seed(0))


def made(folder: Path, engine: str) -> Collection:
    """An empty index of clips with sound."""
    collection = empty(folder, engine, "mse")
    record = collection.record.model_copy(update={"dimensions": {"audio": DIMENSION}})
    return replace(collection, record=record, run=Run(folder, Config.model_construct(data=None), Compares()))


def asked(collection: Collection, points: list[TextEmbeddings]) -> tuple[list[float], list[set[str]]]:
    """Seconds of each search, after one round that warms up, and what was found."""
    found = [{clip.id for clip in nearest(collection, point, K, MODE).clips} for point in points]
    return [seconds(lambda point=point: nearest(collection, point, K, MODE)) for point in points], found  # type: ignore[misc]


def run_all(rows: int, spread: float) -> str:
    """Measure everything; gives the tables in Markdown."""
    near = classes() + 0.3 * torch.randn(CLASSES, DIMENSION, generator=Generator().manual_seed(2))
    points = [TextEmbeddings.shared(point[None]) for point in near[:QUERIES]]
    with tempfile.TemporaryDirectory() as work:
        scanned, listed = made(Path(work) / "scan", "memory"), made(Path(work) / "lists", "faiss")
        costs, times, found = [], {}, {}
        for collection in (scanned, listed):
            name = collection.record.engine
            taken = fill(collection, clips(rows, spread))
            with writing(collection) as db:
                built = seconds(lambda: recall.renew(collection, db))  # noqa: B023
            weight = size(collection.folder / ENGINE) / rows
            costs.append((name, f"{taken:,.0f}", f"{built:,.0f}", f"{weight:.0f}"))
            times[f"{name}: search"], found[name] = asked(collection, points)
        matrix = torch.cat([_vectors(scanned, part) for part in clips(rows, spread)])
        vectors = [torch.from_numpy(question(point, scanned.space(MODE)).vector) for point in points]
        times["bare matrix product + topk"] = [seconds(lambda: (matrix @ v).topk(K)) for v in vectors]  # noqa: B023
        known = measured(listed, MODE)
        assert known is not None
    hits = sum(len(right & got) for right, got in zip(found["memory"], found["faiss"], strict=True))
    scan = statistics.median(times["memory: search"])
    shares = {"memory: search": "1.000", "faiss: search": f"{hits / (K * len(points)):.3f}"}
    speed: list[Row] = [
        (name, *told(some), f"{scan / statistics.median(some):.1f}", shares.get(name, ""))
        for name, some in times.items()
    ]
    about = (
        f"{rows:,} clips of {DIMENSION} numbers around {CLASSES} classes (spread {spread:g}), mean squared distance; "
        f"{torch.get_num_threads()} threads. Wanted: 20 times as soon as the scan at recall@10 of 0.99. Told in every "
        f"answer: {100 * known.recall:.1f} %, measured on {known.questions} clips of the index."
    )
    of_making = table(("engine", "filled, s", "lists made and measured, s", "bytes a clip"), costs)
    of_asking = table((f"top {K}", "p50, ms", "p95, ms", "times as soon as the scan", "recall@10"), speed)
    return "\n".join([about, "", *of_making, "", *of_asking])


def _vectors(collection: Collection, part: Embeddings) -> Tensor:
    """What an engine gets of clips."""
    from avgzsl.archive.fused import fused

    return torch.from_numpy(fused(part, collection.space(MODE)))


def main() -> None:
    """Print the tables, and put them into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--spread", type=float, default=1.0, help="of clips around their class; classes are 1 apart")
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    tables = run_all(options.rows, options.spread)
    print(tables)
    if options.document is not None:
        put(options.document, "approximate", tables)


if __name__ == "__main__":
    main()
