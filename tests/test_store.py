"""The store on disk, and the data set that is read from it."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from avgzsl import open_dataset
from avgzsl.data.clips import Encoder
from avgzsl.data.export import export
from avgzsl.data.inspection.inspect import inspect
from avgzsl.errors import AvgzslError, ConfigError, DataError, UnknownNameError
from avgzsl.features import feature_store as stores
from avgzsl.features.class_splits import ClassSplit, write_class_split
from avgzsl.features.encoder_record import EncoderRecord
from avgzsl.features.feature_store import StoredClip, open_store, verify, write
from avgzsl.support.weights import WeightFile

CLASSES = ("bell", "drum", "flute")
ENCODERS = {
    "audio": EncoderRecord(spec="ears", dimension=3, weights=(WeightFile("e.bin", "ab"),)),
    "video": EncoderRecord(spec="eyes", dimension=2),
    "text": EncoderRecord(spec="words", dimension=4),
}
TEXT = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)


def clips(count: int = 18, lacking: bool = True) -> list[StoredClip]:
    """Clip i is of class i mod 3, in train, val or test by thirds; some lack sound or picture."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(count):
        about = {"id": f"c{i}", "path": f"{i}.mp4", "label": CLASSES[i % 3], "split": ("train", "val", "test")[i // 6]}
        about |= {"seen": None, "start": 0.0, "end": None, "sha256": "00", "size": 1, "mtime_ns": 2, "info": "{}"}
        audio = None if lacking and i % 5 == 4 else rng.standard_normal(3).astype(np.float32)
        video = None if lacking and i % 7 == 6 else rng.standard_normal(2).astype(np.float32)
        made.append(StoredClip(about | {"licence": f"CC {i}"}, audio, video))
    return made


def make(folder: Path, made: list[StoredClip] | None = None, encoders=ENCODERS, text=TEXT) -> Path:
    made = clips() if made is None else made
    write(folder, folder.parent, encoders, CLASSES, text, ("licence",), len(made), iter(made))
    write_class_split(folder, "one", ClassSplit(seen=("flute", "bell"), unseen=("drum",)))
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return make(tmp_path / "store")


def test_what_is_written_is_read_back(folder):
    store, made = open_store(folder), clips()
    for row, clip in enumerate(made):
        for modality in ("audio", "video"):
            given, read = getattr(clip, modality), store.feature(modality)[row]
            assert store.clips[f"has_{modality}"][row] == (given is not None)
            np.testing.assert_array_equal(read, np.zeros_like(read) if given is None else given)
        assert {name: store.clips[name][row] for name in clip.about} == dict(clip.about)
    assert isinstance(store.audio, np.memmap)
    np.testing.assert_array_equal(np.load(folder / "audio.npy"), store.audio)
    np.testing.assert_array_equal(store.text, TEXT)
    assert store.file(3) == folder.parent.resolve() / "3.mp4"
    verify(store)


def test_the_same_content_is_the_same_bytes(folder, tmp_path):
    other = make(tmp_path / "other")
    for name in ("store.json", "clips.jsonl", "audio.npy", "video.npy", "text.npy"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def as_older(folder: Path) -> None:
    """Make the store one of avgzsl 0.1, whose rows are Parquet."""
    rows = pa.Table.from_pylist(list(open_store(folder).clips.rows()))
    pa.parquet.write_table(rows, folder / "clips.parquet")
    (folder / "clips.jsonl").unlink()
    record = json.loads((folder / "store.json").read_text())
    del record["files"]["clips.jsonl"]
    content = (folder / "clips.parquet").read_bytes()
    record["files"]["clips.parquet"] = {"size": len(content), "sha256": sha256(content).hexdigest()}
    (folder / "store.json").write_text(json.dumps(record | {"format": 1}))


def test_a_store_of_an_older_version_is_read_as_it_was(folder, monkeypatch):
    newer, fingerprint = open_store(folder), open_dataset(folder).fingerprint
    as_older(folder)
    assert list(open_store(folder).clips.rows()) == list(newer.clips.rows())
    assert open_dataset(folder).fingerprint == fingerprint
    verify(open_store(folder))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"written by avgzsl 0\.1.*avgzsl\[parquet\]"):
        open_store(folder)
    make(folder)  # in the place of the older one
    assert not (folder / "clips.parquet").exists() and open_dataset(folder).fingerprint == fingerprint


def test_a_store_needs_no_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert open_dataset(make(tmp_path / "store")).classes.names == ("bell", "drum", "flute")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("start", '"x"'),
        ("end", "NaN"),
        ("size", "1.5"),
        ("has_audio", "0"),
        ("id", "7"),
        ("info", "{}"),
        ("label", "0"),
    ],
)
def test_values_of_another_kind_are_named(folder, column, value):
    content = (folder / "clips.jsonl").read_text().splitlines()
    names, row = json.loads(content[0]), json.loads(content[3])
    cells = [value if name == column else json.dumps(cell) for name, cell in zip(names, row, strict=True)]
    content[3] = f"[{', '.join(cells)}]"
    spoilt(folder, content)
    with pytest.raises(DataError, match=rf"clips\.jsonl: (cannot be read|{column} )"):
        open_store(folder)


