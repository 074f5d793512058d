"""What stands in an index that somebody else made, or that is damaged: read, or refused by name, and in time."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pytest
import torch

from avgzsl.archive import clip_database, clip_table
from avgzsl.archive.collection import Collection, open_index
from avgzsl.archive.embeddings import FILE
from avgzsl.archive.indexing import index, index_add, index_info, index_rebuild, index_verify
from avgzsl.archive.nearest import nearest
from avgzsl.archive.repair import verify
from avgzsl.archive.search import search
from avgzsl.errors import AvgzslError, DataError, RunError
from avgzsl.experiments.calibration import RECOGNITION
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.train_evaluate import train
from avgzsl.features.journal import open_journal
from tests.index_world import collection_of, here, random_embeddings
from tests.small_set import write_set

POINT = here(torch.randn(6, generator=torch.Generator().manual_seed(9)))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def made(data, tmp_path_factory) -> dict[str, Path]:
    """An index an engine on disk."""
    folder = tmp_path_factory.mktemp("made")
    run = train(data, "least-squares", out=folder / "run").folder
    (run / RECOGNITION).unlink()  # no energy term: vectors of 6 numbers, rows of 13
    for engine in ("memory", "lancedb"):
        index(run, data, folder / engine, split="val", engine=engine)
    return {engine: folder / engine for engine in ("memory", "lancedb")}


@pytest.fixture
def foreign(made, tmp_path):
    """A copy of an index, to be changed as its maker likes."""

    def copy(kind: str = "memory") -> Path:
        folder = tmp_path / "foreign"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made[kind], folder)
        return folder

    return copy


@contextmanager
def table(folder: Path) -> Iterator[sqlite3.Connection]:
    """The table in its maker's hands: what he does to it is not checked."""
    db = sqlite3.connect(folder / clip_table.FILE, isolation_level=None)
    db.execute("pragma writable_schema = on")
    db.execute("pragma ignore_check_constraints = on")
    yield db
    db.close()


def as_if_not_strict(db: sqlite3.Connection, statement: str) -> None:
    """Values of any type in columns of one."""
    schema = db.execute("select sql from sqlite_schema where name = 'clips'").fetchone()[0]
    loose = schema.replace(" strict", "").replace(" not null", "")
    db.execute("update sqlite_schema set sql = ? where name = 'clips'", (loose,))
    path = db.execute("pragma database_list").fetchone()[2]
    db.close()
    with sqlite3.connect(path) as again:
        again.executescript(statement)
    again.close()
    with sqlite3.connect(path) as again:
        again.execute("pragma writable_schema = on")
        again.execute("update sqlite_schema set sql = ? where name = 'clips'", (schema,))
    again.close()


SCHEMAS = {
    "trigger": "create trigger t after insert on clips begin delete from clips; end",
    "trigger on a search": "create trigger t after update on state begin select load_extension('x'); end",
    "view": "create view more as select * from clips",
    "clips as a view": "alter table clips rename to kept; create view clips as select * from kept",
    "virtual table": "create virtual table v using fts5(x)",
    "another table": "create table more (x)",
    "an index": "create index i on clips (label)",
    "an index by a function": "create index i on clips (lower(label))",
    "a column": "alter table clips add column more text",
    "a generated column": "alter table clips add column more text as (upper(label))",
    "no table": "drop table clips",
    "no state": "drop table state",
    "statistics": "analyze",
}


@pytest.mark.parametrize("what", SCHEMAS)
def test_a_table_with_more_or_less_than_an_index_has_is_refused(what, foreign, data):
    folder = foreign()
    with table(folder) as db:
        db.executescript(SCHEMAS[what])
    before = (folder / clip_table.FILE).read_bytes()
    for call in (lambda: search(folder, "dog"), lambda: index_info(folder), lambda: index_add(folder, data)):
        with pytest.raises(DataError, match="does not have the tables of an index"):
            call()
    assert (folder / clip_table.FILE).read_bytes() == before


