"""The reader of pickled features: reads what TCaF's and ClipClap's scripts write, runs nothing, refuses the rest."""

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from avgzsl.data.reading.pickled_features import (
    PickledClips,
    means,
    read_pickled_features,
    write_pickled_features,
)
from avgzsl.errors import DataError
from avgzsl.types import Modality

RNG = np.random.default_rng(3)
STEPS = [RNG.standard_normal((count, 4)).astype(np.float32) for count in (3, 1, 5)]
NAMES = [b"v_a", b"v_b", "v_\u00e9".encode()]
IDS = ["v_a", "v_b", "v_\u00e9"]


def read(
    tmp_path: Path, content: object, modality: Modality = "video", part: str = "cls_features_non_averaged", **how: int
) -> PickledClips:
    path = tmp_path / part / modality / "stage_1_train" / "Archery.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, **how))
    return read_pickled_features(path, modality)


def whole(**changed: object) -> dict[str, object]:
    return {"features": STEPS, "video_names": NAMES, "fps": [25, 25, 25], **changed}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "names",
    [NAMES, IDS, np.array(NAMES), np.array(IDS), [np.str_(name) for name in IDS], [np.bytes_(name) for name in NAMES]],
    ids=["bytes", "str", "array of bytes", "array of str", "np.str_", "np.bytes_"],
)
def test_every_protocol_and_way_to_write_names(tmp_path: Path, protocol: int, names: object) -> None:
    clips = read(tmp_path, whole(video_names=names), protocol=protocol)
    assert clips.ids.tolist() == IDS
    assert not clips.vectors and clips.dimension == 4
    for got, steps in zip(clips.steps, STEPS, strict=True):
        assert got.dtype == np.float32 and np.array_equal(got, steps)


@pytest.mark.parametrize("dtype", ["f2", "f8", ">f4", "u1", "i8"])
def test_other_numbers_become_float32(tmp_path: Path, dtype: str) -> None:
    """VGGish's rows are whole numbers up to 255."""
    rows = np.array([[0, 255], [7, 3]]).astype(dtype)
    clips = read(tmp_path, {"features": [rows], "video_names": [b"a"], "fps": [25]}, "audio")
    assert clips.steps[0].dtype == np.float32 and clips.steps[0].tolist() == rows.tolist()


def test_vectors_and_a_clip_of_one_step_among_others(tmp_path: Path) -> None:
    vectors = [rows[0] for rows in STEPS]
    for features in (vectors, np.stack(vectors), np.array([*vectors, None], dtype=object)[:3]):
        clips = read(tmp_path, whole(features=features))
        assert clips.vectors
        assert np.array_equal(means(clips), np.stack(vectors))
    mixed = read(tmp_path, whole(features=[STEPS[0], STEPS[1][0], STEPS[2]]))
    assert not mixed.vectors and [len(rows) for rows in mixed.steps] == [3, 1, 5]


def test_means_by_a_loop(tmp_path: Path) -> None:
    got = means(read(tmp_path, whole()))
    for row, steps in zip(got, STEPS, strict=True):
        for column, value in enumerate(row):
            assert value == np.float32(sum(float(step[column]) for step in steps) / len(steps))
    with_none = read(tmp_path, whole(features=[STEPS[0], STEPS[1], np.zeros((0, 4), np.float32)]))
    assert np.isnan(means(with_none)[2]).all() and np.isfinite(means(with_none)[:2]).all()


@pytest.mark.parametrize(
    ("part", "modality", "fps", "expected"),
    [
        ("cls_features_non_averaged", "audio", [25, 25, 25], [0.96, 0.96, 0.96]),
        ("cls_features_no_averaged", "video", [25, 30.0, np.float64(50)], [0.64, 16 / 30, 0.32]),
        ("cls_features_non_averaged", "video", None, [0.64, 0.64, 0.64]),
        ("cls_features_non_averaged", "video", [0, None, float("nan")], [0.64, 0.64, 0.64]),
        ("cls_features_non_averaged", "video", 32, [0.5, 0.5, 0.5]),
        ("cls_features_non_averaged", "audio", "none of our business", [0.96, 0.96, 0.96]),
        ("main_features_no_averaged", "audio", [25, 25, 25], [1, 1, 1]),
        ("main_features_non_averaged", "video", [25, 25, 25], [1, 1, 1]),
    ],
)
def test_seconds_a_step(tmp_path: Path, part: str, modality: Modality, fps: object, expected: list[float]) -> None:
    assert read(tmp_path, whole(fps=fps), modality, part).seconds.tolist() == expected