def spoilt(folder: Path, lines: list[str]) -> None:
    """Put other lines into the table, of which the record says the size."""
    (folder / "clips.jsonl").write_text("\n".join(lines))
    record = json.loads((folder / "store.json").read_text())
    record["files"]["clips.jsonl"]["size"] = (folder / "clips.jsonl").stat().st_size
    (folder / "store.json").write_text(json.dumps(record))


@pytest.mark.parametrize("line", ["", "[", "7", "[1]", "[" * 100_000, '{"id": 1}', "null"])
@pytest.mark.parametrize("place", [0, 3])
def test_a_line_that_is_no_row_is_named(folder, line, place):
    lines = (folder / "clips.jsonl").read_text().splitlines()
    spoilt(folder, [*lines[:place], line, *lines[place + 1 :]])
    with pytest.raises(DataError, match=r"clips\.jsonl: "):
        open_store(folder)


@pytest.mark.parametrize("broken", ["clips", "audio", "count"])
def test_a_store_that_was_not_finished_is_none(folder, broken, monkeypatch):
    def failing():
        yield from clips()[:5]
        if broken == "clips":
            raise OSError(28, "No space left on device")
        if broken == "audio":
            raise KeyboardInterrupt

    with pytest.raises((AvgzslError, KeyboardInterrupt)):
        write(folder, folder.parent, ENCODERS, CLASSES, TEXT, ("licence",), 18, failing())
    with pytest.raises(DataError, match="not finished"):
        open_store(folder)
    assert not list(folder.glob(".*.tmp"))


def damage(folder: Path, how: str) -> str:
    """Spoil a store; gives the words that its error must have."""
    record = json.loads((folder / "store.json").read_text())
    if how == "cut":
        (folder / "audio.npy").write_bytes((folder / "audio.npy").read_bytes()[:-4])
        return "audio.npy: has"
    if how == "gone":
        (folder / "video.npy").unlink()
        return "video.npy: is not there"
    if how == "shape":  # of the right size
        np.save(folder / "audio.npy", np.zeros((9, 6), np.float32))
        return r"\(18, 3\)"
    if how == "pickle":
        (folder / "audio.npy").write_bytes(b"\x80\x04" + (folder / "audio.npy").read_bytes()[2:])
        return "audio.npy: cannot be read"
    if how == "table":
        (folder / "clips.jsonl").write_bytes(bytes((folder / "clips.jsonl").stat().st_size))
        return "clips.jsonl: cannot be read"
    if how == "columns":
        lines = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
        place = lines[0].index("sha256")
        lines = [json.dumps(line[:place] + line[place + 1 :]) for line in lines]
        (folder / "clips.jsonl").write_text("\n".join(lines))
        record["files"]["clips.jsonl"]["size"] = (folder / "clips.jsonl").stat().st_size
    elif how == "newer":
        record["format"] = stores.FORMAT + 1
    elif how == "extra":
        record["colour"] = "red"
    elif how == "type":
        record["clips"] = "many"
    text = "{" if how == "no json" else json.dumps([] if how == "list" else record)
    (folder / "store.json").write_text(text)
    return {"columns": "sha256", "newer": "upgrade", "extra": "colour", "type": "clips"}.get(how, "store.json")


@pytest.mark.parametrize(
    "how", ["cut", "gone", "shape", "pickle", "table", "columns", "newer", "extra", "type", "no json", "list"]
)
def test_damage_is_named(folder, how):
    words = damage(folder, how)
    with pytest.raises(DataError, match=words):
        open_store(folder)


