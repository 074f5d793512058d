"""The record of the folders that a user named, and opening what lies in them."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from avgzsl.features.extract import extract
from avgzsl.features.feature_store import open_store
from avgzsl.support import own_folders
from avgzsl.support.own_folders import covering, open_inside, remember, remembered
from avgzsl.types import EncoderChoice
from tests.serve_world import SEEN, render


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder of the test's own."""
    monkeypatch.setenv("AVGZSL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_folders_are_noted_without_links_once_each_and_by_several_at_once(state, tmp_path):
    assert remembered() == ()
    there = [tmp_path / f"films {i}" for i in range(40)]
    for folder in there:
        folder.mkdir()
    (tmp_path / "link").symlink_to(there[0])
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(remember, [*there, tmp_path / "link", tmp_path / "films 1" / ".." / "films 2"]))
    assert set(remembered()) == {folder.resolve() for folder in there}
    assert len(list((state / "media").iterdir())) == len(there)


def test_a_folder_whose_name_is_no_text_is_noted(state, tmp_path):
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    strange.mkdir()
    remember(strange)
    assert remembered() == (strange.resolve(),)


def test_what_else_lies_in_the_record_is_passed_over(state, tmp_path):
    remember(tmp_path)
    notes = state / "media"
    (notes / "note").write_text("/")
    (notes / ("0" * 64)).write_text("/")
    (notes / "folder").mkdir()
    os.mkfifo(notes / "pipe")
    (notes / "dangling").symlink_to("nowhere")
    assert remembered() == (tmp_path.resolve(),)


def test_a_damaged_note_is_written_anew(state, tmp_path):
    remember(tmp_path)
    (note,) = (state / "media").iterdir()
    note.write_bytes(b"")
    assert remembered() == ()
    remember(tmp_path)
    assert remembered() == (tmp_path.resolve(),)


def test_a_record_that_cannot_be_written_stops_nobody(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("AVGZSL_STATE", str(tmp_path / "file"))
    remember(tmp_path)
    assert remembered() == ()


def test_a_folder_covers_what_lies_in_it_and_nothing_beside_it():
    films = Path("/films")
    for inside in ("/films/a.mp4", "/films/b/c.mp4"):
        assert covering(Path(inside), [Path("/other"), films]) == films
    for outside in ("/films", "/films2/a.mp4", "/film", "/", "/Films/a.mp4"):
        assert covering(Path(outside), [films]) is None


def test_extraction_notes_the_folder_that_was_named_and_the_root_in_a_store_notes_nothing(state, tmp_path):
    render(tmp_path / "clips" / "a.mp4", SEEN[0], seed=1)
    extract(tmp_path / "clips", tmp_path / "store", encoders=EncoderChoice(audio="descriptors"), workers=1)
    assert remembered() == ((tmp_path / "clips").resolve(),)
    for note in (state / "media").iterdir():
        note.unlink()
    open_store(tmp_path / "store")
    assert remembered() == ()


@pytest.fixture
def films(tmp_path):
    folder = tmp_path.resolve() / "films"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "a").write_bytes(b"inside")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a").write_bytes(b"secret")
    return folder


def test_a_file_inside_is_opened(films):
    with open_inside(films, films / "deep" / "er" / "a") as file:
        assert file.read() == b"inside"


@pytest.mark.parametrize("part", ["deep", "deep/er", "deep/er/a"])
def test_no_part_of_the_way_may_be_a_link(films, part):
    """As when something is put in its place after one looked."""
    place, target = films / part, films.parent / "secret"
    place.rename(films.parent / "was")
    (target / "er").mkdir()
    (target / "er" / "a").write_bytes(b"secret")
    place.symlink_to(target / "a" if part.endswith("a") else target)
    with pytest.raises(OSError, match=f"{os.strerror(errno.ELOOP)}|{os.strerror(errno.ENOTDIR)}"):
        open_inside(films, films / "deep" / "er" / "a")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_opened_and_not_waited_for(films, make):
    make(films / "strange")
    with pytest.raises(OSError, match="is no file"):
        open_inside(films, films / "strange")


def test_a_way_out_is_refused(films):
    for path in (films / ".." / "secret" / "a", films / "deep" / ".." / ".." / "secret" / "a"):
        with pytest.raises(OSError, match="leaves the folder"):
            open_inside(films, path)
    with pytest.raises(ValueError, match="is not in the subpath"):
        open_inside(films, films.parent / "secret" / "a")


def test_without_folders_to_open_from_the_file_is_still_a_file(films, monkeypatch):
    monkeypatch.setattr(own_folders, "_BY_FOLDERS", False)
    with open_inside(films, films / "deep" / "er" / "a") as file:
        assert file.read() == b"inside"
