"""Sequences in a store of features: written, read back, divided, inspected; a store of means alone stays as it was."""

import json
from pathlib import Path

import numpy as np
import pytest

from avgzsl import open_dataset
from avgzsl.data.export import export
from avgzsl.data.inspection.inspect import inspect
from avgzsl.errors import DataError
from avgzsl.features.class_splits import ClassSplit, write_class_split
from avgzsl.features.clip_steps import ClipSteps
from avgzsl.features.feature_store import StoredClip, open_store, verify, write
from tests.test_store import CLASSES, ENCODERS, TEXT, clips, make

FILES = ("steps", "times", "lengths")


def with_steps() -> list[StoredClip]:
    """The clips of `tests.test_store` with one to four steps in each modality that they have."""
    rng = np.random.default_rng(7)
    made = []
    for clip in clips():
        sequences = {}
        for modality in ("audio", "video"):
            row = getattr(clip, modality)
            if row is not None:
                steps = rng.standard_normal((rng.integers(1, 5), len(row))).astype(np.float32)
                sequences[modality] = ClipSteps(steps, rng.random(len(steps)).astype(np.float32))
        made.append(clip._replace(sequences=sequences))
    return made


def totals(made: list[StoredClip]) -> dict[str, int]:
    return {m: sum(len(clip.sequences[m]) for clip in made if m in clip.sequences) for m in ("audio", "video")}


def make_sequences(folder: Path) -> Path:
    made = with_steps()
    write(folder, folder.parent, ENCODERS, CLASSES, TEXT, ("licence",), len(made), iter(made), steps=totals(made))
    write_class_split(folder, "one", ClassSplit(seen=("flute", "bell"), unseen=("drum",)))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_sequences(tmp_path / "store")


def test_steps_are_read_back_clip_by_clip(folder: Path) -> None:
    store, made = open_store(folder), with_steps()
    verify(store)
    for modality in ("audio", "video"):
        flat = store.sequences[modality]
        assert isinstance(flat.steps, np.memmap)
        start = 0
        for row, clip in enumerate(made):
            own = clip.sequences.get(modality)
            count = 0 if own is None else len(own)
            assert flat.length[row] == count and flat.first[row] == start
            if own is not None:
                np.testing.assert_array_equal(flat.steps[start : start + count], own.steps)
                np.testing.assert_array_equal(flat.times[start : start + count], own.times)
            start += count
        assert start == len(flat.steps) == store.record.steps[modality]


def test_each_split_has_the_steps_of_its_clips(folder: Path) -> None:
    made = {clip.about["id"]: clip for clip in with_steps()}
    data = open_dataset(folder)
    for split in ("train", "val", "test"):
        own = data.split(split)
        for modality in ("audio", "video"):
            for row, name in enumerate(own.ids.tolist()):
                steps, times = own.sequences[modality].clip(row)
                expected = made[name].sequences.get(modality)
                if expected is None:
                    assert not len(steps)
                else:
                    np.testing.assert_array_equal(steps.numpy(), expected.steps)
                    np.testing.assert_array_equal(times.numpy(), expected.times)


def test_means_and_their_store_stay_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    plain = make(tmp_path / "plain")
    for name in ("audio.npy", "video.npy", "clips.jsonl", "text.npy"):
        assert (plain / name).read_bytes() == (folder / name).read_bytes()
    record = json.loads((plain / "store.json").read_text())
    assert record["format"] == 3 and "steps" not in record
    assert json.loads((folder / "store.json").read_text())["format"] == 3
    assert not [name for name in plain.glob("*.npy") if name.name.count(".") > 1]
    assert open_dataset(plain).fingerprint != open_dataset(folder).fingerprint


def test_a_store_that_is_written_anew_without_steps_keeps_none(folder: Path) -> None:
    make(folder)
    assert not open_store(folder).sequences and not list(folder.glob("*.steps.npy"))


def test_inspection_says_how_many_steps_there_are(folder: Path) -> None:
    made = with_steps()
    found = inspect(folder).json()
    counts = [len(clip.sequences["audio"]) for clip in made if "audio" in clip.sequences]
    line = f"audio: kept as sequences, {sum(counts)} steps, {min(counts)} to {max(counts)} a clip"
    assert line in found["remarks"] and not found["problems"]


def test_a_layout_that_has_no_steps_says_so(folder: Path, tmp_path: Path) -> None:
    notes = export(folder, tmp_path / "out", incomplete="drop").notes
    assert len(notes) == 1 and "audio and video are written as means" in notes[0]
    assert export(make(tmp_path / "plain"), tmp_path / "more", incomplete="drop").notes == ()


@pytest.mark.parametrize("part", FILES)
def test_a_file_of_steps_that_was_cut_is_named(folder: Path, part: str) -> None:
    file = folder / f"video.{part}.npy"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(DataError, match=rf"video\.{part}\.npy: has"):
        open_store(folder)


@pytest.mark.parametrize("change", [(1, 0), (1 << 40, 0), (50, -50)])
def test_lengths_that_are_not_those_of_the_steps_are_refused(folder: Path, change: tuple[int, int]) -> None:
    length = np.load(folder / "audio.lengths.npy")
    length[:2] += change
    np.save(folder / "audio.lengths.npy", length)
    with pytest.raises(DataError, match=r"audio\.lengths\.npy: its lengths are not those of"):
        open_store(folder)


def test_steps_of_a_modality_without_features_are_refused(folder: Path) -> None:
    record = json.loads((folder / "store.json").read_text())
    del record["encoders"]["video"]
    (folder / "store.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="steps of video, of which there are no features"):
        open_store(folder)