VALUES = {
    "position below": "update clips set position = -1 where position = 3",
    "position beyond": "update clips set position = 10000 where position = 3",
    "position far beyond": "update clips set position = 9223372036854775807 where position = 3",
    "dead beyond": "insert into dead values (77)",
    "dead below": "insert into dead values (-1)",
    "end too large": 'update state set "end" = 4000000000, applied = 4000000000',
    "end huge": 'update state set "end" = 9223372036854775807',
    "end below": 'update state set "end" = -5, applied = -6',
    "applied beyond": "update state set applied = 10000",
    "generation below": "update state set generation = -1",
    "no state": "delete from state",
    "length below": "update lengths set largest = -1.0",
    "time infinite": 'update clips set "end" = 9e999',
}
TYPES = {
    "label a blob": "update clips set label = x'ff00'",
    "label no UTF-8": "update clips set label = cast(x'ff41' as text)",
    "id no UTF-8": "update clips set id = cast(x'c328' || position as text)",
    "id absent": "update clips set id = null where position = 3",
    "start a text": "update clips set start = 'soon'",
    "flag a text": "update clips set has_audio = 'perhaps'",
    "flag absent": "update clips set has_audio = null",
    "huge text": "update clips set label = cast(zeroblob(20000000) as text) where position = 3",
    "huge blob": "update clips set label = zeroblob(20000000) where position = 3",
}


def tried(folder: Path, kinds: type[Exception] = AvgzslError) -> list[str]:
    """What is said, at opening and where it was opened before; nothing but named errors, and nothing else but hits."""
    said = []
    for call in (
        lambda: [(hit.id, hit.distance) for hit in search(folder, "dog")],
        lambda: [(hit.id, hit.distance) for hit in search(folder, "dog", where="label contains o")],
        lambda: index_info(folder).json(),
        lambda: index_verify(folder).json(),
    ):
        try:
            found = call()
            json.dumps(found, allow_nan=False)
        except kinds as problem:
            said.append(str(problem))
    return said


@pytest.mark.parametrize("what", [*VALUES, *TYPES])
def test_values_that_cannot_be_are_a_named_error(what, made, foreign):
    folder = foreign()
    opened = open_index(folder)  # as a server has it
    if what in VALUES:
        with table(folder) as db:
            db.executescript(VALUES[what])
    else:
        with table(folder) as db:
            as_if_not_strict(db, TYPES[what])
    assert tried(folder)
    outcomes = []
    for k in (3, 20):
        try:
            outcomes.append([clip.id for clip in nearest(opened, here(torch.ones(5)), k, opened.modes[-1]).clips])
        except DataError as problem:
            outcomes.append(str(problem))
    whole = open_index(made["memory"])
    right = [[clip.id for clip in nearest(whole, here(torch.ones(5)), k, whole.modes[-1]).clips] for k in (3, 20)]
    assert all(isinstance(one, str) or one == other for one, other in zip(outcomes, right, strict=True)) or (
        what in ("flag a text", "flag absent", "length below", "id no UTF-8", "generation below")
    )


def test_a_table_that_goes_round_in_circles_is_refused_in_time(tmp_path):
    """Every branch of the tree leads to the same one: SQLite itself would read it for ever."""
    collection = collection_of(tmp_path, random_embeddings(3000, 6, seed=1))
    path = tmp_path / clip_table.FILE
    db = sqlite3.connect(path)
    db.execute("pragma wal_checkpoint(truncate)")
    size, root = db.execute("pragma page_size").fetchone()[0], 0
    root = db.execute("select rootpage from sqlite_schema where name = 'clips'").fetchone()[0]
    db.close()
    content = bytearray(path.read_bytes())
    page = (root - 1) * size
    assert content[page] == 5  # an inner page
    cells = int.from_bytes(content[page + 3 : page + 5], "big")
    assert cells > 3
    for cell in range(cells):
        at = page + int.from_bytes(content[page + 12 + 2 * cell : page + 14 + 2 * cell], "big")
        content[at : at + 4] = (root).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"), clip_database.opened(tmp_path) as db:
        clip_database.require_sound(db, tmp_path)
    with pytest.raises(DataError, match="is damaged"):
        nearest(collection, POINT, 10, Mode("both", "equal"))