def test_one_changed_byte_is_found_by_verify_and_inspect(folder):
    content = bytearray((folder / "audio.npy").read_bytes())
    content[-1] ^= 1
    (folder / "audio.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"damaged: audio\.npy"):
        verify(open_store(folder))
    assert any("audio.npy" in problem for problem in inspect(folder).problems)


def test_the_data_set_has_the_rows_of_the_store(folder):
    """Against a slow loop over the clips."""
    dataset = open_dataset(folder)
    assert (dataset.layout, dataset.class_split) == ("store", "one")
    assert dataset.classes.names == ("bell", "drum", "flute") and dataset.classes.seen.tolist() == [True, False, True]
    np.testing.assert_array_equal(dataset.classes.text.numpy(), TEXT)
    assert dataset.encoders == {
        "audio": Encoder("ears", (WeightFile("e.bin", "ab"),)),
        "video": Encoder("eyes"),
        "text": Encoder("words"),
    }
    expected = {"train": {}, "val": {}, "test": {}}
    for clip in clips():
        split = clip.about["split"]
        if clip.about["label"] == "drum" and split == "train":
            split = "test"
        expected[split][clip.about["id"]] = clip
    assert {split: set(part.ids.tolist()) for split, part in dataset.splits.items()} == {
        split: set(part) for split, part in expected.items()
    }
    for split, part in dataset.splits.items():
        for row, name in enumerate(part.ids.tolist()):
            clip = expected[split][name]
            assert CLASSES[part.labels[row]] == clip.about["label"]
            for modality in ("audio", "video"):
                given = getattr(clip, modality)
                assert part.has(modality)[row].item() == (given is not None)
                if given is not None:
                    np.testing.assert_array_equal(part.feature(modality)[row].numpy(), given)
    assert "2 clips of unseen classes that are listed as train are tested" in dataset.notes


def test_no_unseen_clip_is_trained_on_and_training_cannot_spoil_the_next_read(folder):
    dataset = open_dataset(folder)
    train, classes = dataset.training()
    assert classes.names == ("bell", "flute") and len(train) == 4
    before = dataset.split("train").audio.clone()
    train.audio.zero_()
    torch.testing.assert_close(dataset.split("train").audio, before)


def test_clips_without_label_or_split_and_of_other_classes_are_left_out_and_counted(tmp_path):
    made = clips()
    made[0].about["label"] = None
    made[3].about["split"] = None
    folder = make(tmp_path / "store", made)
    write_class_split(folder, "two", ClassSplit(seen=("bell",), unseen=("drum",)))
    made[6].about["split"] = "train"
    dataset = open_dataset(make(folder, made), class_split="two")
    assert {"left out 1 clips with no label", "left out 1 clips with no split"} < set(dataset.notes)
    assert "left out 6 clips with a class that is not listed" in dataset.notes
    assert dataset.split("train").ids.tolist() == ["c6"]


def test_a_class_split_may_divide_the_clips_too(folder):
    division = {f"c{i}": "val" if i < 6 else "train" for i in range(18)}
    write_class_split(folder, "two", ClassSplit(seen=("flute", "bell"), unseen=("drum",), clips=division))
    dataset = open_dataset(folder, class_split="two")
    assert set(dataset.split("val").ids.tolist()) == {f"c{i}" for i in range(6)}
    assert (dataset.classes.seen[dataset.split("train").labels]).all()


def test_a_modality_that_nobody_has_is_not_there(tmp_path):
    made = [clip._replace(video=None) for clip in clips()]
    dataset = open_dataset(make(tmp_path / "store", made))
    assert dataset.split("train").video is None and not dataset.split("train").has_video.any()
    without = {part: one for part, one in ENCODERS.items() if part != "video"}
    alone = open_dataset(make(tmp_path / "alone", made, without))
    assert alone.fingerprint == dataset.fingerprint


def test_the_fingerprint_hangs_on_content_alone(folder, tmp_path):
    made = clips()
    assert open_dataset(make(tmp_path / "same")).fingerprint == open_dataset(folder).fingerprint
    made[0] = made[0]._replace(audio=made[0].audio + 1)
    assert open_dataset(make(tmp_path / "other", made)).fingerprint != open_dataset(folder).fingerprint


def test_what_is_lacking_is_said_with_the_command_that_mends_it(folder, tmp_path):
    bare = make(tmp_path / "bare", text=None, encoders={part: ENCODERS[part] for part in ("audio", "video")})
    with pytest.raises(DataError, match=r"avgzsl extract.*--text"):
        open_dataset(bare)
    (bare / "splits" / "one.json").unlink()
    with pytest.raises(DataError, match="avgzsl split"):
        open_dataset(bare)
    with pytest.raises(UnknownNameError, match="one"):
        open_dataset(folder, class_split="on")
    write_class_split(folder, "two", ClassSplit(seen=("flute", "bel"), unseen=()))
    with pytest.raises(DataError, match="choose one of one, two"):
        open_dataset(folder)
    with pytest.raises(DataError, match="bell"):
        open_dataset(folder, class_split="two")
    write_class_split(folder, "two", ClassSplit(seen=CLASSES, unseen=(), clips={f"c{i}": "test" for i in range(18)}))
    with pytest.raises(DataError, match="no clips to train on for the seen classes bell, drum, flute"):
        open_dataset(folder, class_split="two")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"seen": ["a"]}', '{"seen": ["a"], "unseen": ["a"]}', '{"seen": [], "unseen": [], "x": 1}']
)
def test_a_bad_class_split_is_named(folder, content):
    (folder / "splits" / "one.json").write_text(content)
    with pytest.raises(DataError, match=r"one\.json"):
        open_dataset(folder)


