"""An index on disk: what is in it, what survives, what is noticed."""

import dataclasses
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import unicodedata
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl import open_dataset
from avgzsl.archive import clip_selection, clip_table
from avgzsl.archive.changing import append, apply, purge, remove, writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, open_index, view
from avgzsl.archive.embeddings import FILE
from avgzsl.archive.fused import Space, fused
from avgzsl.archive.indexing import (
    index,
    index_add,
    index_info,
    index_rebuild,
    index_remove,
    index_verify,
)
from avgzsl.archive.nearest import nearest
from avgzsl.archive.repair import rebuild, verify
from avgzsl.archive.results import Removed
from avgzsl.archive.where import ColumnComparison, parse
from avgzsl.errors import AvgzslError, ConfigError, DataError, ModalityError, RunError, UnknownNameError
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import train
from avgzsl.features.class_splits import ClassSplit, write_class_split
from avgzsl.features.encoder_record import EncoderRecord
from avgzsl.types import DataChoice, EncoderChoice
from tests.index_world import (
    MODES,
    brute_force,
    clips_of,
    collection_of,
    empty_collection,
    here,
    random_embeddings,
    rows,
)
from tests.processes import wait_for
from tests.small_set import feature_file, read_file, write_file, write_set
from tests.test_store import ENCODERS
from tests.test_store import clips as stored_clips
from tests.test_store import make as write_store

BOTH = Mode("both", "equal")
POINT = here(torch.randn(6, generator=torch.Generator().manual_seed(9)))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train(data, "least-squares", out=folder).folder


def found_ids(collection, k=10, mode=BOTH, point=POINT, where=None):
    return [clip.id for clip in nearest(collection, point, k, mode, where and parse(where)).clips]


def expected_ids(collection, clips, k=10, mode=BOTH, point=POINT):
    return [f"clip-{i}" for i in brute_force(collection.run.method, clips, point, mode, k)[0]]


@pytest.fixture(scope="module")
def clips():
    return random_embeddings(300, 6, seed=7)


@pytest.mark.parametrize("engine", ["lancedb", "memory"])
def test_replaced_and_removed_clips_are_found_no_more(engine, clips, tmp_path):
    collection = collection_of(tmp_path, clips, engine=engine)
    first = found_ids(collection)
    assert first == expected_ids(collection, clips)
    far = torch.full((1, 6), 50.0)
    moved = dataclasses.replace(rows(clips, [int(first[0][5:])]), audio=far, video=far)
    with writing(collection) as db:
        assert remove(collection, db, [first[1], "no such clip"]) == 1
        append(collection, db, [IndexedClip(first[0], "other", has_audio=True, has_video=True)], moved)
    assert found_ids(collection, 8) == first[2:]
    assert found_ids(collection, 1, point=here(torch.full((6,), 50.0))) == first[:1]
    with writing(collection) as db:
        apply(collection, db, enough=1)
    assert found_ids(collection, 8) == first[2:]
    assert found_ids(collection, 1, point=here(torch.full((6,), 50.0))) == first[:1]
    assert verify(collection).rows() == []


@pytest.mark.parametrize("engine", ["lancedb", "memory"])
def test_purge_leaves_no_byte_behind(engine, clips, tmp_path):
    collection = collection_of(tmp_path, clips, engine=engine)
    gone = next(i for i in range(50, 300) if clips.has_audio[i] and clips.has_video[i])
    traces = [
        clips.audio[gone].numpy().tobytes(),
        fused(rows(clips, [gone]), Space(BOTH, "mse")).tobytes(),  # in the engine
        b"hash-%d" % gone,
    ]
    reader = sqlite3.connect(tmp_path / clip_table.FILE)  # as a server holds one: SQLite then keeps its log
    reader.execute("select count(*) from clips").fetchall()
    with writing(collection) as db:  # once more, in the log
        again = rows(clips, [gone])
        append(collection, db, clips_of(again, gone), again)
        apply(collection, db, enough=1)
    assert all(holding(tmp_path, trace) for trace in traces)
    with writing(collection) as db:
        remove(collection, db, [f"clip-{gone}"])
    assert holding(tmp_path, traces[1])  # out of sight, but there
    with writing(collection) as db:
        assert purge(collection, db) == 2
    assert not any(holding(tmp_path, trace) for trace in traces)
    reader.close()
    assert verify(collection).rows() == []
    left = [i for i in range(300) if i != gone]
    best, _ = brute_force(collection.run.method, rows(clips, left), POINT, BOTH, 10)
    assert found_ids(collection) == [f"clip-{left[i]}" for i in best]


