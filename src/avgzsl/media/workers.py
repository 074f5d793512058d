"""Decoding in processes of their own, within limits of time and memory: a file that breaks the decoder costs itself."""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as TooLong
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from avgzsl.errors import AvgzslError, ConfigError, MediaError
from avgzsl.media.decode import WHOLE, decode
from avgzsl.media.needs import Decoded, FrameNeeds, SoundNeeds, Span
from avgzsl.media.processes import context

_CLIPS = 250  # after which a process is replaced: what libraries leave behind in memory does not add up

_ATTEMPTS = 5  # for a task that never began
_Task = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Limits:
    """Of one file: seconds of wall time, and megabytes that its decoder may take beyond what it starts with."""

    seconds: float = 60.0
    megabytes: int = 2048


STANDARD = Limits()


@dataclass(frozen=True)
class Request:
    """What `decode` is asked."""

    path: Path
    span: Span = WHOLE
    frames: FrameNeeds | None = None
    sound: SoundNeeds | None = None


class Decoders:
    """A pool of processes, to be used in a `with`; any thread may call it.

    A process that crashes, hangs or takes too much memory ends in a MediaError for its file, and is replaced.
    """

    def __init__(self, workers: int, limits: Limits = STANDARD) -> None:
        if workers < 1 or not limits.seconds > 0 or limits.megabytes < 1:
            raise ConfigError(f"workers and limits are positive numbers; got {workers} workers and {limits}")
        self.workers, self.limits = workers, limits
        self._lock, self._pool = Lock(), self._started()

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()
        self._pool.join()

    def map(self, requests: Iterable[Request], ahead: int | None = None) -> Iterator[Decoded | AvgzslError]:
        """What each request gives, in their order: a clip, or the error that it ended in.

        No more than `ahead` requests (default: twice the workers) are under way or wait, decoded, for the caller.
        """
        waiting: deque[tuple[_Task, Any]] = deque()
        for request in requests:
            task = _task(request)
            waiting.append((task, self._schedule(task)))
            if len(waiting) >= (ahead or 2 * self.workers):
                yield self._clip(*waiting.popleft())
        while waiting:
            yield self._clip(*waiting.popleft())

    def call(self, function: Callable[..., Any], path: Path, *arguments: Any) -> Any:
        """`function(path, *arguments)` in one of the processes; functions of modules alone can be sent there.

        Raises MediaError, which names `path`, when it breaks a limit or crashes; else what `function` raises.
        """
        task = (function, (path, *arguments))
        return self._result(task, self._schedule(task))

    def _clip(self, task: _Task, future: Any) -> Decoded | AvgzslError:
        try:
            result: Decoded = self._result(task, future)
        except AvgzslError as problem:
            return problem
        return result

    def _started(self) -> Any:
        from pebble import ProcessPool

        return ProcessPool(
            max_workers=self.workers,
            max_tasks=_CLIPS,
            context=context(),
            initializer=_confine,
            initargs=(self.limits.megabytes,),
        )

    def _schedule(self, task: _Task) -> Any:
        arguments = (*task, self.limits.seconds)
        with self._lock:
            try:
                return self._pool.schedule(_work, args=arguments, timeout=self.limits.seconds)
            except RuntimeError:  # the pool is broken
                self._pool.stop()
                self._pool = self._started()
                return self._pool.schedule(_work, args=arguments, timeout=self.limits.seconds)

    def _result(self, task: _Task, future: Any) -> Any:
        from pebble import ProcessExpired

        path = task[1][0]
        for _ in range(_ATTEMPTS):
            try:
                return future.result()
            except BrokenProcessPool:  # a process died that had no task, and with it the pool and what waited
                future = self._schedule(task)
            except TooLong:
                allowed = f"more than the {self.limits.seconds:g} s allowed"
                raise MediaError(f"{path}: decoding it took {allowed}; cut it into shorter clips") from None
            except ProcessExpired as problem:
                ended = _ended(problem.exitcode)
                raise MediaError(f"{path}: the decoder crashed on it ({ended}); it is damaged") from None
            except MemoryError:
                allowed = f"more than the {self.limits.megabytes} MB of memory allowed"
                raise MediaError(f"{path}: decoding it takes {allowed}") from None
        raise MediaError(f"{path}: the processes that decode keep dying before they begin; is there memory left?")


def _task(request: Request) -> _Task:
    return decode, (request.path, request.span, request.frames, request.sound)


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _confine(megabytes: int) -> None:
    """In a new process: load the decoder, then bound the memory."""
    import av  # noqa: F401
    import soxr  # noqa: F401

    if sys.platform == "linux":
        import resource

        taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (taken + (megabytes << 20), most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _work(function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float) -> Any:
    """In a process: `function` within a limit of processor time, which holds also when the parent was killed."""
    if sys.platform != "win32":
        import resource

        spent = resource.getrusage(resource.RUSAGE_SELF)
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime + 2 * seconds) + 2, most))
    return function(*arguments)
