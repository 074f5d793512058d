"""Many users at a time: what the server of an index answers, how fast, and whether its memory grows.

    python -m benchmarks.load --document docs/scale.md [--users 50] [--seconds 60] [--rows 100000] [--engine memory]

A run is trained on generated data and an index filled with random embeddings under it. `avgzsl serve` serves it on
loopback in a process of its own; in this one, each user asks again as soon as it is answered: mostly for phrases, in
every modality, now and then with a condition, for the list or for what the archive is. A 429 is waited out as it says.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import torch

from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, append, apply, writing
from avgzsl.archive.creation import create
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import train
from avgzsl.generators import generate
from avgzsl.methods import Embeddings
from benchmarks.tables import put

BATCH = 10_000
WARM_SECONDS = 5.0  # before memory is read for the first time


@dataclass
class Told:
    """Statuses, and the seconds of each answer that was no 429."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


def fill(folder: Path, rows: int, engine: str) -> Path:
    """An index of random embeddings under a small run."""
    generate("audioset-zsl", folder / "data", scale=0.02, seed=0)
    train(folder / "data", "avgzslnet", out=folder / "run", settings={"epochs": 2})
    collection = create(folder / "index", load_run(folder / "run"), engine)
    generator = torch.Generator().manual_seed(0)
    with writing(collection) as db:
        for start in range(0, rows, BATCH):
            count = min(BATCH, rows - start)
            clips, embedded = _batch(collection, start, count, generator)
            append(collection, db, clips, embedded)
            apply(collection, db)
        apply(collection, db, enough=1)
    collection.close()
    return folder / "index"


def _batch(
    collection: Collection, start: int, count: int, generator: torch.Generator
) -> tuple[list[IndexedClip], Embeddings]:
    size, data = collection.record.dimensions["audio"], collection.run.config.data
    names = data.seen + data.unseen
    audio, video = (torch.randn(count, size, generator=generator) for _ in range(2))
    there = torch.ones(count, dtype=torch.bool)
    weight = torch.rand(count, generator=generator)
    clips = []
    for i in range(start, start + count):
        about = {"id": f"clip-{i:08d}", "hash": f"{i:x}", "label": names[i % len(names)], "end": float(i % 30)}
        clips.append(IndexedClip(**about, start=0.0, has_audio=True, has_video=True))
    return clips, Embeddings(audio, video, None, there, there, weight)


async def use(client: httpx.AsyncClient, names: list[str], end: float, seed: int, told: Told) -> None:
    """One user, until the time `end`."""
    draw = random.Random(seed)
    while time.monotonic() < end:
        path, params = _question(draw, names)
        started = time.perf_counter()
        answer = await client.get(path, params=params)
        told.statuses[answer.status_code] += 1
        if answer.status_code == 429:
            await asyncio.sleep(float(answer.headers["retry-after"]))
        else:
            told.seconds.append(time.perf_counter() - started)


def _question(draw: random.Random, names: list[str]) -> tuple[str, dict[str, str]]:
    kind = draw.random()
    if kind < 0.05:
        return "/v1/info", {}
    if kind < 0.15:
        return "/v1/clips", {"offset": str(draw.randrange(1000))}
    asked = {"q": draw.choice(names), "modality": draw.choice(["audio", "video", "both"])}
    return "/v1/search", asked | ({"where": "duration < 5"} if kind < 0.2 else {})


async def load(url: str, users: int, seconds: float, server: psutil.Process) -> tuple[Told, list[float]]:
    """What `users` are told in `seconds`, and the server's memory in MB along the way."""
    told, memory = Told(), []
    limits = httpx.Limits(max_connections=users, max_keepalive_connections=users)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        names = [one["label"] for one in (await client.get("/v1/info")).json()["classes"]]
        end = time.monotonic() + seconds

        async def watch() -> None:
            await asyncio.sleep(min(WARM_SECONDS, seconds / 4))
            while time.monotonic() < end:
                memory.append(server.memory_info().rss / 2**20)
                await asyncio.sleep(seconds / 40)

        await asyncio.gather(watch(), *(use(client, names, end, seed, told) for seed in range(users)))
    return told, memory


def table(told: Told, memory: list[float], users: int, seconds: float, rows: int, engine: str) -> str:
    """In Markdown."""
    ordered = sorted(told.seconds)
    tenth = max(len(memory) // 10, 1)
    first, last = statistics.median(memory[:tenth]), statistics.median(memory[-tenth:])
    lines = {
        f"rows, engine {engine}": f"{rows:,}",
        "users, seconds": f"{users}, {seconds:g}",
        "answers": ", ".join(f"{count:,} × {status}" for status, count in sorted(told.statuses.items())),
        "answers/s, without 429": f"{len(ordered) / seconds:,.0f}",
        "p50, p95": f"{1000 * statistics.median(ordered):.0f} ms, {1000 * ordered[int(0.95 * len(ordered))]:.0f} ms",
        "memory of the server: first tenth, last tenth": f"{first:,.0f} MB, {last:,.0f} MB",
        "cores": str(os.cpu_count()),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in lines.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--document", type=Path)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--engine", default="memory")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index = fill(Path(folder), given.rows, given.engine)
        command = [sys.executable, "-c", "from avgzsl.cli import main; main()", "serve", str(index), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            assert server.stdout is not None
            try:
                url = server.stdout.readline().split(" is served at ")[1].split()[0]
                told, memory = asyncio.run(load(url, given.users, given.seconds, psutil.Process(server.pid)))
            finally:
                server.terminate()
    found = table(told, memory, given.users, given.seconds, given.rows, given.engine)
    print(found)
    if given.document is not None:
        put(given.document, "load", found)
    if set(told.statuses) - {200, 429}:
        sys.exit("the server answered something else than 200 and 429")


if __name__ == "__main__":
    main()