def test_more_names_than_clips_tell_nothing(tmp_path: Path) -> None:
    """ClipClap's script leaves out clips without features, but not their names."""
    assert read(tmp_path, whole(features=STEPS[:2], fps=[25, 25])).ids is None
    assert read(tmp_path, {"features": STEPS}).ids is None


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cls_features_non_averaged" / "video" / "stage_1_train" / "a.pkl"
    write_pickled_features(path, STEPS, IDS, 32.0)
    with path.open("rb") as stream:
        plain = pickle.load(stream)  # noqa: S301 (our own)
    assert plain["video_names"] == NAMES and plain["fps"] == [32, 32, 32]
    assert all(np.array_equal(a, b) for a, b in zip(plain["features"], STEPS, strict=True))
    assert read_pickled_features(path, "video").seconds.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "found a list without 'features'"),
        ({"video_names": NAMES}, "found a dict without 'features'"),
        (whole(features=STEPS + STEPS), "3 video_names for 6 features"),
        (whole(features=[STEPS[0], "woof", STEPS[2]]), "clip 1 of 'features' is a str"),
        (whole(features=[STEPS[0], STEPS[1], np.zeros((1, 1, 4), np.float32)]), r"clip 2 .* array \(1, 1, 4\)"),
        (whole(features=[STEPS[0], STEPS[1], np.zeros((2, 3), np.float32)]), r"\[3, 4\] numbers a step"),
        (whole(features=np.zeros(3)), "'features' is an array of numbers; expected a list"),
        (whole(features=[np.array(["a"])] * 3), "clip 0 of 'features' is an array .*U1"),
        (whole(video_names=[1, 2, 3]), "'video_names' is a list of something else"),
        (whole(video_names=[b"a", b"b", b"\xff"]), "not UTF-8"),
        (whole(video_names=["a", "b", "c" * 5000]), "has 5,000 letters"),
        (whole(video_names=["a", "b", "\ud800"]), "not UTF-8"),
        (whole(fps=[25, 25]), "'fps' is a list; expected a number for each of 3"),
        (whole(fps=[25, 25, -1]), "'fps' has a int"),
        (whole(fps=[25, 25, 1e9]), r"'fps' has 1e\+09"),
        (whole(fps=[25, 25, [25]]), "'fps' has a list"),
        (b"", "damaged or truncated"),
        (pickle.dumps(whole())[:-20], "damaged or truncated"),
    ],
)  # fmt: skip
def test_other_contents_are_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        read(tmp_path, content)
    assert "Archery.pkl" in str(refused.value)


class Runs:
    """A pickle of this calls something when it is read."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.how = (call, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.how


@pytest.mark.parametrize("place", ["features", "video_names", "fps", "whole", "in a list", "in an array"])
def test_nothing_runs(tmp_path: Path, place: str) -> None:
    marker = tmp_path / "it-ran"
    evil: object = Runs(os.system, f"touch {marker}")
    array = np.empty(1, dtype=object)
    array[0] = evil
    content = {
        "whole": evil,
        "in a list": whole(features=[*STEPS[:2], evil]),
        "in an array": whole(features=[*STEPS[:2], array]),
    }.get(place, whole(**{place: evil}))
    with pytest.raises(DataError, match=r"it asks for posix\.system"):
        read(tmp_path, content)
    assert not marker.exists()
    pickle.loads(pickle.dumps(content))  # noqa: S301 (a proof is one only if an unrestricted reader falls for it)
    assert marker.exists()


def test_torch_is_refused_by_name(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(DataError, match=r"it asks for torch\._utils\._rebuild_tensor_v2"):
        read(tmp_path, whole(features=[torch.zeros(2, 4)] * 3))


ONE = np.ones((1000, 100), np.float32)
NESTED = b"]" * 500_000 + b"a" * 499_999
BOMBS = {
    "one array for many clips": (whole(features=[ONE] * 2_000, video_names=None), "repeat what the file holds"),
    "nested lists as features": (
        b"\x80\x04}X\x08\x00\x00\x00features" + NESTED + b"s.",
        "clip 0 of 'features' is a list",
    ),
    "nested lists as a rate": (pickle.dumps(whole(fps=77)).replace(b"K\x4d", NESTED, 1), "'fps' is a list; expected a"),
    "long texts in an array": (whole(video_names=np.zeros(3, "S4097")), "array of dtype 'S4097'"),
    "letters that are none": (
        pickle.dumps(whole(video_names=np.array(["abcd"] * 3))).replace(b"a\0\0\0b", b"\xff\xff\xff\xffb"),
        "a text with letters that there are not",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_costs_time_or_memory_is_refused_in_time(tmp_path: Path, name: str) -> None:
    content, message = BOMBS[name]
    begun = time.process_time()
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)
    assert time.process_time() - begun < 15  # of the processor; about 2 at most


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_file_is_named(tmp_path: Path, seed: int) -> None:
    """Cut anywhere, or with a bit changed, a file is refused or still gives clips; no other exception comes out."""
    content = pickle.dumps(whole(video_names=np.array(NAMES)), protocol=2 + 2 * seed)
    rng = np.random.default_rng(seed)
    for position in rng.integers(len(content), size=300).tolist():
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        try:
            clips = read(tmp_path, bytes(damaged))
        except DataError:
            continue
        assert all(rows.dtype == np.float32 and rows.ndim == 2 for rows in clips.steps)


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not readable"):
        read_pickled_features(tmp_path / "a" / "b" / "c" / "none.pkl", "audio")
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(DataError, match="no plain file"):
        read_pickled_features(tmp_path / "pipe.pkl", "audio")


def test_what_memory_does_not_hold_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avgzsl.data.reading.own_dataset._free_memory", lambda: 1 << 10)
    with pytest.raises(DataError, match=r"Archery\.pkl: it takes 0\.0 GB of memory to read.*divide the class"):
        read(tmp_path, whole(features=[np.ones((100, 4), np.float32), *STEPS[1:]]))


@pytest.mark.parametrize("protocol", range(6))
def test_a_clip_without_steps_is_read_whatever_the_protocol(tmp_path: Path, protocol: int) -> None:
    """Old pickles write its empty bytes as a call of `bytes`, which is no attack."""
    clips = read(tmp_path, whole(features=[STEPS[0], STEPS[1][:0], STEPS[2]]), protocol=protocol)
    assert [len(steps) for steps in clips.steps] == [3, 0, 5]


def test_bytes_of_a_length_are_refused(tmp_path: Path) -> None:
    """`bytes(n)` would be n zeros of memory for a few letters of file."""
    with pytest.raises(DataError, match="refused: it asks for bytes of something"):
        read(tmp_path, b"c__builtin__\nbytes\n(I1000000\ntR.")
