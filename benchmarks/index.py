"""The index at scale: what a row costs, and how soon a query is answered.

    python -m benchmarks.index [--rows 1000000] [--document docs/scale.md]

Clips are generated in the common space (64 dimensions, 100 classes, a tenth without sound, a tenth without picture) and
put into an index batch by batch, as `avgzsl index` does. Queries are class vectors; each is answered in turn by a bare
torch matrix product and topk over the fused vectors of mode `both`, by what proposes clips, and by the whole search,
which ranks by the method's own distance. With plain Euclidean distances a second bare row has the two products, with
sound and with picture, without which no clip's distance is known. LanceDB's approximate index (IVF_FLAT) is measured
beside its scan; avgzsl does not use it. Below stand searches that are answered together (`benchmarks.batches`).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from avgzsl.archive import clip_database, clip_table
from avgzsl.archive.asked import Asked
from avgzsl.archive.changing import append, apply, writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import ENGINE, Collection, view
from avgzsl.archive.embeddings import FILE
from avgzsl.archive.fused import Space, fused, question
from avgzsl.archive.index_record import FORMAT, IndexRecord, write_record
from avgzsl.archive.nearest import nearest
from avgzsl.archive.proposals import proposals
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import Run
from avgzsl.experiments.run_record import Config
from avgzsl.methods import Embeddings, TextEmbeddings, build
from avgzsl.types import MODALITIES
from benchmarks.tables import put

DIMENSION, CLASSES, BATCH, K = 64, 100, 16_384, 10
BOTH = Mode("both", "equal")
QUERIES = 40
RECALL = 0.99
Row = tuple[str, ...]


def world(rows: int) -> tuple[Tensor, Callable[[], Iterator[Embeddings]]]:
    """Vectors of the classes, and batches of clips around them; the same at each call."""
    text = torch.randn(CLASSES, DIMENSION, generator=Generator().manual_seed(0))

    def batches() -> Iterator[Embeddings]:
        g = Generator().manual_seed(1)
        for start in range(0, rows, BATCH):
            n = min(BATCH, rows - start)
            centre = text[torch.randint(CLASSES, (n,), generator=g)]
            audio, video = (centre + torch.randn(n, DIMENSION, generator=g) for _ in range(2))
            lacking = torch.randint(10, (n,), generator=g)
            yield Embeddings(audio, video, None, lacking != 0, lacking != 1)

    return text, batches


def empty(folder: Path, engine: str, similarity: str) -> Collection:
    """An index of a method that was not fitted: only its similarity is asked for."""
    folder.mkdir()
    record = IndexRecord(
        format=FORMAT, id="0" * 16, run="none", method="avgzslnet", fingerprint="none", engine=engine, url=None,
        dimensions={"audio": DIMENSION, "video": DIMENSION},
    )  # fmt: skip
    clip_database.create(folder)
    write_record(folder, record)
    method = build("avgzslnet", settings={"attention": "none", "distance": similarity})
    return Collection(folder, record, Run(folder, Config.model_construct(), method))


def fill(collection: Collection, batches: Iterator[Embeddings]) -> float:
    """Seconds that it took to put all clips in, in every mode, durably."""
    taken, first = 0.0, 0
    for part in batches:
        has = zip(part.has_audio.tolist(), part.has_video.tolist(), strict=True)
        clips = [
            IndexedClip(f"clip-{i}", f"{i:064x}", f"/archive/clip-{i}.mp4", 0.0, 10.0, has_audio=a, has_video=v)
            for i, (a, v) in enumerate(has, first)
        ]
        first += len(clips)
        started = time.perf_counter()
        with writing(collection) as db:
            append(collection, db, clips, part)
            apply(collection, db)
        taken += time.perf_counter() - started
    started = time.perf_counter()
    with writing(collection) as db:
        apply(collection, db, enough=1)
    return taken + time.perf_counter() - started


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def told(times: list[float]) -> Row:
    """p50 and p95 in ms."""
    return f"{1000 * statistics.median(times):.1f}", f"{1000 * float(np.quantile(times, 0.95)):.1f}"


def size(path: Path) -> int:
    """Bytes of a file or of all below a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def matrix_of(batches: Iterator[Embeddings], mode: Mode, similarity: Any) -> Tensor:
    """The vectors of all clips in a mode, for the bare product; zero for clips that are not in it."""
    return torch.cat(
        [
            torch.from_numpy(fused(z, Space(mode, similarity))).where(z.scorable(mode.modality)[:, None], 0.0)
            for z in batches
        ]
    )


def exact(collection: Collection, text: Tensor) -> list[set[str]]:
    """The k nearest of each query by brute force, through the method."""
    found = []
    with view(collection) as seen:
        here = seen.positions()
        for point in text:
            best: list[tuple[float, int]] = []
            for start in range(0, len(here), 1 << 17):
                part = here[start : start + (1 << 17)]
                scores = collection.run.method.compare(
                    seen.embeddings(part), TextEmbeddings.shared(point[None]), *BOTH
                )[:, 0]
                top = scores.topk(min(K, len(part)))
                best += zip((-top.values).tolist(), part[top.indices.numpy()].tolist(), strict=True)
            found.append({f"clip-{position}" for _, position in sorted(best)[:K]})
    return found


def propose(collection: Collection, point: TextEmbeddings) -> None:
    """The first proposals of a search."""
    with view(collection) as seen:
        proposals(seen, Asked(point, BOTH))(K, -np.inf)