def test_no_journal_makes_sqlite_delete_a_file_of_the_user(foreign, data, tmp_path):
    """A journal of a change to several files names another journal, which SQLite removes when it has gone back."""
    mine = tmp_path / "mine.txt"
    for target in ("clips.sqlite", ".writer.sqlite", ".writer.lock"):
        folder = foreign()
        mine.write_text("mine")
        (folder / target).touch()
        hot_journal(folder / target, mine)
        if target == "clips.sqlite":
            assert "journal" in search_says(folder)
            with pytest.raises(DataError, match="journal"):
                index_add(folder, data, split="test")
        else:
            index_add(folder, data, split="test")
        assert mine.read_text() == "mine"
    journal = tmp_path / "store" / "journal.sqlite"
    with open_journal(journal):
        pass
    hot_journal(journal, mine)
    with pytest.raises(RunError, match="names another file"), open_journal(journal):
        pass
    assert mine.read_text() == "mine"


def hot_journal(database: Path, names: Path) -> None:
    """A journal that is to be played back, of no page, by a change to several files."""
    magic, pages, name = bytes.fromhex("d9d505f920a163d7"), database.stat().st_size // 4096, os.fsencode(names)
    numbers = (0, 0, pages, 512, 4096)
    head = (magic + b"".join(n.to_bytes(4, "big") for n in numbers)).ljust(512, b"\0")
    tail = [(0x40000000 // 4096 + 1), len(name), sum(name)]
    first, *rest = (n.to_bytes(4, "big") for n in tail)
    database.with_name(f"{database.name}-journal").write_bytes(head + first + name + b"".join(rest) + magic)


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\0" + bytes(84)])
@pytest.mark.parametrize("name", [".writer.lock", ".writer.sqlite"])
def test_what_the_lock_holds_does_not_matter(name, content, foreign, data):
    folder = foreign()
    (folder / name).write_bytes(content)
    assert index_add(folder, data, split="test").added == 25
    assert index_verify(folder).rows() == []


RECORDS = {
    "dimension": 10**12,
    "dimension ": 10**400,
    "dimension  ": 6,
    "dimension   ": 1e30,
    "parts": ["audio", "audio"],
    "parts ": ["audio"] * 100_000,
    "parts  ": [],
    "parts   ": ["video", "audio"],
    "parts    ": ["joint"],
    "engine": "../../../../tmp/x",
    "engine ": "base",
    "engine  ": "",
    "engine   ": "_lance_manifest",
    "id": "../../../etc",
    "id ": "0" * 16 + "\n",
    "format": -(10**30),
    "run": "\x1b[2J",
    "url": 5,
    "more": 1,
}


@pytest.mark.parametrize("what", RECORDS)
def test_a_record_that_cannot_be_is_a_named_error(what, foreign, data):
    folder = foreign()
    record = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**record, what.strip(): RECORDS[what]}))
    for call in (lambda: search(folder, "dog"), lambda: index_info(folder), lambda: index_add(folder, data)):
        with pytest.raises(AvgzslError) as told:
            call()
        assert len(str(told.value)) < 3000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(np.full(20 * 13, np.nan, np.float32).tobytes()),
        lambda path: path.write_bytes(np.full(20 * 13, 3e38, np.float32).tobytes()),
        lambda path: path.write_bytes(np.full(20 * 13, 7, np.float32).tobytes()),
        lambda path: path.write_bytes(np.full(20 * 13, -1, np.int32).tobytes()),
    ],
)
@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_embeddings_that_cannot_be_are_a_named_error(engine, spoil, foreign):
    folder = foreign(engine)
    opened = open_index(folder)
    assert opened.record.dimensions == {"audio": 5, "video": 5}
    spoil(folder / FILE)
    with pytest.raises(DataError):
        search(folder, "dog")
    with pytest.raises(DataError):
        nearest(opened, here(torch.ones(5)), 3, opened.modes[-1])
    assert index_verify(folder).truth


