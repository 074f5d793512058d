"""Running the application: one process, one event loop; a signal lets running requests end, within limits."""

import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from avgzsl.archive.collection import Collection
from avgzsl.archive.search import Searcher
from avgzsl.errors import ConfigError
from avgzsl.media.workers import Decoders, Limits
from avgzsl.server.app import make_app
from avgzsl.server.connections import Connection, Doors, Listening, room_for
from avgzsl.server.index_archive import open_archive
from avgzsl.server.problems import LOG
from avgzsl.server.repeats import Repeats
from avgzsl.server.request_log import JsonLines
from avgzsl.server.service import started
from avgzsl.server.settings import Settings, read_settings
from avgzsl.server.shares import Shares
from avgzsl.types import EncoderChoice

GRACE = 2  # seconds that running requests have to end
LAST = 3.5  # seconds after which the process ends, whatever still runs
_BACKLOG = 100  # connections accepted in one go
_LOGGED = {"avgzsl.server": logging.INFO, "uvicorn": logging.WARNING, "asyncio": logging.WARNING}  # from here on


def serve(
    index: str | Path | Collection | Searcher,
    settings: Settings | None = None,
    *,
    url: str | None = None,
    encoders: EncoderChoice | None = None,
    ready: Callable[[str], None] = print,
    ending: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = LOG.warning,
) -> int:
    """Serve an index until SIGINT or SIGTERM, and give the signal.

    `settings` are those of the environment, if not given; `url` and `encoders` are as in `open_searcher`. `ready` is
    called with the address once it can be called, then `warn` with what is not shown, and why; `ending` when a signal
    has come. Then running requests have GRACE seconds to end; LAST seconds after the signal the process is ended,
    whatever it does then. Raises ConfigError for a port that is taken or an address that is not this machine's,
    DataError for what is no index, RunError for an index of another run.
    """
    settings = settings or read_settings()
    limits = Limits(settings.decode_seconds, settings.decode_megabytes)
    with _logged(), bound(settings.host, settings.port) as listening, Decoders(settings.decoders, limits) as decoders:
        own = settings.token is None
        archive = open_archive(index, decoders, own, settings.media, url=url, encoders=encoders)
        hidden = archive.not_handed_out()

        def begun() -> None:
            ready(url_of(listening))
            if hidden is not None:
                warn(hidden)

        deadline = _Deadline()
        with started(archive, settings, decoders) as service:
            server = _Server(configured(make_app(service), settings), deadline)
            server.begun, server.ending = begun, ending
            with _heeded(server), _settled():
                server.run(sockets=[listening])
    return deadline.signal or 0


@contextmanager
def _logged() -> Iterator[None]:
    """Lines of JSON on standard error, while it is served; then all loggers are as they were for whoever served."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    handler.addFilter(Repeats())
    loggers = {logging.getLogger(name): level for name, level in _LOGGED.items()}
    before = [(logger, logger.handlers, logger.level, logger.propagate) for logger in loggers]
    for logger, level in loggers.items():
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


def configured(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves an application."""
    doors = Doors(Shares(room_for(settings.connections), settings.address_share), settings.header_seconds)
    return uvicorn.Config(
        app,
        http=partial(Connection, doors),  # type: ignore[arg-type]  # it is called as the class is
        ws="none",
        loop="asyncio",
        backlog=_BACKLOG,
        log_config=None,
        access_log=False,  # it would hold queries
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )


class _Deadline:
    """From the first signal on the process has so much time, its own end included."""

    signal: int | None = None

    def set(self, signal: int) -> None:
        """The first signal counts."""
        if self.signal is None:
            self.signal = signal
            timer = threading.Timer(LAST, os._exit, (128 + signal,))
            timer.daemon = True
            timer.start()


class _Server(uvicorn.Server):
    begun: Callable[[], None]
    ending: Callable[[], None]

    def __init__(self, config: uvicorn.Config, deadline: _Deadline) -> None:
        super().__init__(config)
        self._deadline = deadline

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.ending()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._deadline.set(sig)
        super().handle_exit(sig, frame)


@contextmanager
def _heeded(server: _Server) -> Iterator[None]:
    """A signal that comes before uvicorn listens to it counts as well.

    And uvicorn raises the one that ended it once more: whoever asked for the end is not to be told of it twice.
    """
    ends = (signal.SIGINT, signal.SIGTERM)
    before = {end: signal.signal(end, server.handle_exit) for end in ends}
    try:
        yield
    finally:
        for end in ends:
            signal.signal(end, before[end])


@contextmanager
def _settled() -> Iterator[None]:
    """What is there now stays to the end: Python, which looks for garbage again and again, need not look there.

    It took a third of the time of a busy server, for libraries and the index are more objects than all requests.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def bound(host: str, port: int) -> Iterator[Listening]:
    """A socket that listens. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ConfigError(
            f"cannot listen on {host}, port {port} ({reason}); choose another with --port or --host"
        ) from problem
    with Listening(opened.family, opened.type, opened.proto, opened.detach()) as listening:
        yield listening


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
