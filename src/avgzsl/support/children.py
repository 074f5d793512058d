"""Child processes that do calls: each call ends, and no child lives longer than the process that started it.

Every child has a pipe of its own, so that what happens to one does not touch the others, and a thread here waits for
it. A child whose time is up is killed. When a child dies, its pipe says so at once; if it died before the call began,
another child does the call.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from threading import Lock
from types import TracebackType
from typing import Any

from avgzsl.errors import ProcessError
from avgzsl.support.child import CallTimedOut, Child, Lost

__all__ = ["CallTimedOut", "Children", "Lost"]

_ATTEMPTS = 5  # at a call that did not begin


class Children:
    """At most `most` processes, started as they are needed; to be used in a `with`; any thread may call.

    Each runs `prepare(*arguments)` first, and is replaced after `calls` calls.
    """

    def __init__(
        self,
        most: int,
        prepare: Callable[..., object] | None = None,
        arguments: tuple[Any, ...] = (),
        *,
        calls: int | None = None,
    ) -> None:
        self._prepare, self._calls = (prepare, arguments), calls
        self._threads = ThreadPoolExecutor(most, "children")  # as many threads, so never more children
        self._lock, self._stopped = Lock(), False
        self._alive: set[Child] = set()
        self._free: list[Child] = []

    def __enter__(self) -> "Children":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def submit(self, function: Callable[..., Any], *arguments: Any, seconds: float | None = None) -> Future[Any]:
        """`function(*arguments)` in a child, within `seconds` from when it begins; functions of modules alone can go.

        The future raises Lost, CallTimedOut, ProcessError where no child can be started or `stop` came first, else what
        the function raises. Raises ProcessError after `stop`.
        """
        task = bytes(ForkingPickler.dumps((function, arguments)))
        try:
            return self._threads.submit(self._call, task, seconds)
        except RuntimeError:
            raise _stopped() from None

    def stop(self) -> None:
        """End all children at once; calls that are not done end in ProcessError."""
        with self._lock:
            self._stopped = True
            for child in self._alive:
                child.kill()
        self._threads.shutdown()
        while self._free:
            self._free.pop().end()

    def _call(self, task: bytes, seconds: float | None) -> Any:
        problem: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                child = self._take()
            except (OSError, EOFError) as refused:
                problem = refused
                continue
            is_sound = False
            try:
                if child.begins(task):
                    succeeded, answer = child.answer(seconds)
                    is_sound = True
                    if succeeded:
                        return answer
                    raise answer
                problem = Lost(child.end())
            except (Lost, CallTimedOut):
                if self._stopped:
                    raise _stopped() from None
                raise
            finally:
                self._give_back(child, is_sound)
        raise ProcessError(
            f"no process could be started, {_ATTEMPTS} times (last: {_text_of(problem)}); is there memory left, room "
            f"in {tempfile.gettempdir()}, and may this user start more processes (ulimit -u)?"
        ) from problem

    def _take(self) -> Child:
        with self._lock:
            if self._stopped:
                raise _stopped()
            if self._free:
                return self._free.pop()
        child = Child(*self._prepare)
        with self._lock:
            self._alive.add(child)
            if self._stopped:
                child.kill()
        return child

    def _give_back(self, child: Child, is_sound: bool) -> None:
        child.calls += 1
        with self._lock:
            if is_sound and child.calls != self._calls and not self._stopped:
                self._free.append(child)
                return
            self._alive.discard(child)
        child.end()


def _stopped() -> ProcessError:
    return ProcessError("the processes were stopped before this was done")


def _text_of(problem: Exception | None) -> str:
    return f"{type(problem).__name__}: {problem}" if isinstance(problem, OSError) else str(problem or "it ended")
