"""One child process, as its parent sees it: it is started, takes calls through its pipe, and is ended."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from multiprocessing import spawn
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from threading import Event, Lock, Thread, Timer
from typing import Any

from avgzsl.support.child_loop import serve
from avgzsl.support.temporary import clear_held, hold

if sys.platform == "linux":  # elsewhere a server that forks is not safe, or not there
    from multiprocessing.context import ForkServerContext as Start
    from multiprocessing.context import ForkServerProcess as Started
else:
    from multiprocessing.context import SpawnContext as Start
    from multiprocessing.context import SpawnProcess as Started

# modules that the server which forks imports once, so that children begin in milliseconds
_PRELOADED = ["avgzsl.media.workers", "av", "soxr"]
_SOCKETS = "pymp-"
_START = 60.0  # seconds until a child has begun with a call
_DEATH = 5.0  # seconds that a killed process may take to be gone

_start_lock = Lock()  # multiprocessing's list of processes is not safe for threads


class Lost(Exception):
    """A child ended while it was at a call; `code` is its exit code, negative for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the process ended with code {code}")
        self.code = code


class CallTimedOut(Exception):
    """A call took longer than it was given; its child was killed."""


class Child:
    """A process and the parent's end of its pipe; one thread at a time uses it, but any thread may kill it.

    Raises OSError or EOFError where the system does not start a process.
    """

    def __init__(self, prepare: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
        self.calls, self._code = 0, 0
        context = _Context()
        context.set_forkserver_preload(_PRELOADED)
        with ExitStack() as child_ends, ExitStack() as parent_ends:
            self._pipe, child_pipe = context.Pipe()
            child_ends.callback(child_pipe.close)
            parent_ends.callback(self._pipe.close)
            child_line, self._line = context.Pipe(duplex=False)  # nobody writes: it closes when this process ends
            child_ends.callback(child_line.close)
            parent_ends.callback(self._line.close)
            self._process = context.Process(
                target=serve, args=(child_pipe, child_line, prepare, arguments), daemon=True
            )
            _start(self._process)
            parent_ends.pop_all()

    def begins(self, task: bytes) -> bool:
        """Send a task; False when the process has died before the task began. Raises what `prepare` raised."""
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
        """(True, the result of the task) or (False, the exception it raised). Raises Lost, CallTimedOut."""
        with self._limit(seconds) as timed_out:
            try:
                answer: tuple[bool, Any] = self._received(seconds)
            except (EOFError, OSError):
                if timed_out.is_set():
                    raise CallTimedOut from None
                raise Lost(self.end(_DEATH)) from None
        return answer

    def kill(self) -> None:
        """Kill the process; threads that wait for its answer get EOFError at once."""
        with _start_lock, suppress(ValueError, OSError):  # it has ended already
            self._process.kill()

    def end(self, patience: float = 0.0) -> int:
        """Wait `patience` seconds for the process to end, then kill it; gives its exit code."""
        with suppress(ValueError):  # it was closed before
            if not wait([self._process.sentinel], patience):
                self.kill()
                wait([self._process.sentinel], _DEATH)
            with _start_lock:
                self._process.join(0)
                self._code = self._process.exitcode or 0
                self._process.close()
        self._pipe.close()
        self._line.close()
        return self._code

    @contextmanager
    def _limit(self, seconds: float | None) -> Iterator[Event]:
        """Kills the process after `seconds`, which ends every wait for it; the event is set when it was killed."""
        timed_out = Event()
        if seconds is None:
            yield timed_out
            return

        def end() -> None:
            timed_out.set()
            self.kill()

        timer = Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield timed_out
        finally:
            timer.cancel()

    def _received(self, seconds: float | None) -> Any:
        # a process that waits for a disk does not die when it is killed: it is left behind
        if not self._pipe.poll(None if seconds is None else seconds + _DEATH):
            raise TimeoutError
        return self._pipe.recv()


def _start(process: BaseProcess) -> None:
    """Start a process. Raises OSError, EOFError; TimeoutError where the system does not start it in time."""
    problems: list[BaseException] = []

    def start() -> None:
        try:
            with _start_lock:
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
    """Hold the folder of multiprocessing's sockets, which a killed process leaves behind; remove those of dead ones."""
    clear_held(_SOCKETS)
    hold(Path(get_temp_dir()))


class _Process(Started):
    @staticmethod
    def _Popen(process: BaseProcess) -> Any:
        """Start `process` without the caller's main module: a script without a main guard would start itself again."""
        prepare = spawn.get_preparation_data

        def without_main(name: str) -> dict[str, Any]:
            return {key: value for key, value in prepare(name).items() if not key.startswith("init_main")}

        spawn.get_preparation_data = without_main
        try:
            return Started._Popen(process)
        finally:
            spawn.get_preparation_data = prepare


class _Context(Start):
    Process = _Process
