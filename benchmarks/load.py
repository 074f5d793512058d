"""Many users at a time: what the server of an index answers, how fast, and whether its memory grows.

    python -m benchmarks.load --document docs/scale.md [--users 50] [--seconds 60] [--rows 100000] [--engine memory]

A run is trained on generated data and an index filled with random embeddings under it. `avgzsl serve` serves it on
loopback twice, with `batching=on` and with `batching=off`; this process is the users, who ask now the one, now the
other, each again as soon as it is answered: mostly for phrases, in every modality, now and then with a condition, for
the list or for what the archive is. A 429 is waited out as it says. What the users themselves cost is told, too.

`--old TREE` compares with another version instead, whose working tree, with an environment in `.venv`, is TREE.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psutil
import torch

from avgzsl.archive.changing import append, apply, writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection
from avgzsl.archive.creation import create
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import train
from avgzsl.generators import generate
from avgzsl.methods import Embeddings
from benchmarks.tables import put

BATCH = 10_000
MORE, SOONER = 2.5, 0.5  # of another version's answers, and of its time: wanted
ROUNDS = 4
WARM_SECONDS = 5.0  # before anything is measured
SERVE = "from avgzsl.cli import main; main()"
FILL = """import sys
from pathlib import Path
from benchmarks.load import fill
fill(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])"""


@dataclass
class Told:
    """What a server told: statuses, the seconds of each answer that was no 429, and in each round the answers a second;
    the seconds of processor that server and users took; the server's memory in MB along the way."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    server: float = 0.0
    users: float = 0.0


@dataclass(frozen=True)
class Asked:
    """A server that is asked: its address, and its process."""

    host: str
    port: int
    process: psutil.Process


def fill(folder: Path, rows: int, engine: str) -> Path:
    """An index of random embeddings under a small run."""
    folder.mkdir(exist_ok=True)
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


def filled_by(tree: Path, folder: Path, rows: int, engine: str) -> Path:
    """The same by another version, whose working tree has an environment in `.venv`."""
    folder.mkdir()
    where = os.environ | {"PYTHONPATH": str(tree / "src")}
    command = [str(tree / ".venv" / "bin" / "python"), "-c", FILL, str(folder), str(rows), engine]
    subprocess.run(command, cwd=tree, env=where, check=True)
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


