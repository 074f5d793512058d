"""The small data set in the AVCA layout as TCaF and ClipClap publish theirs: pickled, by plain pickle."""

import pickle
import shutil
from pathlib import Path

import numpy as np

from tests.small_avca import MANUAL, write_avca
from tests.small_set import read_file

# what ClipClap calls the classes: sorted as the original names are
CLIP = {name: f"{letter} {MANUAL[name]}" for letter, name in zip("abcdefghi", sorted(MANUAL), strict=True)}


def pickled(path: Path, steps: list[np.ndarray], ids: list[str], protocol: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"features": steps, "video_names": np.array([name.encode() for name in ids]), "fps": [25] * len(ids)}
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def write_pickles(root: Path, *, steps: bool, suffix: str = "_non_averaged", sets: tuple[str, ...] = ("cls",)) -> Path:
    """With `steps` each row becomes several whose mean it is, as many as its place says; else it stays a vector."""
    write_avca(root, sets)
    for part in sets:
        old = root / "features" / f"{part}_features"
        for file in sorted(old.glob("*/*/*.h5")):
            rows, ids = read_file(file)
            clips = [spread(row, 1 + number % 3) if steps else row for number, row in enumerate(rows)]
            target = old.with_name(old.name + suffix) / file.relative_to(old).with_suffix(".pkl")
            pickled(target, clips, ids or [])
        shutil.copytree(old / "text", old.with_name(old.name + suffix) / "text")
        shutil.rmtree(old)
    return root


def spread(row: np.ndarray, count: int) -> np.ndarray:
    """`count` x d steps with the mean `row`."""
    away = np.arange(count) - (count - 1) / 2
    return (row + away[:, None]).astype(np.float32)


def write_clipclap(root: Path) -> Path:
    """Vectors; two dicts of text, by the names of `clip_class_name`; the csv of these names."""
    write_pickles(root, steps=False)
    text = root / "features" / "cls_features_non_averaged" / "text"
    (text / "word_embeddings_tiny_normed.npy").unlink()
    rng = np.random.default_rng(9)
    for prefix, width in (("", 3), ("wavcaps_", 4)):
        rows = {key: rng.standard_normal(width).astype(np.float32) for key in CLIP.values()}
        np.save(text / f"{prefix}word_embeddings_tiny_normed.npy", np.array(rows, dtype=object))
    lines = "".join(f"{name},{MANUAL[name]},{CLIP[name]}\n" for name in MANUAL)
    (root / "class-split" / "tiny_clip_class_names.csv").write_text("original,manual,clip_class_name\n" + lines)
    return root
