"""What the inspection reports about sound data; the faults are in test_datasets_faults."""

import json
from pathlib import Path

import numpy as np
import pytest

from avgzsl.data.inspection.inspect import inspect
from avgzsl.errors import DataError
from tests.small_set import (
    FOLDERS,
    ORDER,
    SEEN,
    UNSEEN,
    change,
    count,
    feature_file,
    read_file,
    write_file,
    write_lists,
    write_set,
    write_vectors,
)

REALSET = Path(__file__).parents[2] / "shared" / "data" / "realset"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


def test_a_sound_data_set(root: Path) -> None:
    report = json.loads(json.dumps(inspect(root).json(), allow_nan=False))
    assert (report["layout"], report["path"], report["problems"]) == ("audioset-zsl", str(root), [])
    assert report["class_splits"] == {"class-split": {"seen": list(SEEN), "unseen": list(UNSEEN)}}
    assert report["clips"] == {name: {split: count(name, split) for split in FOLDERS} for name in ORDER}
    assert report["text"] == [{"file": "word_embeddings-dict.npy", "dimension": 5, "classes": 5}]
    for modality, dimension in (("audio", 6), ("video", 4)):
        rows = np.concatenate([read_file(feature_file(root, modality, s, c))[0] for s in FOLDERS for c in ORDER])
        about = report["modalities"][modality]
        assert about["dimension"] == dimension
        assert (about["min"], about["max"]) == (rows.min(), rows.max())
        assert about["mean_norm"] == pytest.approx(np.linalg.norm(rows, axis=1).mean(), rel=1e-6)


def test_leaks_repeats_zeros_and_imbalance(root: Path) -> None:
    source, target = (feature_file(root, "audio", split, "dog") for split in ("train", "test"))
    rows, ids = read_file(target)
    rows[0], rows[1] = read_file(source)[0][3], 0
    for modality in ("audio", "video"):
        path = feature_file(root, modality, "test", "dog")
        same = rows if modality == "audio" else read_file(path)[0]
        write_file(path, same, ["dog-train-3", "cat-test-0", *ids[2:]])
    for modality in ("audio", "video"):
        change(feature_file(root, modality, "train", "tram"), lambda rows: rows[:0])
        path = feature_file(root, modality, "train", "bus")
        many = np.random.default_rng(99).standard_normal((70, read_file(path)[0].shape[1])).astype(np.float32)
        write_file(path, many, [f"bus-{i}" for i in range(70)])
    (root / "features/video/val/zebra.h5").write_bytes(b"")
    write_vectors(root, {name: np.ones(3, np.float32) * max(i, 2) for i, name in enumerate(ORDER)})
    report = inspect(root).json()
    problems, remarks = "\n".join(report["problems"]), "\n".join(report["remarks"])
    assert "1 ids stand in more than one split: dog-train-3;" in problems
    assert "1 ids stand in more than one class: cat-test-0" in problems
    assert "'tram', 'dog', 'pig' have the same text vector" in problems
    assert "1 rows of audio are all zero" in remarks
    assert "1 different rows of audio stand, number for number, in more than one split" in remarks
    assert "1 rows of audio repeat another row" in remarks
    assert "rows of video" not in remarks
    assert "zebra" in remarks
    assert "12 times" in remarks  # bus 70, dog 6


def test_nothing_but_feature_folders(tmp_path: Path) -> None:
    (tmp_path / "features/audio/tst").mkdir(parents=True)
    report = inspect(tmp_path).json()
    problems = "\n".join(report["problems"])
    for part in ("class-split", "word_embeddings-dict", "audio/trn"):
        assert part in problems
    assert report["clips"] == {}
    with pytest.raises(DataError, match="no layout recognised"):
        inspect(tmp_path / "features")


def test_one_broken_class_split_hides_no_other(root: Path) -> None:
    write_lists(root / "class-split-2", ORDER, SEEN, ("pig",))
    report = inspect(root).json()
    assert report["class_splits"]["class-split"]["seen"] == list(SEEN)
    assert len(report["problems"]) == 1


@pytest.mark.skipif(not REALSET.is_dir(), reason="needs ../shared/data/realset")
def test_real_features() -> None:
    report = inspect(REALSET).json()
    assert report["problems"] == []
    assert len(report["class_splits"]) == 5
    assert sum(sum(by.values()) for by in report["clips"].values()) == 1344
    assert [about["dimension"] for about in report["modalities"].values()] == [1024, 1280]