async def ask(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer; written here, for a client library costs more than some servers."""
    reader, writer = connection
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def use(asked: Asked, names: list[str], end: float, seed: int, told: Told) -> None:
    """One user, until the time `end`."""
    draw = random.Random(seed)
    connection = await asyncio.open_connection(asked.host, asked.port, limit=1 << 20)
    while time.monotonic() < end:
        path, params = _question(draw, names)
        started = time.perf_counter()
        status, headers, _ = await ask(connection, f"{path}?{urlencode(params)}")
        told.statuses[status] += 1
        if status == 429:
            await asyncio.sleep(float(headers["retry-after"]))
        else:
            told.seconds.append(time.perf_counter() - started)
    connection[1].close()


def _question(draw: random.Random, names: list[str]) -> tuple[str, dict[str, str]]:
    kind = draw.random()
    if kind < 0.05:
        return "/v1/info", {}
    if kind < 0.15:
        return "/v1/clips", {"offset": str(draw.randrange(1000))}
    asked = {"q": draw.choice(names), "modality": draw.choice(["audio", "video", "both"])}
    return "/v1/search", asked | ({"where": "duration < 5"} if kind < 0.2 else {})


async def load(asked: Asked, users: int, seconds: float, seed: int, told: Told) -> None:
    """What `users` are told in `seconds`."""
    connection = await asyncio.open_connection(asked.host, asked.port, limit=1 << 20)
    names = [one["label"] for one in json.loads((await ask(connection, "/v1/info"))[2])["classes"]]
    connection[1].close()
    before, own, answers, started = _cpu(asked.process), _cpu(psutil.Process()), len(told.seconds), time.monotonic()

    async def watch() -> None:
        while time.monotonic() < started + seconds:
            told.memory.append(asked.process.memory_info().rss / 2**20)
            await asyncio.sleep(seconds / 20)

    everybody = (use(asked, names, started + seconds, seed + user, told) for user in range(users))
    await asyncio.gather(watch(), *everybody)
    told.rates.append((len(told.seconds) - answers) / (time.monotonic() - started))
    told.server += _cpu(asked.process) - before
    told.users += _cpu(psutil.Process()) - own


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def serving(index: Path, tree: Path | None = None, **settings: str) -> Iterator[Asked]:
    """A server on the index, of this version or of that in another tree."""
    own = {f"AVGZSL_SERVE_{name.upper()}": value for name, value in settings.items()}
    python = sys.executable if tree is None else str(tree / ".venv" / "bin" / "python")
    where = os.environ | own | ({} if tree is None else {"PYTHONPATH": str(tree / "src")})
    command = [python, "-c", SERVE, "serve", str(index), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=where) as server:
        assert server.stdout is not None
        try:
            url = urlsplit(server.stdout.readline().split(" is served at ")[1].split()[0])
            yield Asked(str(url.hostname), int(url.port or 80), psutil.Process(server.pid))
        finally:
            server.terminate()


def compare(servers: dict[str, Asked], users: int, seconds: float) -> dict[str, Told]:
    """What each server tells in `seconds`, in rounds that take turns."""
    told = {name: Told() for name in servers}
    for asked in servers.values():
        asyncio.run(load(asked, users, min(WARM_SECONDS, seconds / 4), 0, Told()))
    for turn in range(ROUNDS):
        for name in list(servers)[:: 1 - 2 * (turn % 2)]:
            asyncio.run(load(servers[name], users, seconds / ROUNDS, users * (turn + 1), told[name]))
    return told


def table(found: dict[str, Told], users: int, seconds: float, rows: int, engine: str) -> str:
    """In Markdown: a column a server, the last one with the ratio of the first to the second."""
    columns = {name: _column(told) for name, told in found.items()}
    new, old = (statistics.median(told.rates) for told in found.values())
    late = [_p95(told) for told in found.values()]
    names = list(next(iter(columns.values())))
    ratios = {"answers/s, median of the rounds": f"{new / old:.2f} x", "p95": f"{late[0] / late[1]:.2f} x"}
    title = f"{rows:,} rows, engine {engine}, {users} users, {seconds:g} s each, {os.cpu_count()} cores"
    lines = [f"| {title} | {' | '.join(columns)} | ratio |", "|---|---:|---:|---:|"]
    rows_of = {name: " | ".join(column[name] for column in columns.values()) for name in names}
    return "\n".join([*lines, *(f"| {name} | {row} | {ratios.get(name, '')} |" for name, row in rows_of.items())])


def _column(told: Told) -> dict[str, str]:
    count, tenth = len(told.seconds), max(len(told.memory) // 10, 1)
    first, last = statistics.median(told.memory[:tenth]), statistics.median(told.memory[-tenth:])
    return {
        "answers": ", ".join(f"{count:,} × {status}" for status, count in sorted(told.statuses.items())),
        "answers/s, median of the rounds": f"{statistics.median(told.rates):,.0f}",
        "p50": f"{1000 * statistics.median(told.seconds):.0f} ms",
        "p95": f"{1000 * _p95(told):.0f} ms",
        "processor an answer, of the server": f"{1000 * told.server / count:.1f} ms",
        "processor an answer, of its users": f"{1000 * told.users / count:.1f} ms",
        "memory of the server: first tenth, last tenth": f"{first:,.0f} MB, {last:,.0f} MB",
    }


def _p95(told: Told) -> float:
    return sorted(told.seconds)[int(0.95 * len(told.seconds))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--document", type=Path)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--engine", default="memory")
    parser.add_argument("--old", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ends:
        index = fill(Path(folder) / "now", given.rows, given.engine)
        servers = {"batching=on": ends.enter_context(serving(index))}
        if given.old is None:
            servers["batching=off"] = ends.enter_context(serving(index, batching="off"))
        else:
            old = filled_by(given.old.absolute(), Path(folder) / "before", given.rows, given.engine)
            servers["before"] = ends.enter_context(serving(old, given.old.absolute()))
        found = compare(servers, given.users, given.seconds)
    text = table(found, given.users, given.seconds, given.rows, given.engine)
    if given.old is not None:
        text += f"\n\nWanted: at least {MORE} times the answers, at most {SOONER} of the time of the 95th of a hundred."
    print(text)
    if given.document is not None:
        put(given.document, "load" if given.old is None else "load-old", text)
    if any(set(told.statuses) - {200, 429} for told in found.values()):
        sys.exit("a server answered something else than 200 and 429")


if __name__ == "__main__":
    main()
