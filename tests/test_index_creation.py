"""Several processes that make, fill and take back an index at once, and what a killed one leaves."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avgzsl.archive import creation, writer
from avgzsl.archive import indexing as archive
from avgzsl.archive.changing import writing
from avgzsl.archive.collection import open_index
from avgzsl.archive.indexing import index, index_add, index_info, index_verify
from avgzsl.cli import app
from avgzsl.errors import AvgzslError, DataError, UnknownNameError
from avgzsl.experiments.train_evaluate import train
from tests.processes import gone
from tests.small_set import write_set

CLIPS = 20  # of the split val


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    return train(data, "least-squares", out=tmp_path_factory.mktemp("runs") / "run").folder


@pytest.fixture
def make(run, data, tmp_path):
    """Make an index of the split val, as one process does."""
    return lambda split="val", engine="memory": index(run, data, tmp_path / "index", split=split, engine=engine)


def once(monkeypatch, place, name, before=None, after=None) -> list[object]:
    """Something happens before or after a function runs the first time; gives what came of it."""
    own, heard = getattr(place, name), []

    def stand_in(*given, **named):
        monkeypatch.setattr(place, name, own)
        if before is not None:
            heard.append(caught(before))
        found = own(*given, **named)
        if after is not None:
            heard.append(caught(after))
        return found

    monkeypatch.setattr(place, name, stand_in)
    return heard


def caught(call) -> object:
    try:
        return call()
    except AvgzslError as problem:
        return str(problem)


def assert_whole(folder: Path, clips: int = CLIPS) -> None:
    assert index_verify(folder).rows() == []
    assert index_info(folder).clips == clips
    assert not [file.name for file in folder.iterdir() if file.name.endswith((".tmp", ".begun"))]


@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_who_comes_while_an_index_is_made_is_told_so_and_harms_nothing(engine, make, tmp_path, monkeypatch):
    heard = once(monkeypatch, creation.clip_database, "create", before=make)  # half of it is there
    assert make(engine=engine).added == CLIPS
    assert len(heard) == 1 and "another process is writing to this index" in heard[0]
    assert_whole(tmp_path / "index")


def test_who_was_quicker_wins(make, tmp_path, monkeypatch):
    heard = once(monkeypatch, creation, "only_writer", before=make)  # after the first look at the folder
    with pytest.raises(DataError, match="another process has made an index here; run the same again"):
        make()
    assert heard[0].added == CLIPS
    assert make().kept == CLIPS
    assert_whole(tmp_path / "index")


def test_what_another_process_added_is_not_taken_back(make, data, tmp_path, monkeypatch):
    """One makes an index and fails, a second adds to it before the first takes it back."""
    heard = once(monkeypatch, archive, "_undo", before=lambda: index_add(tmp_path / "index", data, split="val"))
    with pytest.raises(UnknownNameError, match="split"):
        make(split="tst")
    assert heard[0].added == CLIPS
    assert_whole(tmp_path / "index")


def test_what_another_process_writes_is_not_taken_back(make, tmp_path, monkeypatch):
    """The first fails while the second is in the midst of it."""
    holding = []

    def begin() -> None:
        holding.append(writing(open_index(tmp_path / "index")))
        holding[0].__enter__()

    once(monkeypatch, archive, "_undo", before=begin)
    with pytest.raises(UnknownNameError, match="split"):
        make(split="tst")
    holding[0].__exit__(None, None, None)
    assert make().added == CLIPS
    assert_whole(tmp_path / "index")


@pytest.mark.parametrize("there_before", [False, True])
def test_who_comes_while_an_index_is_taken_back_is_told_so(there_before, make, data, tmp_path, monkeypatch):
    """Of three, one takes its index back, one would make it, one would add to it."""
    folder = tmp_path / "index"
    if there_before:
        folder.mkdir()
    late = []
    once(monkeypatch, archive, "_undo", before=lambda: late.append(open_index(folder)))
    heard = once(monkeypatch, creation, "drop_vectors", before=make, after=lambda: writing(late[0]).__enter__())
    with pytest.raises(UnknownNameError, match="split"):
        make(split="tst")
    assert len(heard) == 2 and all("another process is writing" in said for said in heard)
    assert list(folder.iterdir()) == [] if there_before else not folder.exists()
    with (
        pytest.raises(DataError, match=r"another process (may have )?removed it"),
        writing(late[0]),
    ):
        pass
    assert make().added == CLIPS
    with pytest.raises(DataError, match="is not the index that it was"), writing(late[0]):
        pass
    assert_whole(folder)


def test_a_lock_of_an_index_that_was_removed_meanwhile_is_none(make, tmp_path, monkeypatch):
    """Its file was opened, then came others, who took the index away and made another."""
    make()
    opened = open_index(tmp_path / "index")

    def replace() -> None:
        with writer.only_writer(tmp_path / "index"):
            archive.discard(opened, keep_folder=False)
        make()

    heard = once(monkeypatch, writer, "_lock", before=replace)
    with writer.only_writer(tmp_path / "index"), pytest.raises(AvgzslError, match="another process is writing"):
        make()
    assert heard == [None]
    assert_whole(tmp_path / "index")


def test_what_killed_writers_left_is_cleared_by_the_next_one(make, data, tmp_path):
    make()
    folder = tmp_path / "index"
    left = [folder / ".index.json.abc.tmp", folder / "run" / ".results.json.x1.tmp"]
    for file in left:
        file.write_text("half")
    with writer.only_writer(folder), pytest.raises(AvgzslError, match="another process is writing"):
        index_add(folder, data, split="val")
    index_info(folder)
    assert all(file.exists() for file in left)  # those of a writer who lives, and who only reads clears nothing
    index_add(folder, data, split="val")
    assert not any(file.exists() for file in left)
    assert_whole(folder)


@pytest.mark.parametrize("strange", ["notes.txt", "a.tmp", "run2"])
def test_no_file_of_the_user_is_cleared_away(strange, make, tmp_path):
    folder = tmp_path / "index"
    make()
    (folder / "index.json").rename(folder / "index.json.begun")
    (folder / strange).write_text("mine")
    with pytest.raises(DataError, match=f"it has '{strange}'.*remove it"):
        make()
    assert (folder / strange).read_text() == "mine" and (folder / "embeddings.f32").exists()
    (folder / strange).unlink()
    make()
    assert_whole(folder)


@pytest.fixture(scope="module")
def nursery():
    """A process that forks others, which are spared the imports."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.index_maker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def fork(*given) -> int:
        process.stdin.write(json.dumps([one if isinstance(one, int) else str(one) for one in given]) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield fork
    process.stdin.close()
    process.stdout.close()
    assert process.wait() == 0


def ended(pid: int, told: Path) -> str:
    """What a process told, once it has ended."""
    gone(pid)
    return told.read_text()


@pytest.mark.races
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks /proc whether a process lives")
def test_killed_at_any_step_the_next_goes_on(nursery, run, data, tmp_path, make):
    told, folder = tmp_path / "told", tmp_path / "index"
    told.touch()
    made, clips, steps = ended(nursery(run, data, folder, 0, "", told), told).split()
    assert (made, int(clips)) == ("made", CLIPS) and int(steps) > 20
    shutil.rmtree(folder)
    for moment in range(1, int(steps) + 1, 3):
        told.write_text("")
        assert ended(nursery(run, data, folder, moment, "", told), told) == ""
        found = make()
        assert found.added + found.kept == CLIPS
        assert_whole(folder)
        shutil.rmtree(folder)


@pytest.mark.races
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks /proc whether a process lives")
def test_of_three_processes_at_once_one_wins_and_the_others_say_so(nursery, run, data, tmp_path, make):
    for turn in range(5):
        folder, gate = tmp_path / f"index-{turn}", tmp_path / f"gate-{turn}"
        told = [tmp_path / f"told-{turn}-{i}" for i in range(3)]
        for file in told:
            file.touch()
        pids = [nursery(run, data, folder, 0, gate, file) for file in told]
        gate.touch()
        said = [ended(pid, file) for pid, file in zip(pids, told, strict=True)]
        won = [one for one in said if one.startswith(f"made {CLIPS} ")]
        lost = [one for one in said if "another process" in one and one.startswith(("AvgzslError", "DataError"))]
        assert len(won) >= 1 and len(won) + len(lost) == 3, said
        assert_whole(folder)


def test_the_text_may_be_told_for_a_run(tmp_path):
    asked = ["index", str(tmp_path), str(tmp_path), "--out", str(tmp_path / "index"), "--text", "own=minilm"]
    ran = CliRunner().invoke(app, asked)
    assert "is not a run" in str(ran.exception), "the run itself says what it takes"
