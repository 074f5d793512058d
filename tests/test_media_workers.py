"""Decoding in processes: in order, a bounded number ahead, and what breaks one process costs its file alone."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from avgzsl.errors import ConfigError, MediaError
from avgzsl.media.decode import decode
from avgzsl.media.needs import Decoded, FrameNeeds, SoundNeeds, Span
from avgzsl.media.workers import Decoders, Limits, Request
from tests.media_files import RATE, numbered, numbers, tone, write

FRAMES, SOUND = FrameNeeds(size=48, fps=10.0), SoundNeeds(RATE)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clip") / "a.mp4", [numbered(i) for i in range(40)], tone(4.0))


@pytest.fixture(scope="module")
def decoders():
    with Decoders(2, Limits(seconds=30.0, megabytes=300)) as pool:
        yield pool


def crash(path):
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(path):
    os._exit(3)


def hang(path):
    while True:
        time.sleep(0.01)


def burn(path):
    while True:
        pass


def devour(path):
    return [np.ones(10_000_000) for _ in range(100)]


def process(path):
    return os.getpid()


def torch_is_loaded(path):
    return "torch" in sys.modules


def same(got, expected):
    np.testing.assert_array_equal(got.frames, expected.frames)
    np.testing.assert_array_equal(got.times, expected.times)
    np.testing.assert_array_equal(got.waveform, expected.waveform)
    return got.info == expected.info


def test_a_process_gives_what_this_one_does(clip, decoders):
    expected = decode(clip, Span(1.0, 2.0), FRAMES, SOUND)
    (got,) = decoders.map([Request(clip, Span(1.0, 2.0), FRAMES, SOUND)])
    assert same(got, expected)


def test_results_come_in_order_and_errors_in_their_place(clip, decoders, tmp_path):
    (tmp_path / "bad.mp4").write_text("words " * 100)
    spans = [Span(0.1 * i, 0.1 * i + 0.1) for i in range(20)]
    requests = [Request(clip, span, FRAMES) for span in spans]
    requests[7:7] = [Request(tmp_path / "bad.mp4", frames=FRAMES), Request(tmp_path / "absent.mp4", frames=FRAMES)]
    got = list(decoders.map(requests))
    assert [numbers(item.frames)[0] for item in got if isinstance(item, Decoded)] == list(range(20))
    assert [str(item).split(": ")[0] for item in got[7:9]] == [str(tmp_path / "bad.mp4"), str(tmp_path / "absent.mp4")]
    assert all(isinstance(item, MediaError) for item in got[7:9])


def test_requests_are_taken_no_further_ahead_than_told(clip, decoders):
    taken = []

    def requests():
        for index in range(12):
            taken.append(index)
            yield Request(clip, Span(0.0, 0.2), FRAMES)

    for done, _ in enumerate(decoders.map(requests(), ahead=3)):
        assert len(taken) <= done + 3
    assert len(taken) == 12


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (crash, "crashed on it .SIGSEGV"),
        (leave, "crashed on it .exit code 3"),
        (devour, "more than the 300 MB of memory allowed"),
    ],
)
def test_what_breaks_a_process_costs_its_file_alone(clip, decoders, function, message):
    good = decoders.map([Request(clip, Span(0.0, 1.0), FRAMES)] * 3, ahead=3)
    first = next(good)
    with pytest.raises(MediaError, match=f"^some/file.mp4: .*{message}"):
        decoders.call(function, Path("some/file.mp4"))
    assert all(numbers(item.frames) == list(range(10)) for item in [first, *good])
    (after,) = decoders.map([Request(clip, Span(0.0, 1.0), FRAMES)])
    assert numbers(after.frames) == list(range(10))


def test_a_process_that_hangs_costs_its_file_alone(clip):
    with Decoders(2, Limits(seconds=4.0)) as strict, ThreadPoolExecutor() as threads:
        calls = [threads.submit(strict.call, function, Path("some/file.mp4")) for function in (hang, burn)]
        for call in calls:
            with pytest.raises(MediaError, match=r"^some/file.mp4: .*more than the 4 s allowed"):
                call.result()
        (after,) = strict.map([Request(clip, Span(0.0, 1.0), FRAMES)])
        assert numbers(after.frames) == list(range(10))


def test_a_process_that_dies_idle_is_replaced(clip, decoders):
    for wait in (0.3, 0.0, 0.0, 0.0):
        os.kill(decoders.call(process, Path("-")), signal.SIGKILL)
        time.sleep(wait)
        got = list(decoders.map([Request(clip, Span(0.0, 1.0), FRAMES)] * 4))
        assert all(numbers(item.frames) == list(range(10)) for item in got)


def test_many_crashes_in_a_row(clip, decoders):
    for _ in range(6):
        with pytest.raises(MediaError, match="crashed"):
            decoders.call(crash, Path("-"))
    (after,) = decoders.map([Request(clip, Span(0.0, 1.0), FRAMES)])
    assert numbers(after.frames) == list(range(10))


def test_processes_do_not_load_torch(decoders):
    assert decoders.call(torch_is_loaded, Path("-")) is False


def test_impossible_limits():
    for workers, limits in [
        (0, Limits()),
        (1, Limits(seconds=0.0)),
        (1, Limits(seconds=float("nan"))),
        (1, Limits(megabytes=0)),
    ]:
        with pytest.raises(ConfigError, match="positive"):
            Decoders(workers, limits)


SCRIPT = """
import sys, time
from pathlib import Path
from avgzsl.media.workers import Decoders, Request
from tests.test_media_workers import FRAMES, process
print("started", flush=True)
with Decoders(1) as pool:
    print(pool.call(process, Path("-")), flush=True)
    print([len(x.frames) for x in pool.map([Request(Path(sys.argv[1]), frames=FRAMES)])], flush=True)
    time.sleep(float(sys.argv[2]))
"""


def start(tmp_path, clip, wait):
    (tmp_path / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen([sys.executable, tmp_path / "script.py", clip, wait], stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": path})  # fmt: skip


def test_a_script_without_a_main_guard_runs_once(tmp_path, clip):
    printed, _ = start(tmp_path, clip, "0").communicate(timeout=60)
    lines = printed.splitlines()
    assert len(lines) == 3 and lines[0] == "started" and lines[2] == "[40]"


def test_processes_end_with_a_parent_that_is_killed(tmp_path, clip):
    script = start(tmp_path, clip, "60")
    worker = int([script.stdout.readline(), script.stdout.readline()][1])
    script.stdout.readline()
    os.kill(worker, 0)
    script.kill()
    script.wait()
    script.stdout.close()
    until = time.monotonic() + 10
    while Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_bytes():
        assert time.monotonic() < until, "the process outlived its parent"
        time.sleep(0.05)
