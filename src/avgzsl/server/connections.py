"""Connections: how many, from whom, and how long one may be without a request.

uvicorn sets no limit to the time until a request has been sent, nor, with httptools, to the head of one; it closes no
connection when they are too many, and asyncio goes round and round where no file can be opened any more. This is what
is added to them.
"""

import asyncio
import errno
import socket
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from avgzsl.server.limits import INSIDE
from avgzsl.server.problems import LOG
from avgzsl.server.shares import Shares, neighbourhood

_REST = 0.5  # seconds; asyncio tries again after one
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_OTHERS = 512  # open files that are no connection of a caller: clips, index, decoders, and what was just accepted
_HEAD = 32 << 10  # bytes of a head, or of what stands between the pieces of a body
_AHEAD = 16  # requests that a connection may send before the first of them is answered
_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n"


class Doors:
    """The connections that are open, each a place of `shares`.

    Where none is left, the oldest without a request that has its place in the line makes room for the new one: among
    those of the same address if that has its part, else among those of the address that has most. A connection without
    a request under way is closed after `seconds`.
    """

    def __init__(self, shares: Shares, seconds: float) -> None:
        self._shares, self._seconds = shares, seconds
        self._open: dict[str, dict[Connection, None]] = {}
        self._watching: asyncio.Task[None] | None = None

    def enter(self, connection: "Connection") -> bool:
        """Let a connection in. False where there is no room, and none can be made."""
        address = connection.address
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())
        if not self._shares.take(address) and not (self._make_room(address) and self._shares.take(address)):
            LOG.warning("every connection is busy; one more is refused")
            return False
        self._open.setdefault(address, {})[connection] = None
        return True

    def leave(self, connection: "Connection") -> None:
        """Give the place of a connection back, which has ended or is about to."""
        neighbours = self._open.get(connection.address, {})  # all of the same address
        if connection in neighbours:
            del neighbours[connection]
            self._shares.give(connection.address)
            if not neighbours:
                del self._open[connection.address]

    def _make_room(self, address: str) -> bool:
        """Close the oldest connection that has no request with a place. False where there is none."""
        full = self._shares.of(address) >= self._shares.of_one
        addresses = [self._open[address]] if full else sorted(self._open.values(), key=len, reverse=True)
        idle = (connection for of_one in addresses for connection in of_one if not connection.is_inside())
        oldest = next(idle, None)
        if oldest is None:
            return False
        LOG.warning("too many connections; the oldest without a request makes room")
        self.leave(oldest)
        oldest.transport.abort()
        return True

    async def _watch(self) -> None:
        """Close what has waited for too long, as long as the loop runs."""
        while True:
            await asyncio.sleep(min(1.0, self._seconds / 4))
            now = time.monotonic()
            for connection in [connection for of_one in self._open.values() for connection in of_one]:
                if connection.waits_since(now) < now - self._seconds:
                    connection.end()


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with its place among others, and bounds of what is kept of a request that is not whole."""

    def __init__(self, doors: Doors, **options: Any) -> None:
        super().__init__(**options)
        self._doors, self.address = doors, ""
        self._request: object = None
        self._since, self._unsent = time.monotonic(), 0
        self._begun = 0  # bytes that came since the last request, or the last piece of its body, was whole

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = neighbourhood(self.client[0] if self.client else "")
        if not self._doors.enter(self):
            transport.write(_BUSY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._begun += len(data)
        super().data_received(data)
        if self._begun > _HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Raises ValueError for one request too many, which the parser makes an invalid one."""
        if len(self.pipeline) >= _AHEAD:
            raise ValueError
        self._begun = self._begun or 1  # it may have come with the end of the one before
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.parser.should_upgrade():
            # to what is not spoken here; httptools would take a body for the next request, so nothing more is answered
            self.cycle.keep_alive = False

    def _unsupported_upgrade_warning(self) -> None:
        """Without uvicorn's line, which wants a library installed."""

    def on_body(self, body: bytes) -> None:
        self._begun = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._begun = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; where an answer is under way, which that would be taken for, close without it."""
        if self._is_under_way():
            self.transport.close()
        else:
            super().send_400_response(msg)

    def is_inside(self) -> bool:
        """Whether a request that has its place in the line is under way."""
        return self._is_under_way() and self.cycle.scope["state"].get(INSIDE, False)

    def waits_since(self, now: float) -> float:
        """Since when no request is under way, and no more of an answer was taken; now, if one is.

        To be asked again and again: what happened between two calls is told from how it stands.
        """
        unsent = self.transport.get_write_buffer_size()
        if self._is_under_way() or self.cycle is not self._request or unsent < self._unsent:
            self._since = now
        self._request, self._unsent = self.cycle, unsent
        return self._since

    def end(self) -> None:
        """Close it at once; a caller who has begun a request is told why."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait until the caller has read what was sent
            return
        if self._begun:
            self.transport.write(_LATE)
        self.transport.close()

    def _is_under_way(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and not self.transport.is_closing()


class Listening(socket.socket):
    """A socket that takes a rest where no file can be opened any more.

    asyncio goes on to accept after it has found that, and for each try plans another and writes a line of the log.
    """

    _rests_until = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError while it rests, as for nobody who waits; and what `socket.accept` raises."""
        if time.monotonic() < self._rests_until:
            raise BlockingIOError
        try:
            return super().accept()
        except OSError as problem:
            if problem.errno in _FULL:
                self._rests_until = time.monotonic() + _REST
            raise


def room_for(connections: int) -> int:
    """So many of them as may be open at a time, once the limit of open files has been raised as far as is allowed."""
    try:
        import resource
    except ImportError:  # Windows, where it is not the number of files that is limited
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = connections + _OTHERS
    if soft == resource.RLIM_INFINITY or soft >= files:
        return connections
    allowed = files if hard == resource.RLIM_INFINITY else min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return min(connections, max(allowed - _OTHERS, allowed // 2))
