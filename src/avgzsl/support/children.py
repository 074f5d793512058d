"""Child processes that do calls: each call ends, and no child lives longer than the process that started it.

Every child has a pipe of its own, so that what happens to one is nothing to the others, and a thread here waits for it.
Its time is up: it is killed. It is dead: the pipe says so at once. It died before it began: another one does the call.
"""

import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from multiprocessing import spawn
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from multiprocessing.util import get_temp_dir
from pathlib import Path
from threading import Lock, Thread, Timer
from traceback import format_exc
from types import TracebackType
from typing import Any

from avgzsl.errors import ProcessError
from avgzsl.support.temporary import clear_held, hold

if sys.platform == "linux":  # elsewhere a server that forks is not safe, or not there
    from multiprocessing.context import ForkServerContext as Start
    from multiprocessing.context import ForkServerProcess as Started
else:
    from multiprocessing.context import SpawnContext as Start
    from multiprocessing.context import SpawnProcess as Started

# by the server that forks, once: children begin in milliseconds
_PRELOADED = ["avgzsl.media.workers", "av", "soxr"]
_SOCKETS = "pymp-"
_ATTEMPTS = 5  # at a call that did not begin
_START = 60.0  # seconds until a child has begun with a call
_DEATH = 5.0  # seconds that a killed process may take to be gone

_lines: list[Connection] = []  # of this process; closed here, they would tell nothing
_one_at_a_time = Lock()  # multiprocessing's own book of processes is not made for threads


class Lost(Exception):
    """A child ended while it was at a call; `code` is its exit code, negative for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the process ended with code {code}")
        self.code = code


class TooLong(Exception):
    """A call took longer than it was given; its child was killed."""


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
        self._alive: set[_Child] = set()
        self._free: list[_Child] = []

    def __enter__(self) -> "Children":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def submit(self, function: Callable[..., Any], *arguments: Any, seconds: float | None = None) -> Future[Any]:
        """`function(*arguments)` in a child, within `seconds` from when it begins; functions of modules alone can go.

        The future raises Lost, TooLong, ProcessError where no child can be started or `stop` came first, else what the
        function raises. Raises ProcessError after `stop`.
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
                child = self._taken()
            except (OSError, EOFError) as refused:
                problem = refused
                continue
            whole = False
            try:
                if child.begins(task):
                    done, answer = child.answer(seconds)
                    whole = True
                    if done:
                        return answer
                    raise answer
                problem = Lost(child.end())
            except (Lost, TooLong):
                if self._stopped:
                    raise _stopped() from None
                raise
            finally:
                self._give_back(child, whole)
        raise ProcessError(
            f"no process could be started, {_ATTEMPTS} times (last: {_said(problem)}); is there memory left, room in "
            f"{tempfile.gettempdir()}, and may this user start more processes (ulimit -u)?"
        ) from problem

    def _taken(self) -> "_Child":
        with self._lock:
            if self._stopped:
                raise _stopped()
            if self._free:
                return self._free.pop()
        child = _Child(*self._prepare)
        with self._lock:
            self._alive.add(child)
            if self._stopped:
                child.kill()
        return child

    def _give_back(self, child: "_Child", whole: bool) -> None:
        child.calls += 1
        with self._lock:
            if whole and child.calls != self._calls and not self._stopped:
                self._free.append(child)
                return
            self._alive.discard(child)
        child.end()


def _stopped() -> ProcessError:
    return ProcessError("the processes were stopped before this was done")


def _said(problem: Exception | None) -> str:
    return f"{type(problem).__name__}: {problem}" if isinstance(problem, OSError) else str(problem or "it ended")