def test_values_that_are_not_finite_are_an_error_or_dropped(tmp_path):
    made = clips()
    made[7] = made[7]._replace(video=np.array([1, np.nan], np.float32))
    folder = make(tmp_path / "store", made)
    with pytest.raises(DataError, match="1 clips: c7"):
        open_dataset(folder)
    assert "c7" not in open_dataset(folder, drop_bad_rows=True).split("val").ids
    assert any("NaN" in problem for problem in inspect(folder).problems)


def test_inspect_tells_what_is_there(folder):
    found = inspect(folder).json()
    audio = np.stack([clip.audio for clip in clips() if clip.audio is not None])
    assert found["modalities"]["audio"] == pytest.approx(
        {
            "dimension": 3,
            "min": audio.min(),
            "max": audio.max(),
            "mean_norm": np.mean([np.sqrt((row.astype(float) ** 2).sum()) for row in audio]),
        }
    )
    assert found["class_splits"] == {"one": {"seen": ["bell", "flute"], "unseen": ["drum"]}}
    assert found["clips"] == {name: {"train": 2, "val": 2, "test": 2} for name in CLASSES}
    assert found["problems"] == [] and "audio: ears" in found["remarks"]
    assert json.dumps(found)


def test_export_and_back_gives_the_same_arrays(tmp_path):
    folder = make(tmp_path / "store", clips(lacking=False))
    assert export(folder, tmp_path / "out").dropped == 0
    one, other = open_dataset(folder), open_dataset(tmp_path / "out")
    assert (other.layout, other.classes.names) == ("audioset-zsl", one.classes.names)
    torch.testing.assert_close(other.classes.text, one.classes.text, rtol=0, atol=0)
    assert torch.equal(other.classes.seen, one.classes.seen)
    for split in ("train", "val", "test"):
        a, b = one.split(split), other.split(split)
        assert a.ids.tolist() == b.ids.tolist() and torch.equal(a.labels, b.labels)
        assert torch.equal(a.audio, b.audio) and torch.equal(a.video, b.video)


def test_export_of_incomplete_clips_is_refused_or_counted(folder, tmp_path):
    with pytest.raises(DataError, match="lack sound or picture"):
        export(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))
    lacking = sum(clip.audio is None or clip.video is None for clip in clips())
    assert export(folder, tmp_path / "out", incomplete="drop").dropped == lacking
    assert sum(len(part) for part in open_dataset(tmp_path / "out").splits.values()) == 18 - lacking
    with pytest.raises(DataError, match="not an empty folder"):
        export(folder, tmp_path / "out", incomplete="drop")


def test_a_class_that_cannot_name_a_file_is_not_exported(tmp_path, monkeypatch):
    made = clips(lacking=False)
    for clip in made[::3]:
        clip.about["label"] = "../bell"
    monkeypatch.setattr("tests.test_store.CLASSES", ("../bell", "drum", "flute"))
    folder = make(tmp_path / "store", made)
    write_class_split(folder, "one", ClassSplit(seen=("flute", "../bell"), unseen=("drum",)))
    with pytest.raises(DataError, match="cannot name a file"):
        export(folder, tmp_path / "out")
