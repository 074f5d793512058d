"""One child process, seen from the process that started it: its start, its pipe, its time, and its end."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from multiprocessing import spawn
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from threading import Lock, Thread, Timer
from typing import Any

from avgzsl.support.child_work import serve
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
_START = 60.0  # seconds until a child has begun with a call
_DEATH = 5.0  # seconds that a killed process may take to be gone

_one_at_a_time = Lock()  # multiprocessing's own book of processes is not made for threads


class Lost(Exception):
    """A child ended while it was at a call; `code` is its exit code, negative for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the process ended with code {code}")
        self.code = code


class TooLong(Exception):
    """A call took longer than it was given; its child was killed."""


class Child:
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
            self._process = context.Process(target=serve, args=(pipe, line, prepare, arguments), daemon=True)
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
