"""A Ray cluster of two nodes, each in a network namespace of its own, joined by a cable of their own.

The namespaces see no other network, so addresses and ports are those of the test alone. Everything ends with it.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.processes import PROJECT, runs

HEAD, OTHER = "10.77.0.1", "10.77.0.2"
_PORT = 6400
_SECONDS = 120  # for each step of the start


def why_not() -> str | None:
    """Why no namespaces can be made here, in the words of a skip; None where they can."""
    if shutil.which("ip") is None:
        return "network namespaces need the command `ip` (Debian: iproute2)"
    name = f"avgzsl-{os.getpid()}"
    tries = (
        ("netns", "add", name),
        ("link", "add", "one", "netns", name, "type", "veth", "peer", "name", "two", "netns", name),
        ("netns", "exec", name, "true"),
    )
    try:
        for arguments in tries:
            if (tried := _ip(*arguments, check=False)).returncode != 0:
                return f"no network namespaces may be used here: {tried.stderr.strip()}"
        return None
    finally:
        _ip("netns", "del", name, check=False)


def running(namespace: str) -> list[int]:
    """The processes of a node, and whatever else runs in its namespace."""
    return [int(pid) for pid in _ip("netns", "pids", namespace, check=False).stdout.split()]


def kill_all(namespace: str, how: signal.Signals) -> None:
    """Send a signal to all processes of a node."""
    for pid in running(namespace):
        with suppress(ProcessLookupError):
            os.kill(pid, how)


class Nodes:
    """The namespaces of the head and of the other node, and the environment for what speaks to them."""

    def __init__(self, temporary: Path, hidden: Path) -> None:
        own = f"avgzsl-{os.getpid()}"
        self.head, self.other, self.temporary, self.hidden = f"{own}-head", f"{own}-other", temporary, hidden
        path = os.pathsep.join([str(PROJECT / "src"), str(PROJECT)])
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
        quiet = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
        self.environment = {**os.environ, **token, **quiet, "PYTHONPATH": path, "RAY_ADDRESS": f"{HEAD}:{_PORT}"}

    def inside(self, namespace: str, *command: object) -> list[str]:
        """The command that runs a command in a namespace."""
        return ["ip", "netns", "exec", namespace, *map(str, command)]

    def start(self, namespace: str, address: str, *how: str, hidden: Path | None = None) -> None:
        """Start a node of one CPU; the folder `hidden` is empty for its processes."""
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--node-ip-address", address, "--num-cpus", "1"]
        command = [*ray, "--object-store-memory", "100000000", *how]
        if hidden is not None:
            command = ["sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hidden), *command]
        done = subprocess.run(
            self.inside(namespace, *command), env=self.environment, text=True, timeout=_SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


@contextmanager
def two_nodes(hidden: Path) -> Iterator[Nodes]:
    """The nodes, started; the folder `hidden` is on the head alone."""
    _clear()
    with ExitStack() as stack:
        temporary = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # paths of sockets are short
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        nodes = Nodes(temporary, hidden)
        for namespace in (nodes.head, nodes.other):
            _ip("netns", "add", namespace)
            stack.callback(_remove, namespace)
        _ip("link", "add", "cable", "netns", nodes.head, "type", "veth", "peer", "name", "cable", "netns", nodes.other)
        for namespace, address in ((nodes.head, HEAD), (nodes.other, OTHER)):
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "cable")
            for link in ("lo", "cable"):
                _ip("-n", namespace, "link", "set", link, "up")
        head = ("--head", "--port", str(_PORT), "--include-dashboard=false", "--temp-dir", str(temporary))
        nodes.start(nodes.head, HEAD, *head)
        nodes.start(nodes.other, OTHER, "--address", f"{HEAD}:{_PORT}", hidden=hidden)
        yield nodes


def _clear() -> None:
    """End what a test run that was killed has left."""
    for line in _ip("netns", "list").stdout.splitlines():
        name = line.split()[0]
        _, _, owner = name.removesuffix("-head").removesuffix("-other").rpartition("avgzsl-")
        if name.startswith("avgzsl-") and owner.isdigit() and not runs(int(owner)):
            _remove(name)


def _remove(namespace: str) -> None:
    end = time.monotonic() + _SECONDS
    while running(namespace) and time.monotonic() < end:
        kill_all(namespace, signal.SIGKILL)
        time.sleep(0.05)
    _ip("netns", "del", namespace, check=False)


def _ip(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=_SECONDS, check=check)
