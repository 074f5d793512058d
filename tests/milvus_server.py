"""A real server of Milvus for the tests of the engine: `milvus-lite server`, on loopback, always ended."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import PATIENCE, own_port


@contextmanager
def running() -> Iterator[str]:
    """The address of a server that takes connections."""
    pytest.importorskip("pymilvus")
    program = Path(sys.executable).with_name("milvus-lite")
    if not program.exists():
        pytest.skip("no server of Milvus: milvus-lite is not installed")
    with own_port() as port:
        yield from _served(program, port)


def _served(program: Path, port: int) -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="avgzsl-milvus-")
    log = Path(folder) / "log"
    with log.open("ab") as written:
        command = [program, "server", "--data-dir", f"{folder}/data", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, stdout=written, stderr=written)
    try:
        last = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < last, log.read_text()[-2000:]
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
