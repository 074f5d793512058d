"""Calls in child processes: whatever a child does, or is done to it, the call ends, and the child with its parent."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from multiprocessing.connection import wait as wait_for_processes
from pathlib import Path

import pytest

from avgzsl.errors import ProcessError
from avgzsl.support import child as module
from avgzsl.support.children import CallTimedOut, Children, Lost
from tests import broken_work as work
from tests.processes import PATIENCE, gone, runs, started, wait_for

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends processes on Linux alone")


@pytest.fixture
def children():
    with Children(2) as pool:
        yield pool


def given(future):
    return future.result(timeout=PATIENCE)


def test_calls_give_what_the_functions_do_from_any_thread(children):
    def ask(first):
        return [given(children.submit(work.double, number)) for number in range(first, first + 20)]

    with ThreadPoolExecutor(8) as threads:
        for first, got in enumerate(threads.map(ask, range(8))):
            assert got == [2 * number for number in range(first, first + 20)]


def test_there_are_never_more_processes_than_told_and_they_are_replaced():
    with Children(2, calls=3) as pool:
        for future in [pool.submit(work.pid) for _ in range(30)]:
            given(future)
            assert len(pool._alive) <= 2
        pids = [given(pool.submit(work.pid)) for _ in range(7)]
        assert all(pids.count(one) <= 3 for one in pids)


@pytest.mark.parametrize(
    ("function", "code"), [(work.crash, -signal.SIGSEGV), (work.killed, -signal.SIGKILL), (work.leave, 3)]
)
def test_a_child_that_dies_at_a_call_is_heard_of_at_once(children, function, code):
    with pytest.raises(Lost) as lost:
        given(children.submit(function))
    assert lost.value.code == code
    assert given(children.submit(work.double, 4)) == 8


@pytest.mark.parametrize("function", [work.sleep, work.burn, work.hold, work.stop, work.half_an_answer])
def test_a_call_ends_when_its_time_is_over(children, function):
    with pytest.raises(CallTimedOut):
        given(children.submit(function, seconds=0.5))
    assert given(children.submit(work.double, 4)) == 8


def test_what_functions_raise_arrives_with_where_it_was_raised(children):
    with pytest.raises(KeyError, match="here") as caught:
        given(children.submit(work.raises, KeyError, "here"))
    assert "in raises" in caught.value.__notes__[0]
    with pytest.raises(OSError, match="no such"):  # it is no trouble of the pipe
        given(children.submit(work.raises, OSError, "no such"))
    with pytest.raises(RuntimeError, match="Unsendable"):
        given(children.submit(work.raises_unsendable))
    with pytest.raises((AttributeError, RuntimeError), match="lambda"):
        given(children.submit(work.unsendable))
    pid = given(children.submit(work.pid))
    with pytest.raises(Exception, match="lambda"):
        children.submit(lambda: None)
    assert given(children.submit(work.pid)) == pid  # none of it cost a process


def dies_before_it_begins(monkeypatch, times):
    """The moment between the look at a child and its task: it is dead when the task is sent, so many times."""
    own, left, ended = module.Child.begins, [times], []

    def begins(child, task):
        if left[0]:
            left[0] -= 1
            os.kill(child._process.pid, signal.SIGKILL)
            assert wait_for_processes([child._process.sentinel], PATIENCE)
            ended.append(child)
        return own(child, task)

    monkeypatch.setattr(module.Child, "begins", begins)
    return ended


def test_a_task_whose_child_died_before_it_began_is_done_by_another(children, monkeypatch):
    given(children.submit(work.pid))
    ended = dies_before_it_begins(monkeypatch, 3)
    assert given(children.submit(work.double, 4)) == 8
    assert len(ended) == 3 and len(children._alive) == 1


def test_children_that_all_die_before_they_begin_are_an_error_that_says_so(children, monkeypatch):
    dies_before_it_begins(monkeypatch, 5)
    with pytest.raises(ProcessError, match=r"5 times .*code -9.* memory left.*ulimit -u"):
        given(children.submit(work.double, 4))
    assert given(children.submit(work.double, 4)) == 8


def test_many_threads_whose_children_die_before_they_begin(monkeypatch):
    with Children(4) as pool:
        for _ in range(3):
            dies_before_it_begins(monkeypatch, 4)
            assert [given(one) for one in [pool.submit(work.double, n) for n in range(20)]] == list(range(0, 40, 2))
            monkeypatch.undo()
            assert len(pool._alive) <= 4


def refuses(*_):
    raise ValueError("not here")


def test_a_preparation_that_fails_is_what_the_call_raises():
    with Children(1, refuses) as pool, pytest.raises(ValueError, match="not here"):
        given(pool.submit(work.pid))


def test_the_server_that_forks_may_be_killed(children):
    if sys.platform != "linux":
        pytest.skip("children are forked from a server on Linux alone")
    child = given(children.submit(work.pid))
    server = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    assert server != os.getpid()
    os.kill(server, signal.SIGKILL)
    gone(server)
    for _ in range(2):
        with pytest.raises(Lost):
            given(children.submit(work.crash))
        assert given(children.submit(work.double, 4)) == 8


@pytest.mark.parametrize("problem", [OSError(12, "Cannot allocate memory"), EOFError()])
def test_a_start_that_is_refused_is_tried_again_then_told(children, monkeypatch, problem):
    own, left = module._Process.start, [2]

    def start(process):
        if left[0]:
            left[0] -= 1
            raise problem
        own(process)

    monkeypatch.setattr(module._Process, "start", start)
    assert given(children.submit(work.double, 4)) == 8
    left[0] = 100
    with pytest.raises(Lost):
        given(children.submit(work.crash))
    with pytest.raises(ProcessError, match=r"could be started, 5 times .*ulimit -u"):
        given(children.submit(work.double, 4))


def test_a_start_that_never_ends_is_told(monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(module, "_START", 0.1)
    monkeypatch.setattr(module, "_start_lock", threading.Lock())
    monkeypatch.setattr(module._Process, "start", lambda process: held.wait(PATIENCE))
    try:
        with Children(1) as pool, pytest.raises(ProcessError, match="did not start within"):
            given(pool.submit(work.pid))
    finally:
        held.set()


def test_a_full_shared_memory_is_no_matter(monkeypatch):
    from multiprocessing import synchronize

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(synchronize.SemLock, "__init__", full)
    with Children(2) as pool:
        assert given(pool.submit(work.double, 4)) == 8


def held():
    """Threads and files that this process has."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def test_stopping_ends_what_is_under_way_and_leaves_nothing():
    with Children(1) as pool:
        given(pool.submit(work.pid))  # the server that forks stays
    before = held()
    pool = Children(2)
    pids = [given(pool.submit(work.pid)) for _ in range(3)]
    calls = [pool.submit(work.sleep) for _ in range(5)]
    pool.stop()
    assert not wait(calls, timeout=PATIENCE).not_done
    for one in calls:
        with pytest.raises(ProcessError, match="stopped"):
            one.result()
    with pytest.raises(ProcessError, match="stopped"):
        pool.submit(work.pid)
    for pid in pids:
        gone(pid)
    pool.stop()
    wait_for(lambda: held() <= before)


