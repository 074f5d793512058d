"""Files of an index that are replaced, touched, moved or gone: what is said, and what brings the index up to date."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive import clip_table, indexed_files
from avgzsl.archive.collection import open_index, view
from avgzsl.archive.file_check import index_files
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.archive.indexing import index, index_add, index_remove, index_verify
from avgzsl.archive.relocation import index_move
from avgzsl.archive.search import search
from avgzsl.errors import ConfigError, DataError
from avgzsl.features.extract import extract
from avgzsl.support import own_folders
from avgzsl.types import EncoderChoice
from tests.serve_world import SEEN, UNSEEN, render, world

NAMES = ("a/one.mp4", "a/two.mp4", "b/three.mp4")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Clips, and what an index of them is made of."""
    folder = tmp_path_factory.mktemp("made")
    for i, name in enumerate(NAMES):
        render(folder / "clips" / name, SEEN[i], seed=i)
    render(folder / "other.mp4", UNSEEN[0], seed=9)
    return folder


@pytest.fixture
def clips(made, tmp_path):
    """A folder of clips that a test may spoil."""
    shutil.copytree(made / "clips", tmp_path / "clips")
    return (tmp_path / "clips").resolve()


@pytest.fixture
def archive(clips, tmp_path):
    assert index(world() / "run", clips, tmp_path / "index", engine="memory").added == 3
    return tmp_path / "index"


def states(archive, **how):
    return {Path(one.path).name: one.state for one in index_files(archive, **how)}


def rows(archive):
    """Of each clip: where it stands, what it was, and its embedding."""
    collection = open_index(archive)
    with view(collection) as seen:
        here = seen.positions()
        return {
            clip.id: (int(position), clip.path, clip.file, seen.rows[position].tobytes())
            for position, clip in zip(here, seen.clips(here), strict=True)
        }


def spoil(path, by):
    """Changes of a file that can be told from its size, from its time, or from its bytes alone."""
    was, content = path.stat(), path.read_bytes()
    if by in ("size", "length"):
        path.write_bytes(content + b"\0")
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    if by in ("bytes", "length"):
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def run(*arguments):
    wide = {"COLUMNS": "1000"}  # no cell of a table is wrapped
    ran = CliRunner().invoke(cli.app, [str(one) for one in arguments], env=wide)
    return ran.exit_code, " ".join(ran.output.split())


def test_an_index_knows_what_its_files_were(archive, clips):
    from hashlib import sha256

    for name, (_, path, file, _) in rows(archive).items():
        status, content = (clips / name).stat(), (clips / name).read_bytes()
        assert path == str(clips / name)
        assert file == IndexedFile(status.st_size, status.st_mtime_ns, sha256(content).hexdigest())
    assert set(states(archive).values()) == {"same"}


@pytest.mark.parametrize(
    ("by", "quick"), [("size", "changed"), ("length", "changed"), ("time", "changed"), ("bytes", "same")]
)
def test_a_changed_file_is_said_to_be_one(archive, clips, by, quick):
    spoil(clips / NAMES[0], by)
    assert states(archive) == {"one.mp4": quick, "two.mp4": "same", "three.mp4": "same"}
    assert states(archive, hash=True) == {"one.mp4": "changed", "two.mp4": "same", "three.mp4": "same"}


def test_a_file_of_the_same_bytes_is_the_same_whatever_its_time(archive, clips):
    os.utime(clips / NAMES[0], (1, 1))
    (clips / "copy").write_bytes((clips / NAMES[1]).read_bytes())
    (clips / "copy").replace(clips / NAMES[1])
    assert set(states(archive).values()) == {"same"}


def gone(path):
    path.unlink()


def folder_instead(path):
    path.unlink()
    path.mkdir()


def pipe_instead(path):
    path.unlink()
    os.mkfifo(path)


def dangling(path):
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize("vanish", [gone, folder_instead, pipe_instead, dangling])
def test_a_file_that_is_none_any_more_is_gone_and_nothing_waits_for_it(archive, clips, vanish):
    vanish(clips / NAMES[2])
    assert states(archive, hash=True) == {"one.mp4": "same", "two.mp4": "same", "three.mp4": "gone"}