def holding(folder: Path, trace: bytes) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and trace in file.read_bytes()]


def test_conditions_choose_clips(clips, tmp_path):
    collection = empty_collection(tmp_path, 6)
    about = clips_of(clips)
    for i, clip in enumerate(about):
        label = ["dog", 'church "bell"', "a b"][i % 3]
        known = {"start": 0.0, "end": i % 20 + 1.0, "label": label, "path": f"/x/{i}.mp4"}
        about[i] = clip._replace(**(known if i % 5 else {}))
    with writing(collection) as db:
        append(collection, db, about, clips)
        apply(collection, db, enough=1)
    every = {clip.id: clip for clip in about}

    def chosen(where):
        return set(found_ids(collection, 300, where=where))

    assert chosen("duration < 10") == {n for n, c in every.items() if c.end is not None and c.end < 10}
    assert chosen("label = 'a b' and duration >= 3") == {n for n, c in every.items() if c.label == "a b" and c.end >= 3}
    assert chosen("label = 'church \"bell\"'") == {n for n, c in every.items() if c.label == 'church "bell"'}
    assert chosen("label != dog") == {n for n, c in every.items() if c.label not in (None, "dog")}
    assert chosen("label = dog or 'a b'") == {n for n, c in every.items() if c.label in ("dog", "a b")}
    longest = {n for n, c in every.items() if c.end is not None and c.end >= 3}
    assert chosen("label = dog or x and duration >= 3") == {n for n in longest if every[n].label == "dog"}
    assert chosen("duration >= 3 and label contains BELL or A") == {n for n in longest if every[n].label != "dog"}
    assert chosen("has_audio=no") == {n for n, c in every.items() if not c.has_audio}
    assert chosen("path contains /X/1") == {n for n, c in every.items() if c.path and "/x/1" in c.path}
    short = chosen("duration < 10")
    assert found_ids(collection, 3, where="duration < 10") == [n for n in found_ids(collection, 300) if n in short][:3]


# as typed, and as written in labels: composed, in pieces, by either of two orders, in other scripts
ALIKE = {
    "école": ["École maternelle", unicodedata.normalize("NFD", "ÉCOLE"), "l'e\u0301cole"],
    unicodedata.normalize("NFD", "ÉCOLE"): ["école", "École"],
    "tiếng việt": ["TIẾNG VIỆT", unicodedata.normalize("NFD", "Tiếng Việt"), "tiê\u0301ng viê\u0323t"],
    "straße": ["STRASSE", "Straße", "STRAẞE"],
    "колокол": ["КОЛОКОЛ", "Церковный колокол"],
    "καμπανα": ["ΚΑΜΠΑΝΑ"],
    "σοφος": ["ΣΟΦΟΣ", "Σοφος", "σοφοσ"],
    "각": [unicodedata.normalize("NFD", "각")],
    "Å": ["\u212b", "a\u030a", "å"],
    "जय": ["विजय"],
    "鐘": ["大鐘"],
    "Kelvin": ["\u212aELVIN"],
}
OTHERS = ["ecole", "ecolé", "tieng viet", "stras e", "колоко", "καμπάνα", "가", "A", "鍾", "Elvin", None]


@pytest.mark.parametrize("asked", ALIKE)
def test_contains_takes_letters_for_the_same_however_they_are_written(asked, tmp_path):
    collection = empty_collection(tmp_path, 6)
    labels = [*(label for some in ALIKE.values() for label in some), *OTHERS]
    part = random_embeddings(len(labels), 6, seed=1)
    with writing(collection) as db:
        about = clips_of(part)
        append(collection, db, [clip._replace(label=label) for clip, label in zip(about, labels, strict=True)], part)
    with view(collection) as seen:
        found = [clip.label for clip in seen.clips(seen.positions(parse(f'label contains "{asked}"')))]
        twins = [other for other in ALIKE if canonical(other.casefold()) == canonical(asked.casefold())]
        assert found == [label for label in labels if label in {one for twin in twins for one in ALIKE[twin]}]
        for label in ALIKE[asked]:
            for form in ("NFC", "NFD"):
                typed = unicodedata.normalize(form, label)
                same = [clip.label for clip in seen.clips(seen.positions(parse(f'label = "{typed}"')))]
                assert same and all(canonical(one) == canonical(label) for one in same)  # `=` minds the case
                other = seen.positions(parse(f'label != "{typed}"'))
                assert len(other) == len(labels) - 1 - len(same)


