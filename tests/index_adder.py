"""Forks processes that add batches to an index, for the tests that kill them: `python -m tests.index_adder`.

A line of JSON [folder, first batch, last, limit of a file's size, file] forks one and prints its pid. To the file it
tells that it begins, each batch that is acknowledged, and its end.
"""

import json
import os
import resource
import signal
import sys
import warnings
from pathlib import Path

import lancedb  # noqa: F401
import torch  # noqa: F401

from avgzsl.archive.changing import append, apply, writing
from avgzsl.archive.collection import Collection
from avgzsl.archive.index_record import read_record
from avgzsl.experiments.run import Run
from avgzsl.experiments.run_record import Config
from tests.index_world import Compares, clips_of, random_embeddings


def add(folder: Path, first: int, last: int, limit: int, tell) -> None:
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    collection = Collection(folder, read_record(folder), Run(folder, Config.model_construct(), Compares("mse")))
    tell("begin")
    for batch in range(first, last):
        part = random_embeddings(40, 6, seed=batch)
        with writing(collection) as db:
            append(collection, db, clips_of(part, 40 * batch), part)
            apply(collection, db, enough=80)
        tell(str(batch))


def main() -> None:
    warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)  # no thread of it runs here
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        folder, first, last, limit, told = json.loads(line)
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        file = os.open(told, os.O_WRONLY | os.O_APPEND)
        error = ""

        def tell(text: str, file: int = file) -> None:
            os.write(file, f"{text}\n".encode())

        try:
            add(Path(folder), first, last, limit, tell)
        except Exception as problem:
            error = f" {type(problem).__name__} {problem}"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        tell(f"end{error}")
        os._exit(0)


if __name__ == "__main__":
    main()
