"""Processes that tests start, and signals to them: nothing hangs on how the suite itself was started."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).parents[1]
PATIENCE = 200.0  # seconds after which a test has failed; nothing is expected to take them, on a busy machine either


@contextmanager
def started(command: list[Any], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that heeds signals, and finds the tests; it is killed where the test leaves it.

    A shell's `&` has SIGINT ignored, and children inherit that.
    """
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, **options.pop("env", {})}
    command = list(map(str, command))
    with subprocess.Popen(command, text=True, env=environment, preexec_fn=_heeding, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def _heeding() -> None:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


@contextmanager
def own_port() -> Iterator[int]:
    """A port of 127.0.0.1 for a server that is to be told one: while the block lasts no other test gets it.

    It is none of those that the system gives to whoever asks for any; that of UDP with its number is the mark.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with socket.socket(type=socket.SOCK_DGRAM) as mark, socket.socket() as tried:
            try:
                mark.bind(("127.0.0.1", port))
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            tried.close()
            yield port
            return


def runs(pid: int) -> bool:
    """Whether there is such a process that is not dead and only waits for its parent to look."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int, within: float = PATIENCE) -> None:
    """Waits until a process has ended; fails after `within` seconds."""
    end = time.monotonic() + within
    while runs(pid):
        assert time.monotonic() < end, f"process {pid} still runs after {within:g} s"
        time.sleep(0.01)


def wait_for(what: Any, within: float = PATIENCE) -> Any:
    """What `what()` gives once that is true; fails after `within` seconds."""
    end = time.monotonic() + within
    while not (given := what()):
        assert time.monotonic() < end, f"it did not come within {within:g} s"
        time.sleep(0.005)
    return given


def group_of(leader: int) -> list[int]:
    """The processes that run in the group of a process that was started with `start_new_session`."""
    found = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == leader and runs(pid):
                found.append(pid)
    return found