def test_verify_says_which_files_changed_or_are_gone(archive, clips):
    code, told = run("index-verify", archive)
    assert code == 0 and "as it was written" in told
    spoil(clips / NAMES[0], "size")
    (clips / NAMES[2]).unlink()
    code, told = run("index-verify", archive)
    assert code == 1 and "as it was written" in told
    assert f"changed since: {clips / NAMES[0]}" in told and f"gone: {clips / NAMES[2]}" in told
    assert NAMES[1] not in told and "of 3 files 1 changed since they were indexed, 1 are gone" in told
    steps = []
    files = index_files(archive, progress=steps.append)
    assert [(step.done, step.total, step.item) for step in steps] == [(i, 3, files[i - 1].path) for i in (1, 2, 3)]
    assert files.paths("gone") == [str(clips / NAMES[2])] and [row["path"] for row in files.rows()][2:] == [
        str(clips / NAMES[2])
    ]
    assert index_verify(archive).rows() == []


def test_verify_compares_by_hash_when_it_is_asked_to(archive, clips):
    spoil(clips / NAMES[1], "bytes")
    assert run("index-verify", archive)[0] == 0
    code, told = run("index-verify", archive, "--hash")
    assert code == 1 and f"changed since: {clips / NAMES[1]}" in told


@pytest.mark.parametrize("by", ["size", "time"])
def test_hits_of_a_changed_file_say_so(archive, clips, by):
    spoil(clips / NAMES[0], by)
    (clips / NAMES[2]).unlink()
    found = {hit.id: (hit.file, hit.missing) for hit in search(archive, SEEN[0])}
    assert found == {NAMES[0]: ("changed", False), NAMES[1]: ("same", False), NAMES[2]: ("gone", True)}
    told = run("search", archive, SEEN[0])[1]
    assert told.count("(changed since)") == 1 and told.count("(the file is gone)") == 1
    assert '"file": "changed"' in run("search", archive, SEEN[0], "--json")[1]


def test_a_search_reads_nothing_of_files_that_the_user_never_named(archive, clips, monkeypatch, tmp_path):
    os.utime(clips / NAMES[0], (1, 1))
    monkeypatch.setenv("AVGZSL_STATE", str(tmp_path / "of nobody"))
    monkeypatch.setattr(indexed_files, "has_bytes", lambda *_: pytest.fail("it was read"))
    assert {hit.id: hit.file for hit in search(archive, SEEN[0])}[NAMES[0]] == "touched"


def test_the_same_command_brings_a_replaced_file_up_to_date(archive, clips, made):
    before = rows(archive)
    shutil.copyfile(made / "other.mp4", clips / NAMES[0])
    again = index(world() / "run", clips, archive)
    assert (again.added, again.kept, again.pruned) == (1, 2, 0)
    after = rows(archive)
    assert set(after) == set(before) and after[NAMES[0]][3] != before[NAMES[0]][3]
    assert all(after[name] == before[name] for name in NAMES[1:])
    assert set(states(archive, hash=True).values()) == {"same"}
    index(world() / "run", made / "clips", archive.with_name("fresh"), engine="memory")
    assert rows(archive.with_name("fresh"))[NAMES[1]][3] == after[NAMES[1]][3]


def test_the_same_command_notes_a_new_time_and_embeds_nothing(archive, clips):
    os.utime(clips / NAMES[0], (1, 1))
    before = rows(archive)
    assert index_add(archive, clips).added == 0
    after = rows(archive)
    assert after[NAMES[0]][2].mtime_ns == 10**9 and after[NAMES[0]][0] == before[NAMES[0]][0]


def test_gone_files_stay_until_they_are_pruned(archive, clips):
    (clips / NAMES[2]).unlink()
    assert index_add(archive, clips).kept == 2
    assert set(rows(archive)) == set(NAMES)
    code, told = run("index-add", archive, clips, "--prune")
    assert code == 0 and "1 removed whose files are gone" in told
    assert set(rows(archive)) == set(NAMES[:2])
    assert (archive / clip_table.FILE).read_bytes().find(b"three.mp4") < 0 or index_remove(archive, [], purge=True)
    assert b"three.mp4" not in (archive / clip_table.FILE).read_bytes()


