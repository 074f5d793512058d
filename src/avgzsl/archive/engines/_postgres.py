"""Connections to PostgreSQL: opened when they are needed, again where they were lost, and no wait is without an end.

User, password, certificates and all else come from libpq's own variables and files (PGUSER, PGPASSWORD, PGPASSFILE,
PGSSLMODE, PGSSLROOTCERT, PGSERVICE, …), never from the address. No password is sent as plain text unless
PGREQUIREAUTH allows it. Of several hosts the one that takes writes is used.
"""

import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from avgzsl.archive.engines._postgres_errors import is_lost, told
from avgzsl.errors import ConfigError
from avgzsl.support.confidential import Address, variable_of_part
from avgzsl.support.registry import require

EXAMPLE = "postgresql://localhost:5432/avgzsl"
_CONNECT = 10  # seconds for a connection, of each host
_ANSWER = 60  # seconds for an answer, unless PGOPTIONS says -c statement_timeout=…
_CHANGE = 6 * 3600.0  # seconds for a change, such as the building of an index
_GRACE = 10  # seconds more until a server that says nothing at all is given up
_FAILOVER = 15  # seconds to wait for a host that takes writes, where there was one
_AGAIN = 0.2
# of one of several servers, as PGUSER_2 (`support.confidential.of_part`)
_OF_PART = ("user", "password", "passfile", "service", "sslmode", "sslrootcert", "sslcert", "sslkey")
_REQUIRE_AUTH = 160000  # the version of libpq that knows it

T = TypeVar("T")


class Server:
    """A server, or several of which one takes writes. Threads may share it: each has a connection while it asks."""

    def __init__(self, url: Address | None) -> None:
        if url is None or urlsplit(url.whole()).scheme not in ("postgresql", "postgres"):
            given = "PostgreSQL" if url is None else f"{url} is no address of PostgreSQL; it"
            raise ConfigError(f"{given} needs a url, as in --url {EXAMPLE}")
        self.url = url
        self.psycopg = require("psycopg", "pgvector")
        self._idle: list[tuple[Any, float]] = []
        self._was_there = False
        weakref.finalize(self, _close, self._idle)  # psycopg warns of connections that nobody closed

    def ask(self, work: Callable[[Any], T]) -> T:
        """What `work` gives, of a connection. Raises AvgzslError, and DataError where no such vectors are there."""
        return self._tried(work, self._lent)

    def change(self, work: Callable[[Any], T]) -> T:
        """The same for a change, which may take hours. It may be done twice, and must come to the same."""
        return self._tried(work, self._own)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        _close(self._idle)

    def _tried(self, work: Callable[[Any], T], connection: Callable[[], Any]) -> T:
        """Where the connection is lost, or its server takes no writes any more, it is done again with another one."""
        last = None
        while True:
            try:
                with connection() as opened:
                    return work(opened)
            except self.psycopg.Error as problem:
                last = last or time.monotonic() + _FAILOVER
                if not (self._was_there and is_lost(problem)) or time.monotonic() > last:
                    raise told(self.url, problem) from None
                self.close()
                time.sleep(_AGAIN)

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        opened, limit = self._idle.pop() if self._idle else self._connected(_ANSWER)
        try:
            with _ended_after(opened, limit):
                yield opened
        except BaseException:
            opened.close()
            raise
        self._idle.append((opened, limit))

    @contextmanager
    def _own(self) -> Iterator[Any]:
        """Without the server's limit: that would end the wait for a synchronous standby as if there was an answer."""
        opened, _ = self._connected(0)
        with opened, _ended_after(opened, _CHANGE):
            yield opened

    def _connected(self, limit: int) -> tuple[Any, float]:
        """A connection, and the seconds after which its server is given up; 0 for never, which the user may say."""
        asked = {
            "connect_timeout": os.environ.get("PGCONNECT_TIMEOUT") or _CONNECT,
            "target_session_attrs": os.environ.get("PGTARGETSESSIONATTRS") or "read-write",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 25_000,
            "application_name": "avgzsl",
            "client_encoding": "UTF8",
        }
        own = {option: variable_of_part(f"PG{option.upper()}") for option in _OF_PART}
        asked |= {option: os.environ[variable] for option, variable in own.items() if variable is not None}
        if self.psycopg.pq.version() >= _REQUIRE_AUTH:
            asked["require_auth"] = os.environ.get("PGREQUIREAUTH") or "!password"
        if limit:
            asked["options"] = f"-c statement_timeout={limit}s {os.environ.get('PGOPTIONS', '')}"
        opened = self.psycopg.connect(self.url.whole(), autocommit=True, **asked)
        self._was_there = True
        if not limit:
            opened.execute("set statement_timeout = 0")
            return opened, _CHANGE
        setting = opened.execute("select setting::bigint from pg_settings where name = 'statement_timeout'")
        milliseconds = int(setting.fetchone()[0])
        return opened, milliseconds / 1000 + _GRACE if milliseconds else 0.0


def _close(connections: list[tuple[Any, float]]) -> None:
    while connections:
        connections.pop()[0].close()


@contextmanager
def _ended_after(connection: Any, seconds: float) -> Iterator[None]:
    """Cuts a connection whose server says nothing for so long: one that hangs keeps no limit of its own."""
    if not seconds:
        yield
        return
    line = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)  # the same socket once more

    def cut() -> None:
        with suppress(OSError):  # it has ended by itself
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.close()
