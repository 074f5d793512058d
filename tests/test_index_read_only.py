"""An index, its run and a store where nothing can be written: they are searched, served, verified and evaluated."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive import clip_database, clip_selection, clip_table
from avgzsl.archive.changing import writing
from avgzsl.archive.collection import open_index
from avgzsl.archive.indexing import index, index_add, index_info, index_rebuild, index_remove, index_verify
from avgzsl.archive.retrieval import index_evaluate
from avgzsl.archive.search import search
from avgzsl.errors import AvgzslError
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.features.feature_store import open_store
from avgzsl.media.workers import Decoders
from avgzsl.server.contract import HitChoice, Search
from avgzsl.server.index_archive import open_archive
from tests.test_store import make as write_store

ENGINES = ("memory", "lancedb")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A store, a run of it, an index an engine, and one that a killed writer has left."""
    folder = tmp_path_factory.mktemp("world") / "world"
    folder.mkdir()
    store = write_store(folder / "store")
    run = train(store, "least-squares", out=folder / "run").folder
    for engine in ENGINES:
        index(run, store, folder / engine, engine=engine)
    shutil.copytree(folder / "memory", folder / "killed")
    left = sqlite3.connect(folder / "killed" / clip_table.FILE, isolation_level=None)
    left.execute("update clips set label = 'changed' where position = 0")
    left.execute("delete from counts")
    kind = "label, has_audio, has_video"
    left.execute(f"insert into counts select {kind}, count(*) from clips group by {kind}")
    for name in ("clips.sqlite", "clips.sqlite-wal", "clips.sqlite-shm"):  # as they are while it is open
        shutil.copy(folder / "killed" / name, folder / "run")
    left.close()
    for name in ("clips.sqlite", "clips.sqlite-wal", "clips.sqlite-shm"):
        shutil.move(folder / "run" / name, folder / "killed" / name)
    shutil.copytree(folder / "killed", folder / "half", ignore=shutil.ignore_patterns("*-shm"))
    return folder


def read_all(folder: Path) -> dict[str, object]:
    """What each way of reading gives."""
    told: dict[str, object] = {}
    for name in (*ENGINES, "killed"):
        place = folder / name
        told[name] = [
            [hit.id for hit in search(place, "bell")],
            [hit.label for hit in search(place, "bell", where="label = changed")],
            index_info(place).clips,
            index_verify(place).json(),
        ]
        if name != "killed":
            told[name].append(index_evaluate(place, "test").results[0]["S"])
        with Decoders(1) as decoders:
            archive = open_archive(place, decoders, True)
            told[name].append([hit.clip.id for hit in archive.search(Search(HitChoice(3, None, None), "bell")).hits])
    for name, call in (("run", evaluate), ("store", lambda run: len(open_store(folder / "store")))):
        found = call(folder / "run")
        told[name] = found if name == "store" else found.results
    told["command"] = CliRunner().invoke(cli.app, ["evaluate", str(folder / "run")]).exit_code
    return told


def refusals(folder: Path) -> list[str]:
    """What is said to who would change something."""
    said = []
    for name in ENGINES:
        place, store = folder / name, folder / "store"
        for call in (
            lambda place=place, store=store: index_add(place, store),
            lambda place=place, store=store: index(folder / "run", store, place),
            lambda place=place: index_remove(place, ["c0"]),
            lambda place=place: index_remove(place, purge=True),
            lambda place=place: index_rebuild(place),
            lambda name=name, store=store: index(folder / "run", store, folder / f"new-{name}", engine=name),
        ):
            try:
                call()
                said.append("done")
            except AvgzslError as problem:
                said.append(str(problem))
    return said


def main() -> None:
    folder = Path(sys.argv[1])
    try:
        half = str(search(folder / "half", "bell"))
    except AvgzslError as problem:
        half = str(problem)
    print(json.dumps([os.access(folder, os.W_OK), read_all(folder), refusals(folder), half]))


def mounted(folder: Path, options: str) -> subprocess.CompletedProcess:
    """This file, run where the folder is mounted read-only, for it alone."""
    mount = f"mount --bind {folder} {folder} && mount -o remount,{options},bind {folder}"
    command = f"{mount} && exec {sys.executable} -m tests.test_index_read_only {folder}"
    return subprocess.run(["unshare", "-m", "bash", "-c", command], capture_output=True, text=True, timeout=110)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs mounts of its own (Linux)")
def test_on_storage_that_is_mounted_read_only(world):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("this user may not mount")
    ran = mounted(world, "ro")
    assert ran.returncode == 0, ran.stderr
    writable, found, refused, half = json.loads(ran.stdout.splitlines()[-1])
    assert not writable
    assert found == json.loads(json.dumps(read_all(world)))
    assert found["killed"][1] == ["changed"]
    assert all(found[name][3] == {"truth": [], "engine": [], "unanswered": []} for name in (*ENGINES, "killed"))
    assert found["command"] == 0
    assert len(refused) == 12 and all("read-only" in said for said in refused), refused
    assert "clips.sqlite-wal" in half and "copy the index" in half
    assert not any("restore" in said for said in [*refused, half])


def test_where_the_system_says_that_nothing_can_be_written(world, tmp_path, monkeypatch):
    """The same without a mount: what the system answers is made up."""
    folder = tmp_path / "world"
    shutil.copytree(world, folder)
    whole, open_file, connect = read_all(folder), os.open, sqlite3.connect
    shutil.rmtree(folder)
    shutil.copytree(world, folder)

    def is_below(path) -> bool:
        return isinstance(path, (str, Path)) and str(folder) in str(path)

    def refuses(path, flags, *mode, **named):
        if is_below(path) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return open_file(path, flags, *mode, **named)

    monkeypatch.setattr(os, "access", lambda path, mode: not (is_below(path) and mode & os.W_OK))
    monkeypatch.setattr(os, "open", refuses)

    def only_reads(name, *given, **named):
        assert not is_below(name) or "mode=ro" in name
        return connect(name, *given, **named)

    monkeypatch.setattr(sqlite3, "connect", only_reads)
    assert read_all(folder) == whole
    monkeypatch.setattr(sqlite3, "connect", connect)
    for call in (lambda: index_remove(folder / "memory", ["c0"]), lambda: index_rebuild(folder / "memory")):
        with pytest.raises(AvgzslError, match="is read-only here"):
            call()


def test_a_table_that_another_machine_changes_meanwhile_is_not_called_damaged(world, tmp_path, monkeypatch):
    """Read-only here, but written elsewhere: what is read at such a moment may be of two times."""
    shutil.copytree(world / "memory", tmp_path / "index")
    collection = open_index(tmp_path / "index")
    monkeypatch.setattr(clip_database, "_is_unwritable", lambda path: True)
    with pytest.raises(AvgzslError, match="changed by another machine"), clip_database.opened(collection.folder):
        os.utime(tmp_path / "index" / clip_table.FILE)
    with clip_database.opened(collection.folder) as db:
        assert len(clip_selection.positions(db)) == 18


def test_a_reader_cannot_change_the_table(world, tmp_path):
    shutil.copytree(world / "memory", tmp_path / "index")
    collection = open_index(tmp_path / "index")
    with pytest.raises(AvgzslError, match="readonly"), clip_database.opened(collection.folder) as db:
        db.execute("delete from clips")
    with writing(collection) as db:
        assert len(clip_selection.positions(db)) == 18


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
