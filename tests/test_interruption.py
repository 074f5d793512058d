"""Commands that are told to end: within seconds, with one line, the code of the signal, and no process left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from avgzsl.cli.interruption import interruptible

pytestmark = pytest.mark.races
ENDS = {signal.SIGINT: "interrupted; ", signal.SIGTERM: "terminated; "}

# what the main thread is at: Python, a library that hears of no signal, a thread that outlives it
BUSY = {
    "python": "while True: pass",
    "library": "import hashlib; hashlib.pbkdf2_hmac('sha256', b'x', b'y', 1 << 34)",
    "thread": "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); time.sleep(600)",
    "swallowed": "import time\nwhile True:\n    try:\n        time.sleep(600)\n    except BaseException:\n        pass",
}


def ended(code: str, how: signal.Signals, ignored: bool = False) -> tuple[int, list[str]]:
    """Exit code and lines on stderr of a script that gets the signal when it has said that it is ready."""
    set_up = f"import signal; signal.signal(signal.SIGINT, signal.{'SIG_IGN' if ignored else 'default_int_handler'})"
    script = f"{set_up}\nfrom avgzsl.cli.interruption import interruptible\nwith interruptible():\n"
    script += "".join(f"    {line}\n" for line in ("print('ready', flush=True)\n" + code).splitlines())
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(how)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
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


def test_a_training_that_is_interrupted_goes_on(small_run_data: Path, tmp_path: Path):
    train = [sys.executable, "-m", "avgzsl", "train", str(small_run_data), "--out", str(tmp_path / "run")]
    settings = ["epochs=100000", "batch_size=32"]
    for how in ENDS:
        resumed = ["--resume"] if (tmp_path / "run").exists() else []
        with subprocess.Popen(
            [*train, *settings, "--checkpoint-seconds", "0", *resumed],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            try:
                before = _history(tmp_path / "run")
                while _history(tmp_path / "run") == before:
                    assert process.poll() is None, process.stderr.read()
                process.send_signal(how)
                _, said = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 128 + how
        assert "Traceback" not in said and said.splitlines()[-1].startswith(ENDS[how])


def _history(run: Path) -> int:
    path = run / "checkpoint.safetensors"
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.fixture(scope="module")
def small_run_data(tmp_path_factory) -> Path:
    from avgzsl.generators import generate

    os.environ.setdefault("AVGZSL_CACHE", str(tmp_path_factory.mktemp("cache")))
    return generate("audioset-zsl", tmp_path_factory.mktemp("data") / "set", scale=0.002, seed=0)
