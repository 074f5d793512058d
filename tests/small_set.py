"""A small data set on disk in the AudioSetZSL layout, and ways to spoil it. Used by several test modules."""

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np

SEEN, UNSEEN = ("dog", "cat", "bus"), ("pig", "tram")
ORDER = ("tram", "dog", "pig", "cat", "bus")  # all_class.txt: neither sorted nor seen first
DIMS = {"audio": 6, "video": 4}
FOLDERS = {"train": "trn", "val": "val", "test": "tst"}


def count(name: str, split: str) -> int:
    return {"train": 5, "val": 2, "test": 3}[split] + ORDER.index(name)


def write_set(root: Path, *, ids: bool = True, modalities: tuple[str, ...] = ("audio", "video"), seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for modality in modalities:
        for split in FOLDERS:
            for name in ORDER:
                rows = rng.standard_normal((count(name, split), DIMS[modality])).astype(np.float32)
                names = [f"{name}-{split}-{i}" for i in range(len(rows))] if ids else None
                write_file(feature_file(root, modality, split, name), rows, names)
    write_vectors(root, {name: rng.standard_normal(5).astype(np.float32) for name in ORDER})
    write_lists(root / "class-split", ORDER, SEEN, UNSEEN)
    return root


def feature_file(root: Path, modality: str, split: str, name: str) -> Path:
    return root / "features" / modality / FOLDERS[split] / f"{name}.h5"


def write_file(path: Path, rows: np.ndarray, ids: list[str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["data"] = rows
        if ids is not None:
            file["video_urls"] = np.array([name.encode() for name in ids], dtype="S80")


def read_file(path: Path) -> tuple[np.ndarray, list[str] | None]:
    with h5py.File(path, "r") as file:
        return file["data"][()], [x.decode() for x in file["video_urls"][()]] if "video_urls" in file else None


def change(path: Path, edit: Callable[[np.ndarray], np.ndarray | None]) -> None:
    """Rewrite the rows of a file; ids go with rows that are cut off."""
    rows, ids = read_file(path)
    edited = edit(rows)
    rows = rows if edited is None else edited
    write_file(path, rows, None if ids is None else ids[: len(rows)])


def write_vectors(root: Path, vectors: Mapping[str, np.ndarray], name: str = "word_embeddings-dict.npy") -> None:
    folder = root / "features" / "text"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / name, np.array(dict(vectors), dtype=object))


def write_lists(
    folder: Path,
    every: tuple[str, ...],
    seen: tuple[str, ...],
    unseen: tuple[str, ...],
    kinds: tuple[str, str] = ("seen", "unseen"),
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, names in zip(("all", *kinds), (every, seen, unseen), strict=True):
        (folder / f"{kind}_class.txt").write_text(",\n".join(f"'{name}'" for name in names))
