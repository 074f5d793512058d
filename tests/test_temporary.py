"""What a kill leaves is cleared by the next run that finds it, and only what is ours and dead."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from avgzsl.support.files import whole_folder, write_text
from avgzsl.support.temporary import leftovers

WRITE = """
import sys, time
from pathlib import Path
from avgzsl.support.files import {call}
def stop(path):
    {half}
    print("half", flush=True)
    time.sleep(600)
{write}
"""
FILE = WRITE.format(call="write_whole", half="path.write_text('half')", write="write_whole(Path(sys.argv[1]), stop)")
FOLDER = WRITE.format(
    call="whole_folder",
    half="(path / 'a').mkdir(); (path / 'a' / 'b').write_text('half')",
    write="with whole_folder(Path(sys.argv[1])) as path: stop(path)",
)


@contextmanager
def at_half(script: str, target: Path):
    """A process that has written half of the target."""
    with subprocess.Popen([sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "half\n"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def write_again(script: str, target: Path) -> None:
    if script == FILE:
        write_text(target, "whole")
    else:
        with whole_folder(target) as folder:
            (folder / "whole").write_text("whole")


@pytest.mark.races
@pytest.mark.parametrize("script", [FILE, FOLDER], ids=["file", "folder"])
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(script, tmp_path):
    target = tmp_path / "target"
    with at_half(script, target):
        pass
    (dead,) = tmp_path.iterdir()
    assert dead.name.startswith(".target.") and leftovers(tmp_path) == [dead]
    with at_half(script, target):
        (alive,) = {*tmp_path.iterdir()} - {dead}
        write_again(script, target)
        assert set(tmp_path.iterdir()) == {alive, target}
        assert leftovers(tmp_path) == []


def test_nothing_of_others_is_removed(tmp_path):
    dead = int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)
    others = [
        tmp_path / name
        for name in (
            ".target.abcdefgh.tmp",  # of nobody known
            f".other.{dead}-abcdefgh.tmp",  # of another target
            f"target.{dead}-abcdefgh.tmp",
            f".target.{os.getpid()}-abcdefgh.tmp",  # of a living process
        )
    ]
    for other in others:
        other.write_text("theirs")
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    link = tmp_path / f".target.{dead}-ijklmnop.tmp"
    link.symlink_to(victim)
    mine = tmp_path / f".target.{dead}-qrstuvwx.tmp"
    mine.write_text("half")
    write_text(tmp_path / "target", "whole")
    assert not mine.exists()
    assert all(path.read_text() == "theirs" for path in (*others, victim, link))


def test_a_folder_takes_its_place_at_once_or_not_at_all(tmp_path):
    target = tmp_path / "sub" / "target"
    with pytest.raises(KeyError), whole_folder(target) as folder:
        _fail_in(folder)
    assert not list(target.parent.iterdir())
    target.mkdir()
    with whole_folder(target) as folder:
        (folder / "whole").write_text("whole")
    assert [path.name for path in target.parent.rglob("*")] == ["target", "whole"]
    assert target.stat().st_mode & 0o777 == 0o777 & ~_umask()


def _fail_in(folder: Path) -> None:
    (folder / "half").write_text("half")
    raise KeyError


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
