"""What tests send to other processes: calls that crash, hang or take too much. It imports little: each child does."""

import os
import re
import signal
import time
from pathlib import Path


def pid(*_):
    return os.getpid()


def double(number):
    return 2 * number


def crash(*_):
    os.kill(os.getpid(), signal.SIGSEGV)


def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def stop(*_):
    """As a process that is suspended, or swapped out for good."""
    os.kill(os.getpid(), signal.SIGSTOP)


def leave(*_):
    os._exit(3)


def sleep(*_):
    while True:
        time.sleep(1)


def burn(*_):
    while True:
        pass


def hold(*_):
    """Never lets another thread run."""
    re.match("(a+)+b", "a" * 80)


def half_an_answer(*_):
    """The beginning of one, in the place of one, and no more."""
    import gc
    from multiprocessing.connection import Connection

    for pipe in [one for one in gc.get_objects() if isinstance(one, Connection)]:
        if pipe.writable:
            os.write(pipe.fileno(), b"\0\0\1\0abc")
    sleep()


def begun(file, name):
    """Tells in a file, whole or not at all, which process is at it, then is."""
    temporary = Path(f"{file}.part")
    temporary.write_text(str(os.getpid()))
    temporary.replace(file)
    globals()[name]()


class Unsendable(Exception):
    def __init__(self, one, other):
        super().__init__(one)


def raises(problem, *arguments):
    raise problem(*arguments)


def raises_unsendable():
    raise Unsendable(1, 2)


def unsendable():
    return lambda: None