def test_a_longer_file_of_embeddings_is_what_a_killed_write_leaves(foreign, data):
    folder = foreign()
    with (folder / FILE).open("ab") as stream:
        stream.write(b"x" * 1001)
    hits = search(folder, "dog", top=30)
    assert len(hits) == 20 and index_verify(folder).rows() == []
    assert index_add(folder, data, split="test").added == 25
    assert index_verify(folder).rows() == []


@pytest.mark.parametrize("file", [FILE, "engine"])
def test_a_file_of_holes_is_refused_in_time(file, foreign):
    folder = foreign()
    opened = open_index(folder)
    with table(folder) as db:
        db.execute('update state set "end" = 1000000000, applied = 1000000000')
    paths = [folder / FILE, *(sorted((folder / "engine").iterdir()) if file == "engine" else [])]
    for path in paths:
        with path.open("r+b") as stream:
            stream.truncate(1 << 40)
    assert search_says(folder) and index_verify(folder).truth
    with pytest.raises(DataError):
        nearest(opened, here(torch.ones(5)), 3, opened.modes[-1])


def search_says(folder: Path) -> str:
    with pytest.raises(DataError) as told:
        search(folder, "dog")
    return str(told.value)


ENGINES = {
    "empty": lambda path, rows: path.write_bytes(b""),
    "half": lambda path, rows: path.write_bytes(rows[:9].tobytes()),
    "NaN": lambda path, rows: path.write_bytes(np.full_like(rows, np.nan).tobytes()),
    "one NaN": lambda path, rows: path.write_bytes(
        (rows + np.where(rows == rows.max(), np.nan, 0)).astype("f4").tobytes()),
    "infinite": lambda path, rows: path.write_bytes(np.full_like(rows, -np.inf).tobytes()),
    "gone": lambda path, rows: path.unlink(),
}  # fmt: skip


@pytest.mark.parametrize("what", ENGINES)
def test_vectors_of_the_memory_engine_that_cannot_be_are_told_and_made_anew(what, made, foreign):
    folder = foreign()
    for path in sorted((folder / "engine").iterdir()):
        ENGINES[what](path, np.fromfile(path, np.float32).reshape(-1, 6))
    assert "index-rebuild" in search_says(folder)
    assert index_verify(folder).engine
    index_rebuild(folder)
    assert [hit.id for hit in search(folder, "dog")] == [hit.id for hit in search(made["memory"], "dog")]


def vectors(n: int, d: int = 6, fill: float | None = None) -> pa.Array:
    values = np.random.default_rng(0).standard_normal(n * d) if fill is None else np.full(n * d, fill)
    return pa.FixedSizeListArray.from_arrays(pa.array(values, pa.float32()), d)


TABLES = {
    "no vectors": lambda: pa.table({"position": pa.array([], pa.int64()), "vector": vectors(0)}),
    "too few": lambda: pa.table({"position": np.arange(9), "vector": vectors(9)}),
    "other names": lambda: pa.table({"place": np.arange(20), "vector": vectors(20)}),
    "more columns": lambda: pa.table({"position": np.arange(20), "vector": vectors(20), "x": np.arange(20)}),
    "other numbers": lambda: pa.table({"position": np.arange(20, dtype=np.int32), "vector": vectors(20)}),
    "other width": lambda: pa.table({"position": np.arange(20), "vector": vectors(20, 5)}),
    "texts": lambda: pa.table({"position": ["a"] * 20, "vector": vectors(20)}),
    "NaN": lambda: pa.table({"position": np.arange(20), "vector": vectors(20, fill=np.nan)}),
    "infinite": lambda: pa.table({"position": np.arange(20), "vector": vectors(20, fill=np.inf)}),
}