def test_pruning_takes_nothing_of_other_folders(archive, clips, made, tmp_path):
    for beside in ("clips2", "other"):  # one whose name begins alike
        render(tmp_path / beside / "x" / f"{beside}.mp4", SEEN[0], seed=5)
        index_add(archive, tmp_path / beside)
        (tmp_path / beside / "x" / f"{beside}.mp4").unlink()
    (clips / NAMES[0]).unlink()
    assert index_add(archive, clips, prune=True).pruned == 1
    assert set(rows(archive)) == {*NAMES[1:], "x/clips2.mp4", "x/other.mp4"}


@pytest.mark.parametrize("source", ["media", "store"])
@pytest.mark.parametrize("empty", [True, False])
def test_nothing_is_pruned_where_the_disk_is_not_mounted(archive, clips, tmp_path, source, empty):
    given = clips
    if source == "store":
        given = tmp_path / "store"
        extract(clips, given, encoders=EncoderChoice(audio="descriptors", video="descriptors"), workers=1)
    clips.rename(tmp_path / "away")
    if empty:
        clips.mkdir()
    with pytest.raises(DataError):
        index_add(archive, given, prune=True)
    assert set(rows(archive)) == set(NAMES)


def test_what_is_out_of_reach_is_not_pruned(archive, clips, monkeypatch):
    really = os.stat

    def forbidden(path, *how, **more):
        if str(path).endswith("three.mp4"):
            raise PermissionError(13, "Permission denied")
        return really(path, *how, **more)

    monkeypatch.setattr(os, "stat", forbidden)
    assert not indexed_files.is_gone(str(clips / NAMES[2]))
    monkeypatch.undo()
    (clips / NAMES[2]).unlink()
    assert indexed_files.is_gone(str(clips / NAMES[2]))


def test_features_without_files_cannot_be_pruned(tmp_path):
    from avgzsl.experiments.train_evaluate import train
    from tests.small_set import write_set

    data = write_set(tmp_path / "set")
    made = train(data, "least-squares", out=tmp_path / "run").folder
    with pytest.raises(ConfigError, match="--prune"):
        index(made, data, tmp_path / "index", engine="memory", prune=True)


@pytest.mark.parametrize("spelled", ["absolute", "relative", "dots", "slash", "link"])
def test_an_archive_that_was_moved(archive, clips, tmp_path, monkeypatch, spelled):
    before = rows(archive)
    new = tmp_path / "disk" / "films"
    new.parent.mkdir()
    clips.rename(new)
    monkeypatch.chdir(tmp_path)
    old = {
        "absolute": clips,
        "relative": "clips",
        "dots": "disk/../clips",
        "slash": f"{clips}/",
        "link": "linked/clips",
    }
    (tmp_path / "linked").symlink_to(tmp_path)
    assert set(states(archive).values()) == {"gone"}
    steps = []
    moved = index_move(archive, old[spelled], "disk/films", progress=steps.append)
    assert [(step.task, step.done, step.total) for step in steps] == [("files", done, 3) for done in (1, 2, 3)]
    assert moved.clips == 3 and {one.state for one in moved.files} == {"same"}
    assert moved.json() == {"clips": 3, "files": [{"path": str(new / name), "state": "same"} for name in sorted(NAMES)]}
    after = rows(archive)
    assert {name: row[1] for name, row in after.items()} == {name: str(new.resolve() / name) for name in NAMES}
    assert all((after[name][0], *after[name][2:]) == (before[name][0], *before[name][2:]) for name in NAMES)
    assert set(states(archive, hash=True).values()) == {"same"}
    assert new.resolve() in own_folders.remembered()
    assert index_verify(archive).rows() == []
    again = index_add(archive, new)
    assert (again.added, again.kept) == (0, 3)
    assert len(list((archive / "stores").iterdir())) == 1  # nothing was extracted again


