"""Decoding in processes: in order, a bounded number ahead, and what breaks one process costs its file alone."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from avgzsl.errors import ConfigError, MediaError, ProcessError
from avgzsl.media.decode import decode
from avgzsl.media.needs import Decoded, FrameNeeds, SoundNeeds, Span
from avgzsl.media.workers import Decoders, Limits, Request
from avgzsl.support.children import Children
from tests import broken_work as work
from tests.media_files import RATE, numbered, numbers, tone, write
from tests.processes import PATIENCE, gone, runs, started, wait_for

CRASHES = 500 if os.environ.get("AVGZSL_RACES") else 60  # `make races` sets it
FRAMES, SOUND = FrameNeeds(size=48, fps=10.0), SoundNeeds(RATE)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clip") / "a.mp4", [numbered(i) for i in range(40)], tone(4.0))


@pytest.fixture(scope="module")
def decoders():
    with Decoders(2, Limits(seconds=30.0, megabytes=300)) as pool:
        yield pool


def devour(path):
    return [np.ones(10_000_000) for _ in range(100)]


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
        (work.crash, "crashed on it .SIGSEGV.*; it may be damaged"),
        (work.leave, "crashed on it .exit code 3.*; it may be damaged"),
        (work.killed, "crashed on it: something else killed it .SIGKILL., 3 times; is there memory left"),
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
    with Decoders(2, Limits(seconds=1.0)) as strict, ThreadPoolExecutor() as threads:
        hang = (work.sleep, work.burn, work.hold, work.stop, work.half_an_answer)
        calls = [threads.submit(strict.call, function, Path("some/file.mp4")) for function in hang]
        for call in calls:
            with pytest.raises(MediaError, match=r"^some/file.mp4: .*more than the 1 s allowed"):
                call.result(PATIENCE)
    with Decoders(1, Limits(seconds=30.0)) as pool:
        (after,) = pool.map([Request(clip, Span(0.0, 1.0), FRAMES)])
        assert numbers(after.frames) == list(range(10))


def test_a_process_that_is_killed_idle_is_replaced(clip, decoders):
    for seen in (True, False, False):
        pid = decoders.call(work.pid, Path("-"))
        os.kill(pid, signal.SIGKILL)
        if seen:
            gone(pid)
        got = list(decoders.map([Request(clip, Span(0.0, 1.0), FRAMES)] * 4))
        assert all(numbers(item.frames) == list(range(10)) for item in got)


def test_processes_that_are_killed_at_work_by_others_cost_no_file(clip):
    """As the system does where memory is short. No file is called damaged for it."""
    with Decoders(2) as pool:
        for _ in range(5):
            got = pool.map([Request(clip, Span(0.0, 1.0), FRAMES)] * 12, ahead=12)
            os.kill(pool.call(work.pid, Path("-")), signal.SIGKILL)
            assert all(numbers(item.frames) == list(range(10)) for item in got)


def test_crashes_in_a_row_from_many_threads(clip):
    def crashes(_):
        for _ in range(CRASHES // 4):
            with pytest.raises(MediaError, match="crashed"):
                pool.call(work.crash, Path("-"))

    with Decoders(2) as pool, ThreadPoolExecutor(4) as threads:
        list(threads.map(crashes, range(4)))
        (after,) = pool.map([Request(clip, Span(0.0, 1.0), FRAMES)])
        assert numbers(after.frames) == list(range(10))


def test_stopping_ends_what_others_wait_for(clip, tmp_path):
    pool = Decoders(1)
    with ThreadPoolExecutor() as threads:
        calls = [threads.submit(pool.call, work.begun, tmp_path / "begun", "sleep") for _ in range(3)]
        wait_for((tmp_path / "begun").exists)
        pool.stop()
        for call in calls:
            with pytest.raises(ProcessError, match="stopped"):
                call.result(PATIENCE)
    with pytest.raises(ProcessError, match="stopped"):
        pool.call(work.pid, Path("-"))
    with pytest.raises(ProcessError, match="stopped"):
        list(pool.map([Request(clip)]))


def limits_of_this_process(*_):
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)


def confined(hard):
    """What a new process does, where the user has a limit of his own."""
    import resource

    from avgzsl.media.workers import _confine

    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    _confine(2048)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_a_stricter_limit_of_the_user_is_kept(clip):
    hard = 3 << 30
    with Children(1, confined, (hard,)) as children:
        allowed, most = children.submit(limits_of_this_process).result(PATIENCE)
    assert most == hard and 2 << 30 < allowed <= hard


def no_limits(*_):
    import resource

    from avgzsl.media.workers import _confine

    def refused(*_):
        raise ValueError("not allowed to raise maximum limit")

    resource.setrlimit = refused
    _confine(2048)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_where_memory_cannot_be_limited_nothing_is_opened_and_that_is_said(clip, monkeypatch):
    monkeypatch.setattr("avgzsl.media.workers._confine", no_limits)
    with Decoders(1) as pool:
        said = r"memory cannot be limited to 2048 MB \(not allowed .*ulimit -v"
        with pytest.raises(ProcessError, match=said):
            list(pool.map([Request(clip, frames=FRAMES)]))  # it is no fault of the clip
        with pytest.raises(ProcessError, match=said):
            pool.call(work.pid, clip)


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
import sys
from pathlib import Path
from avgzsl.media.workers import Decoders, Request
from tests.broken_work import pid
from tests.test_media_workers import FRAMES
print("started", flush=True)
with Decoders(1) as pool:
    print(pool.call(pid, Path("-")), flush=True)
    print([len(x.frames) for x in pool.map([Request(Path(sys.argv[1]), frames=FRAMES)])], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def script(tmp_path, clip):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, tmp_path / "script.py", clip]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        yield process


def test_a_script_without_a_main_guard_runs_once(script):
    printed, _ = script.communicate(timeout=PATIENCE)
    lines = printed.splitlines()
    assert len(lines) == 3 and lines[0] == "started" and lines[2] == "[40]"


def test_processes_end_with_a_parent_that_is_killed(script):
    worker = int([script.stdout.readline(), script.stdout.readline()][1])
    assert script.stdout.readline() == "[40]\n" and runs(worker)
    script.kill()
    gone(worker)
