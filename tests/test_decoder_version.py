"""Stores and indexes say which version of decoding their features are of, and hold those of one alone."""

import json
import sqlite3
from pathlib import Path

import pytest

from avgzsl.archive.indexing import index, index_add, index_info
from avgzsl.archive.search import open_searcher, search
from avgzsl.errors import DataError, RunError
from avgzsl.experiments.train_evaluate import train
from avgzsl.features.extract import extract
from avgzsl.features.feature_store import open_store
from avgzsl.media.version import DECODER
from avgzsl.types import EncoderChoice
from tests.small_clips import write_clip, write_clips

OPTIONS = {
    "encoders": EncoderChoice(audio="descriptors", video="descriptors", text="hashed-words"),
    "labels_from_folders": True,
    "workers": 1,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), count=2)


@pytest.fixture
def store(root, tmp_path) -> Path:
    return extract(root, tmp_path / "store", **OPTIONS).store.folder


def age(folder: Path, version: int | None = None) -> None:
    """Make a store, or an index, as a version of avgzsl left it; without one, as those did that knew of none."""
    for record in (*folder.glob("store.json"), *folder.glob("index.json")):
        content = json.loads(record.read_text())
        content.pop("decoder", None)
        record.write_text(json.dumps(content if version is None else content | {"decoder": version}))
    for journal in folder.glob("journal.sqlite"):
        with sqlite3.connect(journal) as db:
            db.execute("delete from about where key = 'decoder'")
            if version is not None:
                db.execute("insert into about values ('decoder', ?)", (str(version),))
        db.close()


def test_a_new_store_says_its_version_and_goes_on(store, root):
    assert DECODER > 0 and open_store(store).record.decoder == DECODER
    write_clip(root / "bell" / "new.mp4", 9)
    assert extract(root, store, **OPTIONS).extracted == 1
    (root / "bell" / "new.mp4").unlink()


@pytest.mark.parametrize("version", [None, DECODER + 1])
def test_a_store_of_another_version_opens_and_is_not_added_to(store, root, version):
    age(store, version)
    assert open_store(store).record.decoder == (version or 0)
    before = {name: (store / name).read_bytes() for name in ("store.json", "clips.jsonl", "audio.npy", "video.npy")}
    with pytest.raises(RunError, match=rf"version {version or 0} .* version {DECODER}, .*`avgzsl extract` .*--out NEW"):
        extract(root, store, **OPTIONS)
    assert {name: (store / name).read_bytes() for name in before} == before
    assert extract(root, store.parent / "new", **OPTIONS).extracted == 6


def test_a_journal_that_was_begun_and_holds_nothing_is_of_this_version(store, root, tmp_path):
    with sqlite3.connect(store / "journal.sqlite") as db:
        db.execute("delete from clips")
    db.close()
    age(store)
    assert extract(root, store, **OPTIONS).extracted == 6
    assert open_store(store).record.decoder == DECODER


def test_a_store_whose_journal_was_removed_is_made_anew(store, root):
    age(store)
    (store / "journal.sqlite").unlink()
    assert extract(root, store, **OPTIONS).extracted == 6
    assert open_store(store).record.decoder == DECODER


def trained(store: Path, root: Path) -> Path:
    """A run of the store, every clip of which is in train; it is trained as a store of no version."""
    lines = [
        "path,label,split,seen",
        *(f"{f.relative_to(root)},{f.parent.name},train,yes" for f in root.rglob("*.mp4")),
    ]
    manifest = store.parent / "list.csv"
    manifest.write_text("\n".join(lines))
    extract(root, store, manifest=manifest, **OPTIONS | {"labels_from_folders": False})
    age(store)
    run = train(store, "least-squares", out=store.parent / "run").folder
    age(store, DECODER)
    return run


def test_an_index_is_of_one_version(store, root, tmp_path):
    run, folder, more = trained(store, root), tmp_path / "index", tmp_path / "more"
    index(run, store, folder, engine="memory")
    assert index_info(folder).json()["decoder"] == DECODER
    write_clip(more / "bell" / "late.mp4", 5)
    assert index_add(folder, more, labels_from_folders=True).added == 1
    other = extract(more, tmp_path / "other", **OPTIONS).store.folder

    age(folder)  # an old index, and features of now: from files, and from a store
    assert len(search(open_searcher(folder), "bell")) == 7
    write_clip(more / "bell" / "later.mp4", 6)
    for source in (more, other):
        with pytest.raises(
            DataError, match=rf"version 0 .* version {DECODER}; .*{folder}: .*`avgzsl index .*--out NEW"
        ):
            index_add(folder, source)
    with pytest.raises(DataError, match="not mixed"):
        index(run, more, folder)
    age(other)
    assert index_add(folder, other).kept == 1  # of one version again

    index(run, store, tmp_path / "now", engine="memory")  # an old store, and an index of now
    with pytest.raises(DataError, match=rf"version {DECODER} .* version 0; .*{other}: .*`avgzsl extract … --out NEW`"):
        index_add(tmp_path / "now", other)

    index(run, other, tmp_path / "old", engine="memory")  # a new index of an old store has its version
    assert index_info(tmp_path / "old").json()["decoder"] == 0
    with pytest.raises(DataError, match="not mixed"):
        index_add(tmp_path / "old", more)