PARENT = """
import sys
from avgzsl.support.children import Children
from tests import broken_work

pool = Children(1)
pool.submit(broken_work.begun, sys.argv[2], sys.argv[1])
sys.stdin.read()
"""

CHILD = """
import sys
from multiprocessing.connection import Connection
sys.platform = sys.argv[1]
from avgzsl.support.child_loop import end_with
from tests import broken_work

end_with(Connection(int(sys.argv[2]), writable=False))
broken_work.begun(sys.argv[4], sys.argv[3])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize("at", ["sleep", "burn", "pid", pytest.param("hold", marks=only_linux)])
def test_children_end_with_a_parent_that_is_killed(tmp_path, at):
    with started([sys.executable, "-c", PARENT, at, tmp_path / "begun"], stdin=subprocess.PIPE) as parent:
        wait_for((tmp_path / "begun").exists)
        child = int((tmp_path / "begun").read_text())
        assert runs(child)
        parent.kill()
    gone(child)


# elsewhere it is a thread that ends the process, which cannot where another never lets go of the interpreter
ENDS = [*(pytest.param("linux", at, marks=only_linux) for at in ("sleep", "burn", "hold")), ("elsewhere", "sleep"),
        ("elsewhere", "burn")]  # fmt: skip


@pytest.mark.parametrize(("platform", "at"), ENDS)
def test_a_process_ends_with_the_holder_of_its_line(tmp_path, platform, at):
    line, ours = os.pipe()
    command = [sys.executable, "-c", CHILD, platform, line, at, tmp_path / "begun"]
    with started(command, pass_fds=[line]) as child:
        os.close(line)
        wait_for((tmp_path / "begun").exists)
        assert child.poll() is None
        os.close(ours)
        assert child.wait(PATIENCE) != 0


def test_a_line_that_was_closed_before_ends_a_process_too(tmp_path):
    for platform in [*(["linux"] if sys.platform == "linux" else []), "elsewhere"]:
        line, ours = os.pipe()
        os.close(ours)
        with started([sys.executable, "-c", CHILD, platform, line, "sleep", tmp_path / "begun"], pass_fds=[line]) as it:
            os.close(line)
            assert it.wait(PATIENCE) != 0