def measure(collection: Collection, bare: dict[str, list[Tensor]], text: Tensor) -> list[Row]:
    """Bare products, proposals and whole search in turn, a query at a time, after a round that warms up."""
    near = collection.run.method.similarity
    times: dict[str, list[float]] = {name: [] for name in (*bare, "proposals", "search")}
    hits = 0
    wanted = exact(collection, text)
    for warm in (True, False):
        for point, right in zip(text, wanted, strict=True):
            vector = torch.from_numpy(question(TextEmbeddings.shared(point[None]), Space(BOTH, near)).vector)
            taken = {
                name: seconds(lambda: torch.stack([m @ vector for m in some]).sum(0).topk(K))  # noqa: B023
                for name, some in bare.items()
            }
            taken["proposals"] = seconds(lambda: propose(collection, TextEmbeddings.shared(point[None])))  # noqa: B023
            started = time.perf_counter()
            found = nearest(collection, TextEmbeddings.shared(point[None]), K, BOTH)
            taken["search"] = time.perf_counter() - started
            if warm:
                continue
            hits += len(right & {clip.id for clip in found.clips})
            for name, value in taken.items():
                times[name].append(value)
    limit = statistics.median(next(iter(times.values())))
    return [
        (name if name in bare else f"{collection.record.engine}, {near}: {name}", *told(values),
         f"{statistics.median(values) / limit:.1f} ×", f"{hits / (K * len(text)):.3f}" if name == "search" else "")
        for name, values in times.items()
    ]  # fmt: skip


def approximate(collection: Collection, bare: Tensor, text: Tensor, rows: int) -> Row:
    """LanceDB's IVF_FLAT over the same vectors, with as few probes as reach the recall."""
    from lancedb.index import IvfFlat

    table = collection.engine(BOTH).table  # type: ignore[attr-defined]
    config = IvfFlat(distance_type="dot", num_partitions=max(int(rows**0.5), 1))
    built = seconds(lambda: table.create_index("vector", config=config))
    near = collection.run.method.similarity

    def ask(point: Tensor, probes: int) -> list[int]:
        asked = table.search(
            question(TextEmbeddings.shared(point[None]), Space(BOTH, near)).vector, vector_column_name="vector"
        ).distance_type("dot")
        asked = asked.nprobes(probes) if probes else asked.bypass_vector_index()
        found: list[int] = asked.select(["position", "_distance"]).limit(K).to_arrow()["position"].to_pylist()
        return found

    wanted = [set(ask(point, 0)) for point in text]
    probes = 1
    while True:
        hits = sum(len(right & set(ask(point, probes))) for point, right in zip(text, wanted, strict=True))
        if hits / (K * len(text)) >= RECALL or probes >= rows:
            break
        probes *= 2
    times, limit = [], []
    for point in text:
        vector = torch.from_numpy(question(TextEmbeddings.shared(point[None]), Space(BOTH, near)).vector)
        limit.append(seconds(lambda: (bare @ vector).topk(K)))  # noqa: B023
        times.append(seconds(lambda: ask(point, probes)))  # noqa: B023
    ratio = statistics.median(times) / statistics.median(limit)
    name = f"lancedb IVF_FLAT, {probes} probes, {near}: proposals (index built in {built:.0f} s)"
    return (name, *told(times), f"{ratio:.1f} ×", f"{hits / (K * len(text)):.3f}")


def run_all(rows: int) -> str:
    """Measure everything; gives the tables in Markdown."""
    text, batches = world(rows)
    asked = text[: min(QUERIES, CLASSES)]
    speed: list[Row] = []
    cost: list[Row] = []
    for similarity in ("mse", "euclidean"):
        bare = {f"bare matmul + topk, {similarity}": [matrix_of(batches(), BOTH, similarity)]}
        if similarity == "euclidean":
            both = [matrix_of(batches(), Mode(modality, "equal"), similarity) for modality in MODALITIES]
            bare[f"two bare matmuls + topk, {similarity}"] = both
        for engine in ("memory", "lancedb"):
            with tempfile.TemporaryDirectory() as work:
                collection = empty(Path(work) / "index", engine, similarity)
                taken = fill(collection, batches())
                found = measure(collection, bare, asked)
                speed += found if engine == "memory" else found[len(bare) :]
                if similarity == "mse":
                    folder = collection.folder
                    engine_size = size(folder / ENGINE)
                    cost.append(
                        (engine, f"{rows / taken:,.0f}", f"{size(folder / FILE) / rows:.0f}",
                         f"{size(folder / clip_table.FILE) / rows:.0f}", f"{engine_size / rows:.0f}")
                    )  # fmt: skip
                    if engine == "lancedb":
                        speed.append(approximate(collection, next(iter(bare.values()))[0], asked, rows))
                collection.close()
    about = f"{rows:,} clips, {DIMENSION} dimensions, modes audio, video and both; {torch.get_num_threads()} threads."
    return "\n".join(
        [
            about,
            "",
            *table(("engine", "clips/s put in", "embeddings, bytes a clip", "table", "engine"), cost),
            "",
            *table((f"text query, top {K}, of mode both", "p50, ms", "p95, ms", "over bare (p50)", "recall@10"), speed),
        ]
    )


def table(head: Row, rows: list[Row]) -> list[str]:
    """Lines of Markdown."""
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def main() -> None:
    """Print the tables, and put them into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    tables = run_all(options.rows)
    from benchmarks import batches  # it takes its world from here

    tables = "\n".join([tables, "", *batches.tables(options.rows)])
    print(tables)
    if options.document is not None:
        put(options.document, "index", tables)


if __name__ == "__main__":
    main()
