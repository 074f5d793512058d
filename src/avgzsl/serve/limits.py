"""How much may be asked: requests at a time, bytes of a body, and the time until an answer."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from threading import Lock
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avgzsl.serve.problems import Refused, busy, problem

T = TypeVar("T")
SMALL = 4096  # bytes of a body that is no clip


def limited(app: ASGIApp, requests: int, answer_seconds: float, stream_seconds: float) -> ASGIApp:
    """Answer 429 to requests beyond `requests` at a time, 503 to one that takes too long to answer.

    An answer that has begun is cut off after `stream_seconds`.
    """
    under_way = 0

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal under_way
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if under_way >= requests:
            refused = problem(HTTPStatus.TOO_MANY_REQUESTS, "the server is busy; ask again", {"retry-after": "1"})
            await refused(scope, receive, send)
            return
        under_way += 1
        try:
            await _in_time(app, scope, receive, send, answer_seconds, stream_seconds)
        finally:
            under_way -= 1

    return call


async def _in_time(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, answer_seconds: float, stream_seconds: float
) -> None:
    begun = False

    async def watched(message: Message) -> None:
        nonlocal begun
        if message["type"] == "http.response.start":
            begun = True
            limit.reschedule(asyncio.get_running_loop().time() + stream_seconds)
        await send(message)

    try:
        async with asyncio.timeout(answer_seconds) as limit:
            await app(scope, receive, watched)
    except TimeoutError:
        if not limit.expired():  # another's, as of a file on a network
            raise
        if not begun:
            late = f"the answer took more than {answer_seconds:g} s; ask again, or for less"
            await problem(HTTPStatus.SERVICE_UNAVAILABLE, late, {"retry-after": "2"})(scope, receive, send)


def sized(app: ASGIApp, uploads: tuple[str, ...], upload_bytes: int) -> ASGIApp:
    """Answer 413 to a body of more than `upload_bytes` (SMALL but for the paths `uploads`), as soon as that shows."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        most = upload_bytes if scope["path"] in uploads else SMALL
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))
            return message

        await app(scope, counted, send)

    return call


def _too_large(most: int) -> str:
    return f"the body is larger than the {most:,} bytes allowed here; send less"


class Place:
    """A place in a line: the right to one call."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.begun: Future[Any] | None = None

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """What the call gives. Raises what the call raises."""
        self.begun = future = self._pool.submit(call, *arguments)
        return await asyncio.wrap_future(future)


class Line:
    """Calls in threads, `at_once` of them at a time; `waiting` more may wait, the next is refused."""

    def __init__(self, name: str, at_once: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, name)
        self._lock, self._most, self._taken = Lock(), at_once + waiting, 0

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """What the call gives. Raises 429, and what the call raises."""
        with self.place() as place:
            return await place.run(call, *arguments)

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place that is taken before there is anything to call. Raises 429 where none is free.

        It is given back when it is left; where its call has begun, when that ends, though nobody waits for it any more.
        """
        with self._lock:
            if self._taken >= self._most:
                raise busy("too many requests of this kind are waiting; ask again")
            self._taken += 1
        place = Place(self._pool)
        try:
            yield place
        finally:
            if place.begun is None:
                self._left()
            else:
                place.begun.add_done_callback(self._left)

    def close(self) -> None:
        """Let what has begun end."""
        self._pool.shutdown(cancel_futures=True)

    def _left(self, _: Future[Any] | None = None) -> None:
        with self._lock:
            self._taken -= 1


class Shared:
    """Callers who want the same at the same time wait for one making of it."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `make` gives; it goes on where a caller gives up."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(make())
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        result: T = await asyncio.shield(task)
        return result
