"""How much may be asked: requests at a time, bytes of a body, the time that it comes in, and that until an answer."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from threading import Lock
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avgzsl.server.problems import Refused, busy, problem
from avgzsl.server.shares import Shares, caller

T = TypeVar("T")
SMALL = 4096  # bytes of a body that is no clip
INSIDE = "avgzsl_inside"  # in the state of a request: whether it may ask, and has its place


class Lane:
    """Requests under way at a time, in all and of one address, and the time that each may take.

    `inside` is for those who may ask: their connections make no room for new ones (see `connections`).
    """

    def __init__(self, shares: Shares, answer_seconds: float, stream_seconds: float, inside: bool) -> None:
        self._shares, self._inside = shares, inside
        self._answer_seconds, self._stream_seconds = answer_seconds, stream_seconds

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer; 429 where no place is left, 503 where the answer does not begin in time.

        An answer that has begun is cut off when its time is over.
        """
        address = caller(scope)
        if not self._shares.take(address):
            app = problem(HTTPStatus.TOO_MANY_REQUESTS, "the server is busy; ask again", {"retry-after": "1"})
            await self.in_time(app, scope, receive, send)
            return
        scope.setdefault("state", {})[INSIDE] = self._inside
        try:
            await self.in_time(app, scope, receive, send)
        finally:
            self._shares.give(address)

    async def in_time(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer, within the lane's time but without a place in it."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                limit.reschedule(asyncio.get_running_loop().time() + self._stream_seconds)
            await send(message)

        try:
            async with asyncio.timeout(self._answer_seconds) as limit:
                await app(scope, receive, watched)
        except TimeoutError:
            if not limit.expired():  # another's, as of a file on a network
                raise
            if not begun:
                detail = f"the answer took more than {self._answer_seconds:g} s; ask again, or for less"
                await problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"retry-after": "2"})(scope, receive, send)


def sized(app: ASGIApp, larger: Mapping[str, int], seconds: float, slowest: int) -> ASGIApp:
    """Answer 413 to a body of more than SMALL bytes, or those that its path has in `larger`, as soon as that shows.

    And 408 to one of which fewer than `slowest` bytes a second have come, on average, once `seconds` have passed.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        most = larger.get(scope["path"], SMALL)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))(scope, receive, send)
            return
        read, more, begun = 0, True, asyncio.get_running_loop().time()

        async def counted() -> Message:
            nonlocal read, more
            if not more:
                return await receive()  # waits for the end of the connection
            try:
                async with asyncio.timeout_at(begun + seconds + read / slowest):
                    message = await receive()
            except TimeoutError:
                raise late() from None
            read, more = read + len(message.get("body", b"")), message.get("more_body", False)
            if read > most:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))
            return message

        await app(scope, counted, send)

    return call


async def small_body(receive: Receive, seconds: float) -> Receive:
    """Read a body to its end, or to where it is too large, and give it as if it had not been read.

    Raises 408 where that takes more than `seconds`.
    """
    messages: deque[Message] = deque()
    read, more = 0, True
    try:
        async with asyncio.timeout(seconds):
            while more and read <= SMALL:
                messages.append(await receive())
                read += len(messages[-1].get("body", b""))
                more = messages[-1].get("more_body", False)
    except TimeoutError:
        raise late() from None

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return again


def late() -> Refused:
    """408, for a request that came too slowly."""
    detail = "the request came too slowly; send it again"
    return Refused(HTTPStatus.REQUEST_TIMEOUT, detail, {"connection": "close"})


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


class WaitingLine:
    """Calls in threads, `at_once` of them at a time; `waiting` more may wait, the next is refused.

    An address has no more than `part` of these places.
    """

    def __init__(self, name: str, at_once: int, waiting: int, part: float = 1.0) -> None:
        self._pool, self.at_once = ThreadPoolExecutor(at_once, name), at_once
        self._lock, self._shares = Lock(), Shares(at_once + waiting, part)

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """What the call gives. Raises 429, and what the call raises."""
        with self.place() as place:
            return await place.run(call, *arguments)

    @contextmanager
    def place(self, address: str = "") -> Iterator[Place]:
        """A place that is taken before there is anything to call. Raises 429 where none is free.

        It is given back when it is left; where its call has begun, when that ends, though nobody waits for it any more.
        """
        with self._lock:
            if not self._shares.take(address):
                raise busy("too many requests of this kind are waiting; ask again")
        place = Place(self._pool)

        def left(_: Future[Any] | None = None) -> None:
            with self._lock:
                self._shares.give(address)

        try:
            yield place
        finally:
            if place.begun is None:
                left()
            else:
                place.begun.add_done_callback(left)

    def submit(self, call: Callable[[], None]) -> "Future[None]":
        """Have a thread of the line make a call that has no place of its own. Raises RuntimeError once it has ended."""
        return self._pool.submit(call)

    def stop(self) -> None:
        """Let nothing begin any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Let what has begun end."""
        self._pool.shutdown(cancel_futures=True)


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
