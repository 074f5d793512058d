"""A folder of clips opened in the browser: where its index lies, what a second call does, how it ends, what it says."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from avgzsl import open_index
from avgzsl.archive.frozen_index import index_frozen
from avgzsl.archive.results import Added, reasons
from avgzsl.errors import ConfigError, DataError
from avgzsl.features.extract import FAILURES
from avgzsl.recognition.local_encoders import LocalEncoders
from avgzsl.server import opening
from avgzsl.server.opening import index_place, open_folder
from avgzsl.server.running import noted, running
from avgzsl.server.watching import folder_state, watched
from avgzsl.support.progress import Step
from avgzsl.support.spreadsheet import write_table
from avgzsl.types import EncoderChoice
from tests.open_world import NAMES, encoders, everything, write_folder
from tests.processes import PATIENCE, started, wait_for
from tests.small_clips import write_wav

pytest.importorskip("fastapi")


@pytest.fixture
def clips(tmp_path):
    return write_folder(tmp_path / "Our holidays, 1999")


@pytest.fixture
def choice(tmp_path):
    return encoders(tmp_path / "models")


@pytest.fixture
def not_served(monkeypatch):
    """Everything but the server, which ends at once."""
    served = []
    monkeypatch.setattr(opening, "serve", lambda index, **more: served.append((index, more)) or 0)
    return served


# a server that runs is heard of on a busy machine, too
PATIENT = f"from avgzsl.server import running; running._SECONDS = {PATIENCE}"


def command(folder, choice, *more):
    words = ["open", folder, "--audio", choice.audio, "--text", choice.text[0], "--no-browser", *more]
    return [sys.executable, "-c", f"{PATIENT}; from avgzsl.cli import main; main()", *words]


def address(process):
    line = process.stdout.readline()
    assert " is open at " in line, line
    return line.split(" is open at ")[1].split()[0]


def asked(url, path):
    with urlopen(f"{url}v1/{path}") as answer:
        return json.load(answer)


def found(url):
    return {hit["clip"]["id"] for hit in asked(url, "search?q=speech&k=20")["hits"]}


def test_a_folder_is_open_and_a_second_call_joins(clips, choice, tmp_path):
    environment = {"AVGZSL_CACHE": str(tmp_path / "cache"), "AVGZSL_STATE": str(tmp_path / "state")}
    before = everything(clips)
    options = {"env": environment, "stdout": -1, "stderr": -1}
    with started(command(clips, choice), **options) as first:
        url = address(first)
        assert url.startswith("http://127.0.0.1:") and found(url) == set(NAMES)
        assert asked(url, "info")["name"] == "Our holidays, 1999"
        with started(command(clips, choice), **options) as second:
            out, err = second.communicate(timeout=PATIENCE)
            assert second.returncode == 0 and f"is open at {url}\n" in out and "is open already" in err
            assert "Ctrl+C" not in out + err  # this one has ended
        assert found(url) == set(NAMES)
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=PATIENCE)
        assert first.returncode == 130 and "goes on from here" in err and "Traceback" not in err
    assert everything(clips) == before
    assert not list((tmp_path / "state" / "servers").iterdir())
    (clips / NAMES[0]).unlink()
    write_wav(clips / "new.wav", 800.0)
    with started(command(clips, choice), **options) as again:
        assert found(address(again)) == {*NAMES[1:], "new.wav"}


def test_what_comes_and_goes_is_taken_in_while_it_is_open(clips, choice, tmp_path):
    environment = {"AVGZSL_CACHE": str(tmp_path / "cache"), "AVGZSL_STATE": str(tmp_path / "state")}
    with started(command(clips, choice, "--watch"), env=environment, stdout=-1, stderr=-2) as process:
        lines = iter(process.stdout.readline, "")
        url = next(line for line in lines if " is open at " in line).split(" is open at ")[1].split()[0]
        (clips / NAMES[0]).unlink()
        write_wav(clips / "new.wav", 800.0)
        wait_for(lambda: found(url) == {*NAMES[1:], "new.wav"})
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 130


def test_the_index_is_outside_and_outside_alone(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    place = index_place(clips)
    assert place.is_relative_to(tmp_path / "cache") and place.name == "Our-holidays-1999"
    other = tmp_path / "elsewhere" / clips.name
    other.mkdir(parents=True)
    (tmp_path / "link").symlink_to(clips)
    assert index_place(other) != place == index_place(tmp_path / "link")
    assert index_place(clips, tmp_path / "mine") == tmp_path / "mine"
    for inside in (clips, clips / "index", tmp_path / "link" / "index", clips / "deep" / ".." / "index"):
        with pytest.raises(ConfigError, match="in which nothing is written"):
            index_place(clips, inside)
    monkeypatch.setenv("AVGZSL_CACHE", str(clips / "cache"))
    with pytest.raises(ConfigError, match="--out"):
        index_place(clips)


def test_what_is_no_folder_of_clips_is_told(clips, choice, tmp_path, not_served):
    empty = tmp_path / "empty"
    empty.mkdir()
    for given, match in (
        (clips / "a.wav", "is a file; give the folder"),
        (tmp_path / "none", "is not there"),
        (empty, "no clips; expected media files"),
        ("a" * 5000, "no folder that can be opened"),
        ("a\0b", "no folder that can be opened|not there"),
    ):
        with pytest.raises(DataError, match=match):
            open_folder(given, out=tmp_path / "index", encoders=choice, browser=False)
        assert not (tmp_path / "index").exists()
    (clips / "away").symlink_to(empty)
    with pytest.raises(DataError, match="links lead out of the folder"):
        open_folder(clips, out=tmp_path / "index", encoders=choice, browser=False)
    assert not_served == []


def test_bad_files_among_good_ones_are_counted_and_named(clips, choice, tmp_path, not_served):
    (clips / "broken.wav").write_bytes(b"no sound at all")
    expected = 1
    try:
        shutil.copy(clips / "a.wav", Path(os.fsdecode(os.fsencode(clips) + b"/caf\xe9.wav")))
        expected += 1
    except OSError:
        pass  # this file system takes no name that is not UTF-8
    before, notes = everything(clips), []
    assert open_folder(clips, out=tmp_path / "index", encoders=choice, browser=False, note=notes.append) == 0
    (failures,) = (tmp_path / "index" / "stores").glob(f"*/{FAILURES}")
    assert f"3 clips added, 0 were there; {expected} files gave none, {failures} says why" in notes
    assert "broken.wav" in failures.read_text() and everything(clips) == before
    assert any(note.startswith(f"{clips / 'broken.wav'}: ") for note in notes)
    ((index, more),) = not_served
    assert index == tmp_path / "index" and (more["host"], more["port"]) == ("127.0.0.1", 0)


def test_a_folder_that_nobody_may_write_to_is_opened(clips, choice, tmp_path, not_served):
    for folder in (clips / "deep", clips):
        folder.chmod(0o500)
    try:
        assert open_folder(clips, out=tmp_path / "index", encoders=choice, browser=False) == 0
    finally:
        for folder in (clips, clips / "deep"):
            folder.chmod(0o700)
    assert len(not_served) == 1


def test_an_index_of_taggers_is_made_anew_where_better_encoders_have_come(
    clips, choice, tmp_path, monkeypatch, not_served
):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    here, notes = [LocalEncoders({"audio": choice.audio}, "better ones need: avgzsl fetch")], []
    for place in ("avgzsl.server.opening.local_encoders", "avgzsl.archive.frozen_index.local_encoders"):
        monkeypatch.setattr(place, lambda models: here[0])
    monkeypatch.setattr(opening, "TAGGERS", {"audio": choice.audio})
    words = EncoderChoice(text=choice.text)
    index = index_place(clips)

    def opened():
        open_folder(clips, encoders=words, browser=False, note=notes.append)
        return open_index(index)

    first = opened()
    assert opened().record.id == first.record.id  # what would be better is not there
    better = encoders(tmp_path / "better").audio
    here[0] = LocalEncoders({"audio": better})
    again = opened()
    assert again.record.id != first.record.id and again.run.config.data.encoders["audio"].spec == better
    assert any("are on this machine now" in note for note in notes) and len(not_served) == 3
    here[0] = LocalEncoders({"audio": choice.audio})
    assert opened().record.id == again.record.id  # it was not made with a tagger of ours


def test_the_browser_is_opened_once_the_page_is_there(clips, choice, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(opening.webbrowser, "open", seen.append)
    monkeypatch.setattr(opening, "serve", lambda index, *, ready, **more: ready("http://127.0.0.1:9/") or 0)
    open_folder(clips, out=tmp_path / "index", encoders=choice, ready=lambda url: None)
    wait_for(lambda: seen == ["http://127.0.0.1:9/"])


def test_a_note_of_a_server_that_is_gone_or_another_s_is_not_believed(clips, choice, tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("avgzsl.server.running._SECONDS", PATIENCE)  # a busy machine takes more
    for name in ("index", "other"):
        index_frozen(clips, tmp_path / name, encoders=choice)
    index = tmp_path / "index"
    assert running(index) is None
    words = [sys.executable, "-c", "from avgzsl.cli import main; main()", "serve", tmp_path / "other", "--port", 0]
    with started(words, stdout=-1, stderr=-3) as process:
        url = process.stdout.readline().split(" is served at ")[1].split()[0]
        with noted(tmp_path / "other") as note:
            note.write(url)
            assert running(tmp_path / "other") == url
        assert running(tmp_path / "other") is None  # taken back
        with noted(index) as note:
            note.write(url)  # there is a server, of another index
            assert running(index) is None
            note.write("http://example.org/")
            assert running(index) is None
            (file,) = (tmp_path / "state" / "servers").iterdir()
            file.write_text("[]")
            assert running(index) is None
            process.kill()
            process.wait()
            note.write(url)  # its server was killed
            assert running(index) is None
    assert not list((tmp_path / "state" / "servers").iterdir())


def test_a_watch_waits_until_files_rest_and_goes_on_after_a_fault(tmp_path):
    watch = tmp_path / "clips"
    watch.mkdir()
    calls, told, faults = [], [], [DataError("a fault")]

    def put(name):
        """It comes whole: half a file may rest between two looks, where its writer has to wait for a processor."""
        write_wav(tmp_path / name)
        (tmp_path / name).rename(watch / name)

    def update(progress):
        progress(Step("extract", 1))
        calls.append(sorted(path.name for path in watch.glob("*.wav")))
        if faults:
            raise faults.pop()
        return Added(1, len(calls))

    put("a.wav")
    with watched(watch, folder_state(watch), update, told.append, seconds=0.01):
        put("b.wav")
        wait_for(lambda: calls)
        put("c.wav")
        wait_for(lambda: len(told) == 2)
    assert "a fault" in told[0] and told[1] == "1 clips added, 0 removed"
    assert calls[-1] == ["a.wav", "b.wav", "c.wav"]
    count = len(calls)
    put("d.wav")
    assert len(calls) == count


def test_a_watch_that_ends_stops_what_is_under_way(tmp_path):
    write_wav(tmp_path / "a.wav")
    steps, ends = [], []

    def update(progress):
        try:
            while True:
                steps.append(1)
                progress(Step("extract", len(steps)))
        finally:
            ends.append(1)

    with watched(tmp_path, folder_state(tmp_path), update, lambda _: None, seconds=0.01) as ended:
        write_wav(tmp_path / "b.wav")
        wait_for(lambda: steps)
        ended.set()
        wait_for(lambda: ends)


def test_of_many_bad_files_the_first_say_why_and_the_others_are_counted(tmp_path):
    write_table(tmp_path / FAILURES, ("id", "reason"), [(f"{i}.mp4", f"{i}.mp4: is empty") for i in range(5)])
    added = Added(added=1, kept=0, failed=5, failures=tmp_path / FAILURES)
    assert reasons(added) == ["0.mp4: is empty", "1.mp4: is empty", "2.mp4: is empty", "and 2 more"]
    assert reasons(Added(added=1, kept=0)) == []