@pytest.mark.parametrize("what", [*TABLES, "elsewhere", "cut", "gone"])
def test_tables_of_lancedb_that_cannot_be_are_told_and_made_anew(what, made, foreign, tmp_path):
    folder = foreign("lancedb")
    connection = lancedb.connect(folder / "engine" / "lancedb")
    for name in [path.stem for path in sorted((folder / "engine" / "lancedb").iterdir())]:
        place = folder / "engine" / "lancedb" / f"{name}.lance"
        if what in TABLES:
            filled = {"on_bad_vectors": "fill", "fill_value": np.nan} if what == "NaN" else {}
            connection.create_table(name, TABLES[what](), mode="overwrite", **filled)
        elif what == "gone":
            shutil.rmtree(place)
        elif what == "cut":
            for manifest in (place / "_versions").glob("*.manifest"):
                manifest.write_bytes(manifest.read_bytes()[:-30])
        else:  # the data of another table, which is not in the index
            aside = tmp_path / "aside" / place.name
            shutil.copytree(place, aside)
            shutil.rmtree(place)
            connection.clone_table(name, str(aside), is_shallow=True)
            before = {path: path.stat().st_atime_ns for path in aside.rglob("*") if path.is_file()}
    assert "index-rebuild" in search_says(folder)
    assert index_verify(folder).engine
    if what == "elsewhere":
        assert "lie elsewhere" in search_says(folder)
        assert {path: path.stat().st_atime_ns for path in aside.rglob("*") if path.is_file()} == before
    index_rebuild(folder)
    assert index_verify(folder).rows() == []
    assert [hit.id for hit in search(folder, "dog")] == [hit.id for hit in search(made["lancedb"], "dog")]


@pytest.mark.parametrize(
    "positions", [[-1] * 20, [10**15] * 20, list(range(100, 120)), [0] * 20, list(range(19, -1, -1))]
)
def test_positions_of_a_table_of_lancedb_that_are_none_give_no_hit(positions, made, foreign):
    folder = foreign("lancedb")
    connection = lancedb.connect(folder / "engine" / "lancedb")
    for name in [path.stem for path in sorted((folder / "engine" / "lancedb").iterdir())]:
        connection.create_table(name, pa.table({"position": list(positions), "vector": vectors(20)}), mode="overwrite")
    right = {hit.id: hit.score for hit in search(made["lancedb"], "dog", top=20)}
    if sorted(positions) == list(range(20)):  # vectors of other clips: the hits are true, if not the best
        assert all(right[hit.id] == pytest.approx(hit.score) for hit in search(folder, "dog", top=3))
    else:
        assert "index-rebuild" in search_says(folder)
    assert index_verify(folder).engine


def test_a_greatest_length_that_is_too_small_is_told_and_mended(tmp_path):
    """The bound by which a search stops hangs on it."""
    collection = collection_of(tmp_path, random_embeddings(300, 6, seed=7))
    db = sqlite3.connect(tmp_path / clip_table.FILE, isolation_level=None)
    db.execute("update lengths set largest = 0.001")
    db.close()
    assert "greatest length" in verify(collection).engine[0]
    from avgzsl.archive.repair import rebuild

    rebuild(Collection(collection.folder, collection.record, collection.run))
    assert verify(collection).rows() == []


def test_an_engine_that_does_not_answer_is_waited_for_once(made, monkeypatch):
    asked = []

    def nobody(seen, mode):
        asked.append(mode)
        raise AvgzslError("nobody is there")

    monkeypatch.setattr("avgzsl.archive.repair._engine_faults", nobody)
    faults = verify(open_index(made["memory"]))
    assert len(asked) == 1 and len(faults.unanswered) == 3 and not (faults.truth or faults.engine)
    assert all("not asked" in line for line in faults.unanswered[1:])
