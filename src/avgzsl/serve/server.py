"""Running the application: one process, one event loop; an interrupt lets running requests end."""

import logging.config
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from avgzsl.errors import ConfigError
from avgzsl.media.workers import Decoders, Limits
from avgzsl.serve.app import make_app
from avgzsl.serve.collection import open_archive
from avgzsl.serve.service import started
from avgzsl.serve.settings import Settings

GRACE = 30  # seconds that running requests have to end
_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "avgzsl.serve.journal.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO", "propagate": False} for name in ("avgzsl.serve", "uvicorn")
    },
}


def serve(index: str | Path, settings: Settings, told: Callable[[str], None], **encoders: Any) -> None:
    """Serve an index until an interrupt; `told` hears the URL once it can be called.

    `encoders` are what `search.open_searcher` takes. Raises ConfigError for a port that is taken or an address that is
    not this machine's, DataError for what is no index, RunError for an index of another run.
    """
    limits = Limits(settings.decode_seconds, settings.decode_megabytes)
    with bound(settings.host, settings.port) as listening, Decoders(settings.decoders, limits) as decoders:
        archive = open_archive(Path(index), decoders, settings.token is None, **encoders)
        with started(archive, settings, decoders) as service:
            run(make_app(service), listening, told)


def run(app: FastAPI, listening: socket.socket, told: Callable[[str], None]) -> None:
    """Answer requests until SIGINT or SIGTERM, then finish those that are running."""
    logging.config.dictConfig(_LOGGING)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # it would hold queries
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=32 << 10,
    )
    told(url_of(listening))
    with _heeded():
        uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _heeded() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more: whoever asked for the end is not to be told of it twice."""
    ends = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, lambda *_: None) for one in ends}
    try:
        yield
    finally:
        for one in ends:
            signal.signal(one, before[one])


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ConfigError(
            f"cannot listen on {host}, port {port} ({reason}); choose another with --port or --host"
        ) from problem
    with listening:
        yield listening


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