def canonical(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def test_a_condition_on_many_clips_is_met_through_the_engine(clips, tmp_path, monkeypatch):
    monkeypatch.setattr("avgzsl.archive.nearest._DIRECT", 10)
    collection = collection_of(tmp_path, clips)
    wanted = [name for name in expected_ids(collection, clips, 300) if clips.has_audio[int(name[5:])]]
    assert found_ids(collection, 20, where="has_audio = yes") == wanted[:20]


def test_a_value_may_be_one_of_several():
    assert parse("label = dog OR 'a or b' or or and folder = x or y/") == (
        ColumnComparison("label", "=", "dog", ("a or b", "or")),
        ColumnComparison("folder", "=", "x/", ("y/",)),
    )
    assert parse("label contains A or É")[0].values == ("a", "é")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected COLUMN OPERATOR VALUE"),
        ("duration <", "expected COLUMN OPERATOR VALUE"),
        ("duration < ten", "number of seconds"),
        ("dura < 10", "did you mean duration"),
        ("duration ~ 10", "unknown operator"),
        ("label = dog or label = cat", "joined by `and`, values by `or`"),
        ("label = dog or", "joined by `and`, values by `or`"),
        ("label != dog or cat", "several values go with = and contains alone"),
        ("duration = 1 or two", "duration = two: duration is a number of seconds"),
        ("label = dog; drop table clips", "joined by `and`"),
        ("label = 'dog", "cannot be read"),
        ("1=1 and position > 0", "unknown column '1'"),
        ("has_audio = perhaps", "yes or no"),
        ("label < " + "x" * 2000, "at most 1000"),
    ],
)
def test_a_condition_that_says_nothing_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        parse(text)


def test_values_of_a_condition_reach_no_statement():
    condition = parse('label = "x\' or 1=1 --"')
    assert condition == (ColumnComparison("label", "=", "x' or 1=1 --"),)
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(clip_table.SCHEMA)
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        clip_selection.count(db, condition)
    assert statements == ["select count(*) from clips where label = 'x'' or 1=1 --'"]  # SQLite itself put it in
    with pytest.raises(KeyError):
        clip_selection.count(db, (ColumnComparison("label = label or id", "=", "x"),))


