"""Forks processes that make an index, for the tests of several at once and of killed: `python -m tests.index_maker`.

A line of JSON [run, source, folder, moment, gate, file] forks one and prints its pid. It waits for the file `gate`, if
there is one to be; is killed at its `moment`-th step that changes something in the folder, if that is not 0; and tells
`file` how it ended and how many steps it took.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch

from avgzsl.archive.indexing import index

STEPS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "sqlite3.connect", "shutil.copyfile")


def make(run: str, source: str, folder: str, moment: int, gate: str, tell) -> None:
    steps = 0

    def step(event: str, given) -> None:
        nonlocal steps
        changes = event in STEPS or (event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR))
        if changes and any(folder in os.fsdecode(one) for one in given if isinstance(one, (str, bytes, Path))):
            steps += 1
            if steps == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(step)
    while gate and not Path(gate).exists():
        time.sleep(0.001)
    try:
        added = index(run, source, folder, engine="memory", split="val")
        tell(f"made {added.added + added.kept} {steps}")
    except Exception as problem:
        tell(f"{type(problem).__name__} {problem}")


def main() -> None:
    torch.set_num_threads(1)  # its threads are not forked along
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        run, source, folder, moment, gate, told = json.loads(line)
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        file = os.open(told, os.O_WRONLY | os.O_APPEND)
        make(run, source, folder, moment, gate, lambda text, file=file: os.write(file, f"{text}\n".encode()))
        os._exit(0)


if __name__ == "__main__":
    main()
