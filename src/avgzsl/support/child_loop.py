"""What runs in a child process: calls that come through its pipe; it ends when its parent has ended."""

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

_lines: list[Connection] = []  # kept open: the child is ended by their other end


def serve(
    pipe: Connection, line: Connection, prepare: Callable[..., object] | None, arguments: tuple[Any, ...]
) -> None:
    """Do the calls that come through the pipe until it is closed; `line` closes when the parent ends."""
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
    """(True, the result) or (False, the exception) of a pickled call, pickled."""
    try:
        function, arguments = pickle.loads(task)  # noqa: S301  the parent made it
        return bytes(ForkingPickler.dumps((True, function(*arguments))))
    except Exception as problem:
        return bytes(ForkingPickler.dumps((False, _sendable(problem))))


def _sendable(problem: Exception) -> Exception:
    """The exception with a note of where it was raised; a RuntimeError of its text where it cannot be pickled."""
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