def test_a_move_says_which_files_are_missing_or_others(archive, clips, tmp_path):
    new = tmp_path / "new"
    shutil.copytree(clips, new, copy_function=shutil.copyfile)  # other times, same bytes
    spoil(new / NAMES[0], "size")
    (new / NAMES[1]).unlink()
    shutil.rmtree(clips)
    code, told = run("index-move", archive, clips, new)
    assert code == 1 and "3 clips of 3 files" in told
    assert f"changed since: {new.resolve() / NAMES[0]}" in told and f"gone: {new.resolve() / NAMES[1]}" in told
    assert states(archive) == {"one.mp4": "changed", "two.mp4": "gone", "three.mp4": "same"}
    assert rows(archive)[NAMES[2]][2].mtime_ns == (new / NAMES[2]).stat().st_mtime_ns


def test_a_move_to_a_wrong_place_changes_nothing(archive, clips, tmp_path):
    before = rows(archive)
    (tmp_path / "empty").mkdir()
    no_text = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    shutil.copytree(clips, no_text)
    for old, new, why in (
        (clips, tmp_path / "empty", "none of the 3 files"),
        (clips, tmp_path / "nowhere", "no folder"),
        (clips, clips / NAMES[0], "no folder"),
        (clips, tmp_path / ("long" * 999), "no folder"),
        (clips, "\0", "no folder"),
        (clips, no_text, "not UTF-8"),
        (tmp_path / "elsewhere", clips, "no clip of this index lies in"),
        (str(clips)[:-1], clips, "no clip of this index lies in"),  # a name that begins alike
    ):
        with pytest.raises(DataError, match=why):
            index_move(archive, old, new)
    assert rows(archive) == before


def test_a_move_into_a_folder_of_the_old_one(archive, clips, tmp_path):
    """The names of before and after overlap."""
    clips.rename(tmp_path / "away")
    (tmp_path / "away").mkdir(exist_ok=True)
    clips.mkdir()
    (tmp_path / "away").rename(clips / "a")
    index_move(archive, clips, clips / "a")
    assert set(states(archive, hash=True).values()) == {"same"}


def old_index(archive):
    """As one was before it said what its files were."""
    db = sqlite3.connect(archive / clip_table.FILE)
    db.execute("drop table files")
    db.commit()
    db.close()
    return archive


def test_an_older_index_opens_and_says_what_it_cannot_say(archive, clips):
    old_index(archive)
    assert set(states(archive, hash=True).values()) == {"unknown"}
    code, told = run("index-verify", archive)
    assert code == 0 and "3 files are there" in told and f"index-add {archive}" in told
    assert {hit.file for hit in search(archive, SEEN[0])} == {"unknown"}
    index_move(archive, clips.parent, clips.parent)
    assert index_add(archive, clips).added == 0
    assert set(states(archive, hash=True).values()) == {"same"}


def test_a_removed_clip_leaves_no_trace_of_its_file(archive, clips):
    index_remove(archive, [NAMES[0]], purge=True)
    for file in archive.rglob("clips.sqlite*"):
        assert b"one.mp4" not in file.read_bytes()
    assert set(states(archive).values()) == {"same"}


def test_a_path_that_is_no_text_is_damage(archive):
    db = sqlite3.connect(archive / clip_table.FILE)
    strict = db.execute("select sql from sqlite_master where name = 'clips'").fetchone()[0]
    loose = strict.replace("strict", "")
    kept = db.execute("select sql from sqlite_master where type = 'index' and sql is not null").fetchall()
    db.executescript(f"alter table clips rename to was; {loose}; insert into clips select * from was; drop table was")
    for (made,) in kept:
        db.execute(made)
    db.execute("pragma writable_schema = on")  # it says that it is strict
    db.execute("update sqlite_master set sql = ? where name = 'clips'", (strict,))
    db.execute("update clips set path = x'2f'")
    db.commit()
    db.close()
    for ask in (index_files, lambda made: search(made, SEEN[0])):
        with pytest.raises(DataError, match="damaged"):
            ask(archive)
