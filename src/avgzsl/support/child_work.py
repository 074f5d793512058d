"""What runs in a child process: the calls that come through its pipe, until its parent ends."""

import os
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from threading import Thread
from traceback import format_exc
from typing import Any

_lines: list[Connection] = []  # of this process; closed here, they would tell nothing


def serve(
    pipe: Connection, line: Connection, prepare: Callable[..., object] | None, arguments: tuple[Any, ...]
) -> None:
    """Do what comes through the pipe, until it is closed; `line` is closed when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all processes; the parent decides
    end_with(line)
    unprepared = None
    try:
        if prepare is not None:
            prepare(*arguments)
    except Exception as problem:
        unprepared = _sendable(problem)
    with suppress(EOFError, OSError):  # nobody is there any more
        while True:
            task = pipe.recv_bytes()
            pipe.send(unprepared)
            pipe.send_bytes(_answer(task))


def _answer(task: bytes) -> bytes:
    """Whether the call was done, and what it gave or raised, pickled."""
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
