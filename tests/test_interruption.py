"""Commands that are told to end: within seconds, with one line, the code of the signal, and no process left."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from avgzsl.cli.interruption import interruptible
from avgzsl.generators import generate
from tests.processes import PATIENCE, gone, started, wait_for

pytestmark = pytest.mark.races
ENDS = {signal.SIGINT: "interrupted; ", signal.SIGTERM: "terminated; "}

# what the main thread is at: Python, a library that hears of no signal, a thread that outlives it
BUSY = {
    "python": "while True: pass",
    "library": "import hashlib; hashlib.pbkdf2_hmac('sha256', b'x', b'y', (1 << 31) - 1)",
    "thread": "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); time.sleep(600)",
    "callback": (
        "import time\nclass Slow:\n    def __del__(self):\n        time.sleep(600)\ndef drop():\n    Slow()\n"
        "drop()\ntime.sleep(600)"
    ),
    "swallowed": "import time\nwhile True:\n    try:\n        time.sleep(600)\n    except BaseException:\n        pass",
}


def ended(code: str, how: signal.Signals, ignored: bool = False) -> tuple[int, list[str]]:
    """Exit code and lines on stderr of a script that gets the signal when it has said that it is ready."""
    set_up = f"import signal; signal.signal(signal.SIGINT, signal.{'SIG_IGN' if ignored else 'default_int_handler'})"
    script = f"{set_up}\nfrom avgzsl.cli.interruption import interruptible\nwith interruptible():\n"
    script += "".join(f"    {line}\n" for line in ("print('ready', flush=True)\n" + code).splitlines())
    with started([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(how)
        _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said.splitlines()


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("busy", BUSY)
def test_whatever_it_is_at_it_ends_with_one_line_and_the_code_of_the_signal(busy, how):
    code, said = ended(BUSY[busy], how)
    assert code == 128 + how
    assert [line[: len(ENDS[how])] for line in said] == [ENDS[how]], said


def test_what_a_script_put_into_the_background_is_not_interrupted():
    finish = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('done')"
    assert ended(finish, signal.SIGINT, ignored=True) == (0, [])


def test_afterwards_signals_mean_what_they_did():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    assert descriptor == -1


@pytest.mark.parametrize("how", ENDS)
def test_every_process_of_a_benchmark_ends(small_set: Path, tmp_path: Path, how):
    command = [sys.executable, "-m", "avgzsl", "benchmark", small_set, "--methods", "least-squares,avgzslnet"]
    options = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "start_new_session": True}
    with started([*command, "--seeds", "99", "--processes", "2", "--out", tmp_path / "out"], **options) as process:
        parent = psutil.Process(process.pid)
        wait_for(lambda: len(list((tmp_path / "out").glob("cells/*.json"))))
        children = parent.children(recursive=True)
        assert len(children) >= 2
        os.killpg(process.pid, how)  # as a terminal or a service manager does: to all of them
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + how
    assert [line for line in said.splitlines() if "; " in line and line.startswith(ENDS[how])], said
    assert "Traceback" not in said
    for child in children:
        gone(child.pid)


def test_folders_of_sockets_of_killed_commands_are_cleared(small_set: Path, tmp_path: Path):
    with ExitStack() as stack:
        command = [sys.executable, "-c", HOLD]
        where = {"env": {"TMPDIR": str(tmp_path)}, "stdout": subprocess.PIPE}
        dead, alive = (stack.enter_context(started(command, **where)) for _ in range(2))
        folders = [Path(process.stdout.readline().strip()) for process in (dead, alive)]
        (tmp_path / "pymp-others").mkdir()
        dead.kill()
        dead.wait(PATIENCE)
        assert folders[0].is_dir()
        later = stack.enter_context(started(command, **where))
        third = Path(later.stdout.readline().strip())
        assert {path.name for path in tmp_path.glob("pymp-*")} == {folders[1].name, third.name, "pymp-others"}


HOLD = """
import time
from multiprocessing.util import get_temp_dir
from avgzsl.support.children import Children
with Children(1) as children:
    children.submit(len, []).result()
    print(get_temp_dir(), flush=True)
    time.sleep(600)
"""


def test_a_training_that_is_interrupted_goes_on(small_set: Path, tmp_path: Path):
    run = tmp_path / "run"
    train = [sys.executable, "-m", "avgzsl", "train", small_set, "--out", run, "epochs=100000", "batch_size=32"]
    for how in ENDS:
        resumed = ["--resume"] if run.exists() else []
        options = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        with started([*train, "--checkpoint-seconds", "0", *resumed], **options) as process:
            before = _written(run)
            wait_for(lambda seen=before: _written(run) != seen)
            process.send_signal(how)
            _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 128 + how
        assert "Traceback" not in said and said.splitlines()[-1].startswith(ENDS[how])


def _written(run: Path) -> int:
    path = run / "checkpoint.safetensors"
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.fixture(scope="module")
def small_set(tmp_path_factory) -> Path:
    return generate("audioset-zsl", tmp_path_factory.mktemp("data") / "set", scale=0.002, seed=0)