class _Child:
    """A process and our end of its pipe; one thread at a time has it, but any may kill it."""

    def __init__(self, prepare: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
        self.calls, self._code = 0, 0
        context = _Context()
        context.set_forkserver_preload(_PRELOADED)
        with ExitStack() as theirs, ExitStack() as ours:
            self._pipe, pipe = context.Pipe()
            theirs.callback(pipe.close)
            ours.callback(self._pipe.close)
            line, self._line = context.Pipe(duplex=False)  # nobody writes: it closes when this process ends
            theirs.callback(line.close)
            ours.callback(self._line.close)
            self._process = context.Process(target=_serve, args=(pipe, line, prepare, arguments), daemon=True)
            _start(self._process)
            ours.pop_all()

    def begins(self, task: bytes) -> bool:
        """Whether it takes the task; else it is no more. Raises what its preparation raised."""
        try:
            with self._limit(_START):
                self._pipe.send_bytes(task)
                problem = self._received(_START)
        except (EOFError, OSError):
            return False
        if problem is not None:
            raise problem
        return True

    def answer(self, seconds: float | None) -> tuple[bool, Any]:
        """Whether it did the task, and what it gave or raised. Raises Lost, TooLong."""
        with self._limit(seconds) as over:
            try:
                answer: tuple[bool, Any] = self._received(seconds)
            except (EOFError, OSError):
                if over:
                    raise TooLong from None
                raise Lost(self.end(_DEATH)) from None
        return answer

    def kill(self) -> None:
        """End the process; whoever waits for it hears at once."""
        with _one_at_a_time, suppress(ValueError, OSError):  # it is gone
            self._process.kill()

    def end(self, patience: float = 0.0) -> int:
        """Make sure that it is gone, at the latest after `patience` seconds; its exit code."""
        with suppress(ValueError):  # it was closed before
            if not wait([self._process.sentinel], patience):
                self.kill()
                wait([self._process.sentinel], _DEATH)
            with _one_at_a_time:
                self._process.join(0)
                self._code = self._process.exitcode or 0
                self._process.close()
        self._pipe.close()
        self._line.close()
        return self._code

    @contextmanager
    def _limit(self, seconds: float | None) -> Iterator[list[bool]]:
        """Kills the process after `seconds`, which ends every wait for it; gives a list that then has an entry."""
        over: list[bool] = []
        if seconds is None:
            yield over
            return

        def end() -> None:
            over.append(True)
            self.kill()

        timer = Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield over
        finally:
            timer.cancel()

    def _received(self, seconds: float | None) -> Any:
        # a process that waits for a disk does not die when it is killed: it is left behind
        if not self._pipe.poll(None if seconds is None else seconds + _DEATH):
            raise TimeoutError
        return self._pipe.recv()


def _start(process: BaseProcess) -> None:
    """Raises OSError, EOFError; TimeoutError where the system does not start it in time."""
    problems: list[BaseException] = []

    def start() -> None:
        try:
            with _one_at_a_time:
                _hold_folder()
                process.start()
        except BaseException as problem:
            problems.append(problem)

    thread = Thread(target=start, daemon=True)
    thread.start()
    thread.join(_START)
    if thread.is_alive():
        raise TimeoutError(f"it did not start within {_START:g} s")
    if problems:
        raise problems[0]


@cache
def _hold_folder() -> None:
    """multiprocessing's folder of sockets, which a kill leaves behind: this one is held, those of the dead go."""
    clear_held(_SOCKETS)
    hold(Path(get_temp_dir()))


class _Process(Started):
    @staticmethod
    def _Popen(process: BaseProcess) -> Any:
        """Start `process` without the caller's main module: a script without a main guard would start itself again."""
        prepared = spawn.get_preparation_data

        def without_main(name: str) -> dict[str, Any]:
            return {key: value for key, value in prepared(name).items() if not key.startswith("init_main")}

        spawn.get_preparation_data = without_main
        try:
            return Started._Popen(process)
        finally:
            spawn.get_preparation_data = prepared


class _Context(Start):
    Process = _Process


def _serve(
    pipe: Connection, line: Connection, prepare: Callable[..., object] | None, arguments: tuple[Any, ...]
) -> None:
    """In a child: do what comes through the pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all processes; the parent decides
    end_with(line)
    unfit = None
    try:
        if prepare is not None:
            prepare(*arguments)
    except Exception as problem:
        unfit = _sendable(problem)
    with suppress(EOFError, OSError):  # nobody is there any more
        while True:
            task = pipe.recv_bytes()
            pipe.send(unfit)
            pipe.send_bytes(_answer(task))


def _answer(task: bytes) -> bytes:
    try:
        function, arguments = pickle.loads(task)  # noqa: S301  the parent made it
        return bytes(ForkingPickler.dumps((True, function(*arguments))))
    except Exception as problem:
        return bytes(ForkingPickler.dumps((False, _sendable(problem))))


def _sendable(problem: Exception) -> Exception:
    """The exception with the trace of where it was raised; in words where it cannot travel."""
    trace = format_exc()
    try:
        pickle.loads(pickle.dumps(problem))  # noqa: S301  our own
    except Exception:
        return RuntimeError(trace)
    problem.add_note(f"in a child process:\n{trace}")
    return problem


def end_with(line: Connection) -> None:
    """End this process when the other end of `line`, through which nothing is sent, is closed: its holder has ended.

    On Linux the kernel does it, whatever this process is at; elsewhere a thread, which has to wait for a turn.
    """
    _lines.append(line)
    if sys.platform == "linux":
        import fcntl

        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(line.fileno(), fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(line.fileno(), fcntl.F_SETFL, fcntl.fcntl(line.fileno(), fcntl.F_GETFL) | os.O_ASYNC)
        if line.poll(0):  # it was closed before
            os._exit(1)
    else:
        Thread(target=_end_with, args=(line,), daemon=True).start()


def _end_with(line: Connection) -> None:
    line.poll(None)
    os._exit(1)
