"""The server as a process, and callers that send what no client library would."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import PATIENCE
from tests.serve_world import world

TOKEN = "0123456789abcdef-secret"
HOST = b"host: 127.0.0.1\r\n"


def command(*arguments, first=""):
    """The command, after the statements `first`."""
    return [sys.executable, "-c", f"{first}\nfrom avgzsl.cli import main\nmain()", "serve", *map(str, arguments)]


def environment(**settings):
    """Of a server with these settings."""
    here = {name: value for name, value in os.environ.items() if not name.startswith("AVGZSL_SERVE_")}
    return here | {f"AVGZSL_SERVE_{name.upper()}": str(value) for name, value in settings.items()}


@dataclass
class Served:
    """A server that has said where it is."""

    process: subprocess.Popen
    url: str
    errors: Path

    @property
    def address(self):
        host, port = self.url.removeprefix("http://").rstrip("/").rsplit(":", 1)
        return host, int(port)

    def connect(self, source="127.0.0.1"):
        """A connection from an address of this machine."""
        return socket.create_connection(self.address, PATIENCE, (source, 0))

    def said(self):
        """What went to standard error."""
        return self.errors.read_text()

    def told(self):
        """The lines of its log."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    def ended(self):
        """How it ended, as a shell tells it."""
        code = self.process.wait(PATIENCE)
        return code if code >= 0 else 128 - code


@contextmanager
def served(*arguments, index=None, folder=None, first="", **settings):
    """A server on a free port; `folder` is where its temporary files go."""
    with tempfile.TemporaryDirectory() as own:
        more = {} if folder is None else {"TMPDIR": str(folder)}
        with (Path(own) / "errors").open("wb") as errors, ExitStack() as ends:
            process = subprocess.Popen(
                command(index or world() / "index", "--port", "0", *arguments, first=first),
                env=environment(**settings) | more,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            ends.callback(process.communicate)
            ends.callback(process.kill)
            line = process.stdout.readline()
            assert " is served at " in line, Path(errors.name).read_text()
            yield Served(process, line.split(" is served at ")[1].split()[0], Path(errors.name))


def everything(connection):
    """What comes until the other side closes. Fails if it does not."""
    found = []
    try:
        while piece := connection.recv(1 << 16):
            found.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(found)


def status(connection):
    """The status of the answer that comes next."""
    head = b""
    while b"\r\n" not in head:
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError(f"closed after {head!r}")
        head += piece
    return int(head.split()[1])