def spoil(path: Path, length: int = 1) -> None:
    """Turn the bits of some bytes in the middle."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + length] = bytes(byte ^ 0xFF for byte in content[middle : middle + length])
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("engine", "pattern"), [("memory", "*both-equal.f32"), ("lancedb", "*both-equal.lance/data/*.lance")]
)
def test_a_damaged_engine_is_recognised_and_rebuilt(engine, pattern, clips, tmp_path):
    collection = collection_of(tmp_path, clips, engine=engine)
    assert verify(collection).rows() == []
    collection.close()
    (file, *_) = sorted((tmp_path / "engine").rglob(pattern))
    spoil(file, 40)
    found = verify(collection)
    assert not found.truth
    assert found.engine and "both-equal" in found.engine[0]
    rebuild(collection)
    assert verify(collection).rows() == []
    assert found_ids(collection) == expected_ids(collection, clips)


@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_who_searches_meanwhile_sees_what_was_rebuilt(engine, clips, tmp_path):
    searching = collection_of(tmp_path, clips, engine=engine)
    mending = Collection(searching.folder, searching.record, searching.run)
    rebuild(mending)  # all clips are in the engine now, and as many the next time
    found = found_ids(searching)
    if engine == "memory":
        for file in (tmp_path / "engine").glob("*.f32"):
            with file.open("r+b") as stream:
                stream.write(np.full(20, np.nan, np.float32).tobytes())
        with pytest.raises(DataError, match="index-rebuild"):
            found_ids(searching)
    rebuild(mending)
    assert found_ids(searching) == found


def test_an_engine_that_is_gone_is_rebuilt(clips, tmp_path):
    collection = collection_of(tmp_path, clips, engine="memory")
    collection.close()
    for file in (tmp_path / "engine").iterdir():
        file.unlink()
    assert len(verify(collection).engine) == len(MODES)
    rebuild(collection)
    assert verify(collection).rows() == []
    assert found_ids(collection) == expected_ids(collection, clips)


def test_an_engine_that_proposes_what_is_not_there_is_named(clips, tmp_path):
    collection = collection_of(tmp_path, clips)
    gone = found_ids(collection, 1)[0]
    with sqlite3.connect(tmp_path / clip_table.FILE) as db:  # behind the back of the index
        db.execute("delete from clips where id = ?", (gone,))
    db.close()
    with pytest.raises(DataError, match="index-rebuild"):
        found_ids(collection)
    rebuild(collection)
    assert gone not in found_ids(collection)


def test_damaged_embeddings_and_tables_are_recognised(clips, tmp_path):
    collection = collection_of(tmp_path, clips)
    spoil(tmp_path / FILE)
    assert "embeddings of 1 clips" in verify(collection).truth[0]
    (tmp_path / FILE).write_bytes(b"short")
    assert "does not hold the 300 rows" in verify(collection).truth[0]
    with pytest.raises(DataError, match="does not hold the 300 rows"):
        found_ids(collection)
    (tmp_path / clip_table.FILE).write_bytes(b"no table" * 1000)
    with pytest.raises(DataError, match="is damaged"):
        found_ids(collection)
    (tmp_path / clip_table.FILE).unlink()
    assert "is gone" in verify(collection).truth[0]


def test_an_embedding_that_is_no_number_is_refused_and_adds_nothing(clips, tmp_path):
    collection = collection_of(tmp_path, clips)
    bad = rows(clips, [0, 1, 2])
    bad.audio[1], bad.has_audio[1] = torch.inf, True
    with pytest.raises(DataError, match="audio embeddings of 1 clips are not finite"), writing(collection) as db:
        append(collection, db, clips_of(bad, 1000), bad)
    with view(collection) as seen:
        assert len(seen.positions()) == 300


def test_one_writer_at_a_time(clips, tmp_path):
    collection = collection_of(tmp_path, clips)
    with writing(collection), pytest.raises(AvgzslError, match="another process is writing"), writing(collection):
        pass
    with writing(collection):
        pass


def batches_of(ids):
    """The batches of a set of ids; fails for a half one."""
    numbers = sorted(int(name[5:]) for name in ids)
    found = {number // 40 for number in numbers}
    assert len(numbers) == 40 * len(found)
    return found


@pytest.fixture(scope="module")
def nursery():
    """A process that forks others, which are spared the imports: (folder, first batch, limit) -> pid, told."""
    command = [sys.executable, "-m", "tests.index_adder"]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def fork(folder, first, last, limit=0):
        told = folder / f"told-{first}"
        told.write_text("")
        process.stdin.write(json.dumps([str(folder), first, last, limit, str(told)]) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline()), told

    yield fork
    process.stdin.close()
    process.stdout.close()
    assert process.wait() == 0


def ended(told: Path) -> list[str]:
    """What a process told, once it came to its end."""
    wait_for(lambda: "end" in told.read_text())
    return told.read_text().splitlines()


@pytest.mark.races
@pytest.mark.parametrize("engine", ["lancedb", "memory"])
def test_killed_at_random_moments_nothing_acknowledged_is_lost(engine, tmp_path, nursery):
    """Ten kills an engine, while this process searches."""
    collection = empty_collection(tmp_path, 6, engine=engine)
    chance, batch, acknowledged, shown = random.Random(0), 0, set(), set()
    for turn in range(10):
        pid, told = nursery(tmp_path, batch, batch + 1000)
        wait_for(told.read_text)  # it has begun
        searches, least = chance.randrange(3), 1 + turn % 3  # and is under way
        while searches > 0 or len(told.read_text().split()) < least:
            searches -= 1
            now = batches_of(found_ids(collection, 100_000))
            assert shown <= now  # what was shown once stays
            shown = now
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists())
        acknowledged |= {int(line) for line in told.read_text().split()[1:]}
        there = batches_of(found_ids(collection, 100_000))
        assert acknowledged <= there
        assert len(there - acknowledged) <= 10  # a kill leaves at most one that was whole and not yet told
        batch = max(there, default=-1) + 1
    assert len(acknowledged) > 5
    assert verify(collection).rows() == []
    with writing(collection) as db:
        apply(collection, db, enough=1)
    collection.close()
    assert verify(collection).rows() == []
    with view(collection) as seen:
        positions = seen.positions()
        stored = seen.embeddings(positions)
        names = [clip.id for clip in seen.clips(positions)]
    for b in sorted(there):
        part, first = random_embeddings(40, 6, seed=b), names.index(f"clip-{40 * b}")
        assert torch.equal(stored.has_audio[first : first + 40], part.has_audio)
        has = part.has_audio
        assert torch.equal(stored.audio[first : first + 40][has], part.audio[has])


@pytest.mark.races
def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path, nursery):
    collection = empty_collection(tmp_path, 6)
    _, told = nursery(tmp_path, 0, 200, limit=100_000)  # of any file
    *lines, end = ended(told)
    count = len(lines) - 1
    assert 5 < count < 199
    assert "AvgzslError" in end and "run the same" in end
    assert batches_of(found_ids(collection, 100_000)) == set(range(count))
    _, told = nursery(tmp_path, count, count + 1)
    assert ended(told)[-1] == "end"
    assert batches_of(found_ids(collection, 100_000)) == set(range(count + 1))
    assert verify(collection).rows() == []


def test_index_of_features_and_what_changed_in_them(data, run, tmp_path):
    folder, copy = tmp_path / "index", write_set(tmp_path / "copy")
    added = index(run, data, folder, split="test")
    assert (added.added, added.kept) == (25, 0)
    assert (again := index(run, data, folder, split="test")).added == 0 and again.kept == 25
    file = feature_file(copy, "audio", "test", "dog")
    values, ids = read_file(file)
    values[0] += 1
    write_file(file, values, ids)
    assert (index_add(folder, copy, split="test").added) == 1
    info = index_info(folder).json()
    expected = {"clips": 25, "labels": 5, "removed_but_not_purged": 1, "waiting_for_the_engine": 0, "engine": "memory"}
    assert {name: info[name] for name in expected} == expected
    assert index_verify(folder).rows() == []
    assert index_remove(folder, [ids[0]], purge=True) == Removed(1, 2)
    with pytest.raises(DataError, match="holds no clip"):
        index_remove(folder, [ids[1], ids[0]])
    assert index_info(folder).clips == 24
    index_rebuild(folder)
    assert index_verify(folder).rows() == []
    assert index(run, data, folder).added == 1 + 35 + 20  # the removed one, and train and val


def test_an_index_is_of_one_run(data, run, tmp_path):
    folder = tmp_path / "index"
    index(run, data, folder, split="val", engine="memory")
    other = train(data, "least-squares", out=tmp_path / "other", settings={"ridge": 0.5}).folder
    with pytest.raises(RunError, match="embeddings of two runs do not compare"):
        index(other, data, folder, engine="memory")
    with pytest.raises(DataError, match="with the engine memory"):
        index(run, data, folder, engine="lancedb")
    model = folder / "run" / "model.safetensors"
    model.write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(RunError, match="was made by the run"):
        open_index(folder)


def test_what_is_no_index_is_said(data, run, tmp_path):
    with pytest.raises(DataError, match="is not an index"):
        open_index(tmp_path)
    with pytest.raises(UnknownNameError, match="split"):
        index(run, data, tmp_path / "a", split="tst")
    assert not (tmp_path / "a").exists()
    with pytest.raises(UnknownNameError, match="did you mean lancedb"):
        index(run, data, tmp_path / "a", engine="lance")
    assert not (tmp_path / "a").exists()
    with pytest.raises(ConfigError, match="needs a url"):
        index(run, data, tmp_path / "a", engine="qdrant")
    assert not (tmp_path / "a").exists()
    with pytest.raises(DataError, match="not there"):
        index(run, tmp_path / "nothing", tmp_path / "a")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not an empty folder"):
        index(run, data, tmp_path / "a")
    index(run, data, tmp_path / "b", engine="memory")
    record = tmp_path / "b" / "index.json"
    content = json.loads(record.read_text())
    for change, said in (({"format": 3}, "newer than 2"), ({"id": "../x"}, "id"), ({"more": 1}, "more")):
        record.write_text(json.dumps({**content, **change}))
        with pytest.raises(DataError, match=said):
            open_index(tmp_path / "b")
    record.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        open_index(tmp_path / "b")


def test_the_index_carries_its_run(data, run, tmp_path):
    index(run, data, tmp_path / "index", split="val", engine="memory")
    collection = open_index(tmp_path / "index")
    here, there = (one.method.embed_text(torch.eye(5)).joint for one in (collection.run, load_run(run)))
    assert torch.equal(here, there)


def test_killed_before_the_record_the_folder_is_begun_again(data, run, tmp_path):
    folder = tmp_path / "index"
    index(run, data, folder, split="val", engine="memory")
    (folder / "index.json").unlink()
    with pytest.raises(DataError, match="remove it"):
        index(run, data, folder, split="val", engine="memory")


def splits_in(folder: Path) -> dict[str, str | None]:
    """The split of each clip of an index."""
    with view(open_index(folder)) as seen:
        return {clip.id: clip.split for clip in seen.clips(seen.positions())}


def test_the_clips_of_the_runs_own_store_are_split_as_they_were_for_the_run(tmp_path):
    made = stored_clips()
    for i, change in ((8, {"label": None}), (11, {"split": None})):
        made[i] = made[i]._replace(about={**made[i].about, **change})
    store = write_store(tmp_path / "store", made)
    manifest = {clip.about["id"]: clip.about["split"] for clip in made}
    moved = {"c0": "test", "c7": "train", "c9": "train"}  # c7 is of an unseen class: tested all the same
    write_class_split(store, "two", ClassSplit(seen=("flute", "bell"), unseen=("drum",), clips=moved))
    for name in ("one", "two"):
        run = train(store, "least-squares", out=tmp_path / name, choice=DataChoice(class_split=name)).folder
        index(run, store, tmp_path / f"index-{name}", engine="memory")
        splits = open_dataset(store, class_split=name).splits.items()
        own = {clip: split for split, clips in splits for clip in clips.ids.tolist()}
        assert splits_in(tmp_path / f"index-{name}") == {clip: own.get(clip) for clip in manifest}
        assert own["c1"] == "test" and manifest["c1"] == "train"
        index(run, store, tmp_path / f"tested-{name}", engine="memory", split="test")
        assert set(splits_in(tmp_path / f"tested-{name}")) == {clip for clip in own if own[clip] == "test"}
    shutil.copytree(store, tmp_path / "copy")
    index(run, tmp_path / "copy", tmp_path / "other", engine="memory")
    assert splits_in(tmp_path / "other") == manifest


def test_clips_that_the_run_dropped_are_not_in_the_index_of_its_store(tmp_path):
    made = stored_clips()
    made[8].audio[:] = np.nan
    store = write_store(tmp_path / "store", made)
    run = train(store, "least-squares", out=tmp_path / "run", choice=DataChoice(drop_bad_rows=True)).folder
    assert index(run, store, tmp_path / "index", engine="memory").added == 17
    assert "c8" not in splits_in(tmp_path / "index")


REFUSED = {
    "split": ({"split": "tst"}, UnknownNameError, "unknown split 'tst'"),
    "dimension": ({}, ModalityError, "features"),
    "encoders": ({}, RunError, "extract them with the run's own"),
    "engine": ({"engine": "lance"}, UnknownNameError, "did you mean lancedb"),
    "url": ({"engine": "memory", "url": "http://localhost:6333"}, ConfigError, "takes no url"),
    "folders url": ({"url": "http://localhost:6333"}, ConfigError, "takes no url"),
    "manifest": ({"manifest": Path("m.csv")}, ConfigError, "has no part in indexing"),
    "device": ({"encoders": EncoderChoice(device="cuda")}, ConfigError, "device has no part in indexing"),
    "text": ({"encoders": EncoderChoice(text="hashed-words")}, ConfigError, "gives 512 numbers"),
    "values": ({}, DataError, "not finite"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("there", [False, True])
def test_what_is_refused_leaves_nothing(what, there, data, run, tmp_path):
    options, kind, said = REFUSED[what]
    source, folder = data, tmp_path / "index"
    if what == "dimension":
        source = write_store(tmp_path / "store")
    elif what in ("encoders", "values"):
        store = write_store(tmp_path / "own")
        run, made = train(store, "least-squares", out=tmp_path / "run").folder, stored_clips()
        made[0].audio[1] = np.nan if what == "values" else 0
        other = {"audio": EncoderRecord(spec="other ears", dimension=3)} if what == "encoders" else {}
        source = write_store(tmp_path / "store", made, encoders=ENCODERS | other)
    if there:
        folder.mkdir()
    with pytest.raises(kind, match=said):
        index(run, source, folder, **options)
    assert list(folder.iterdir()) == [] if there else not folder.exists()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, AvgzslError])
def test_what_came_in_before_an_interruption_stays(failure, data, run, tmp_path):
    """Three splits are three batches."""
    heard = []

    def progress(step):
        heard.append(step.done)
        if len(heard) == 2:
            raise failure

    with pytest.raises(failure):
        index(run, data, tmp_path / "index", progress=progress)
    assert index_info(tmp_path / "index").clips == heard[1] < 80
    again = index(run, data, tmp_path / "index")
    assert (again.added, again.kept) == (80 - heard[1], heard[1])
    assert index_verify(tmp_path / "index").rows() == []
