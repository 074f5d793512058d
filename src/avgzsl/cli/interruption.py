"""How a command ends that is told to: within seconds, with one line, and the exit code of the signal."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread, current_thread, main_thread
from time import sleep
from types import FrameType
from typing import Any, NoReturn

SECONDS = 4.0
_SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_KEPT = "what is finished is kept, and the same command goes on (train: with --resume)"


class Interruption(BaseException):
    """Ctrl+C or SIGTERM; not a KeyboardInterrupt, which typer ends without a word."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Ends the process with one line and 128 + the signal when SIGINT or SIGTERM comes.

    A signal that is ignored stays so, as Ctrl+C is for what a script starts with `&`. Files are whole or absent at any
    moment, so nothing is lost where a library that does not listen is cut off after SECONDS: whatever the main thread
    is at, a thread of its own hears of the signal.
    """
    if current_thread() is not main_thread():  # only that one may handle signals
        yield
        return
    once = Lock()  # whoever says that it ends has it
    heard, tell = socket.socketpair()
    tell.setblocking(False)
    Thread(target=_end_late, args=(heard, once), daemon=True, name="interruption").start()
    before = signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    asked = [number for number in _SAID if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    handlers = {number: signal.signal(number, _interrupt) for number in asked}
    hook, sys.unraisablehook = sys.unraisablehook, _quiet(sys.unraisablehook)
    ending = False  # then `_end_late` goes on watching that the process ends
    try:
        yield
    except Interruption as interruption:
        ending = True
        for number in asked:
            signal.signal(number, _already)
        _say(interruption.number, once)
        sys.exit(128 + interruption.number)
    finally:
        if not ending:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            sys.unraisablehook = hook
            tell.close()


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    raise Interruption(number)


def _quiet(hook: Callable[[Any], object]) -> Callable[[Any], object]:
    """Where the interruption meets a callback that Python lets nothing out of, `_end_late` ends the process alone."""
    return lambda caught: None if isinstance(caught.exc_value, Interruption) else hook(caught)


def _already(number: int, _: FrameType | None) -> None:
    """It is ending already."""


def _end_late(heard: socket.socket, once: Lock) -> None:
    with heard:
        while told := heard.recv(1):
            if told[0] in _SAID:
                sleep(SECONDS)
                _say(told[0], once)
                os._exit(128 + told[0])


def _say(number: int, once: Lock) -> None:
    if once.acquire(blocking=False):
        print(f"{_SAID[signal.Signals(number)]}; {_KEPT}", file=sys.stderr, flush=True)
