"""Decoding in processes of their own, within limits of time and memory: a file that breaks the decoder costs itself."""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from avgzsl.errors import AvgzslError, ConfigError, MediaError, ProcessError
from avgzsl.media.decode import WHOLE
from avgzsl.media.needs import Decoded, FrameNeeds, SoundNeeds, Span
from avgzsl.media.prepared import Prepare, decode_prepared
from avgzsl.support.children import CallTimedOut, Children, Lost
from avgzsl.types import Modality

_CLIPS = 250  # after which a process is replaced: what libraries leave behind in memory does not add up

_ATTEMPTS = 3  # at a file whose process something else killed
_Task = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Limits:
    """What decoding one file may take: seconds of wall time, and megabytes beyond what the process starts with."""

    seconds: float = 60.0
    megabytes: int = 2048


STANDARD = Limits()


@dataclass(frozen=True)
class Request:
    """A file, its span, what is needed of it, and what networks are fed of that (`avgzsl.media.prepared`)."""

    path: Path
    span: Span = WHOLE
    frames: FrameNeeds | None = None
    sound: SoundNeeds | None = None
    prepare: Mapping[Modality, Prepare] = field(default_factory=dict)


class Decoders:
    """A pool of processes, to be used in a `with`; any thread may call it.

    A process that crashes, hangs or takes too much memory ends in a MediaError for its file, and is replaced.
    """

    def __init__(self, workers: int, limits: Limits = STANDARD) -> None:
        if workers < 1 or not limits.seconds > 0 or limits.megabytes < 1:
            raise ConfigError(f"workers and limits are positive numbers; got {workers} workers and {limits}")
        self.workers, self.limits = workers, limits
        self._children = Children(workers, _confine, (limits.megabytes,), calls=_CLIPS)

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the processes at once; what other threads wait for ends in ProcessError."""
        self._children.stop()

    def map(self, requests: Iterable[Request], ahead: int | None = None) -> Iterator[Decoded | AvgzslError]:
        """For each request, in order, the decoded clip, or the error that decoding it ended in.

        No more than `ahead` requests (default: twice the workers) are under way or wait, decoded, for the caller.
        Raises ProcessError where no process can be started.
        """
        waiting: deque[tuple[_Task, Future[Any]]] = deque()
        try:
            for request in requests:
                task = _task(request)
                waiting.append((task, self._schedule(task)))
                if len(waiting) >= (ahead or 2 * self.workers):
                    yield self._clip(*waiting.popleft())
            while waiting:
                yield self._clip(*waiting.popleft())
        finally:
            for _, future in waiting:  # the caller wants no more
                future.cancel()

    def call(self, function: Callable[..., Any], path: Path, *arguments: Any) -> Any:
        """`function(path, *arguments)` in one of the processes; functions of modules alone can be sent there.

        Raises MediaError, which names `path`, when it breaks a limit or crashes; ProcessError where no process can be
        started; else what `function` raises.
        """
        task = (function, (path, *arguments))
        return self._result(task, self._schedule(task))

    def _clip(self, task: _Task, future: Future[Any]) -> Decoded | AvgzslError:
        try:
            result: Decoded = self._result(task, future)
        except ProcessError:
            raise
        except AvgzslError as problem:
            return problem
        return result

    def _schedule(self, task: _Task) -> Future[Any]:
        return self._children.submit(_work, *task, self.limits.seconds, seconds=self.limits.seconds)

    def _result(self, task: _Task, future: Future[Any]) -> Any:
        path = task[1][0]
        for _ in range(_ATTEMPTS):
            try:
                return future.result()  # which ends: so does each call of Children
            except CallTimedOut:
                raise self._too_long(path) from None
            except Lost as lost:
                if lost.code == -signal.SIGXCPU:
                    raise self._too_long(path) from None
                if lost.code != -signal.SIGKILL:
                    ended = _ended(lost.code)
                    raise MediaError(f"{path}: the decoder crashed on it ({ended}); it may be damaged") from None
                future = self._schedule(task)  # something else killed it, perhaps for another's memory
            except MemoryError:
                allowed = f"more than the {self.limits.megabytes} MB of memory allowed"
                raise MediaError(f"{path}: decoding it takes {allowed}") from None
        raise MediaError(
            f"{path}: the decoder crashed on it: something else killed it (SIGKILL), {_ATTEMPTS} times; is there "
            "memory left?"
        )

    def _too_long(self, path: Path) -> MediaError:
        allowed = f"more than the {self.limits.seconds:g} s allowed"
        return MediaError(f"{path}: decoding it took {allowed}; cut it into shorter clips")


def _task(request: Request) -> _Task:
    return decode_prepared, (request.path, request.span, request.frames, request.sound, request.prepare)


def _ended(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _confine(megabytes: int) -> None:
    """In a new process: load the decoder, then bound the memory. Raises ProcessError where that cannot be done."""
    import av  # noqa: F401
    import soxr  # noqa: F401

    if sys.platform == "linux":
        import resource

        try:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            _, most = resource.getrlimit(resource.RLIMIT_AS)
            limit = used + (megabytes << 20)
            resource.setrlimit(resource.RLIMIT_AS, (_below(most, limit), most))
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        except (OSError, ValueError) as problem:
            raise ProcessError(
                f"the decoder's memory cannot be limited to {megabytes} MB ({problem}), so no file is opened; allow "
                "this user to set it (ulimit -v), and mount /proc"
            ) from problem


def _below(most: int, limit: int) -> int:
    """A limit that the system accepts: what the user has set is kept where it is stricter."""
    return limit if most < 0 else min(limit, most)  # RLIM_INFINITY is negative


def _work(function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float) -> Any:
    """In a process: `function` within a limit of processor time, which holds also when the parent was killed."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        limit = int(used.ru_utime + used.ru_stime + 2 * seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (_below(most, limit), most))
    return function(*arguments)
