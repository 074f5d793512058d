"""A small data set on disk in the AVCA layout, with its traps: spellings, lists longer than the class list, names whose
two orders differ. Used by several test modules."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.small_set import write_file

# original -> manual: sorted by the one or by the other, they come in different orders
MANUAL = {
    "PlayPiano": "Play Piano",
    "Play": "Playing",
    "PlayDrum": "Play Drum",
    "Playground": "A Playground",
    "Zebra": "Zebra",
    "Handstand": "Hand Stand",
    "Archery": "Archery",
    "Bowling": "Bowling",
    "Unused": "Not Used",
}
STAGES = {
    "stage_1_train": ("Archery", "HandStand", "PlayPiano", "Zebra"),  # HandStand: as UCF spells Handstand here
    "stage_1_val_seen": ("Archery", "HandStand", "PlayPiano", "Zebra"),
    "stage_1_val_unseen": ("Play", "Bowling"),
    "stage_2_train": ("Archery", "HandStand", "PlayPiano", "Zebra", "Play", "Bowling"),
    "stage_2_test_seen": ("Archery", "HandStand", "PlayPiano", "Zebra", "Play", "Bowling"),
    "stage_2_test_unseen": ("PlayDrum", "Playground"),
}
FEATURES = {"main": {"audio": 6, "video": 5}, "cls": {"audio": 4, "video": 7}}
TRAIN, VAL = ("stage_1_train",), ("stage_1_val_seen", "stage_1_val_unseen")
TEST = ("stage_2_test_seen", "stage_2_test_unseen")


def count(stage: str, name: str) -> int:
    return 3 + (len(stage) + len(name)) % 4


def vectors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    rows = {manual: rng.standard_normal(5).astype(np.float32) for manual in MANUAL.values()}
    return {manual: row / np.linalg.norm(row) for manual, row in rows.items()}


def write_avca(root: Path, features: tuple[str, ...] = ("main", "cls"), stem: Mapping[str, str] | None = None) -> Path:
    """`stem` is the file name of a class, where it is not the name that the lists give it."""
    folder = root / "class-split"
    folder.mkdir(parents=True)
    (folder / "all_class.txt").write_text("".join(f"{name}\n" for name in MANUAL))
    lines = "".join(f"{original},{manual},x\n" for original, manual in MANUAL.items())
    (folder / "tiny_w2v_class_names.csv").write_text("original,manual,category\n" + lines)
    for split in ("main", "cls"):
        write_lists(root, split, "stage_2_train", STAGES["stage_2_train"])
        for stage in (*TRAIN, *VAL, *TEST):
            write_lists(root, split, stage, STAGES[stage])
    for split in features:
        for seed, stage in enumerate((*TRAIN, *VAL, *TEST)):
            for name in STAGES[stage]:
                rng = np.random.default_rng([seed, len(split), *name.encode()])
                ids = [f"{name}-{stage}-{row}" for row in range(count(stage, name))]
                for modality, dimension in FEATURES[split].items():
                    rows = rng.standard_normal((len(ids), dimension)).astype(np.float32)
                    write_file(feature_file(root, split, modality, stage, (stem or {}).get(name, name)), rows, ids)
        text = root / "features" / f"{split}_features" / "text"
        text.mkdir()
        np.save(text / "word_embeddings_tiny_normed.npy", np.array(vectors(), dtype=object))
    return root


def feature_file(root: Path, split: str, modality: str, stage: str, name: str) -> Path:
    return root / "features" / f"{split}_features" / modality / stage / f"{name}.h5"


def write_lists(root: Path, split: str, stage: str, names: tuple[str, ...], more: tuple[str, ...] = ()) -> None:
    """The classes in the .txt; clips of these and of `more` in the .csv."""
    folder = root / "class-split" / f"{split}_split"
    folder.mkdir(exist_ok=True)
    (folder / f"{stage}.txt").write_text("".join(f"{name}\n" for name in names))
    clips = [(f"{name}-{stage}-{row}", name) for name in (*names, *more) for row in range(count(stage, name))]
    rows = "".join(f"{clip},{name},0\n" for clip, name in clips)
    (folder / f"{stage}.csv").write_text("filename,label,label_code\n" + rows)
