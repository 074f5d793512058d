"""One cache entry: a folder with the features of a source as flat float32 files, and a manifest, written last.

Per group of stages, all rows of a modality are one file; the rows of a class in a stage (a unit, `stage/class`) are
contiguous in it. Where clips are sequences, their rows are means, and all steps of a modality are a file beside them,
with one of the steps' times and one of how many each clip has. Files are written, never grown through a memory map: on
a full disk that kills the process instead of raising.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from avgzsl.data.reading.pairing import ClassClips
from avgzsl.errors import DataError
from avgzsl.features.clip_steps import FlatSteps, lengths
from avgzsl.support.files import write_json
from avgzsl.types import Modality

VERSION = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class RowSpan:
    """The rows `start` to `stop` of a group that are a unit's, and the hash of its content.

    `aligned` is whether its rows of video were reordered, `dropped` how many clips were left out.
    """

    start: int
    stop: int
    content: str
    aligned: bool
    dropped: int


@dataclass(frozen=True, eq=False)
class GroupEntry:
    """The rows of one group of stages; `features` are memory-mapped, copy on write, as are steps of `sequences`."""

    features: Mapping[Modality, Float32[np.ndarray, "_n _d"]]
    ids: Shaped[np.ndarray, " _n"]
    spans: Mapping[str, RowSpan]
    sequences: Mapping[Modality, FlatSteps] = field(default_factory=dict)


def unit(stage: str, name: str) -> str:
    """The key of a class in a stage; class names hold no slash."""
    return f"{stage}/{name}"


def write_group(folder: Path, group: str, clips: Iterable[tuple[str, ClassClips]]) -> dict[str, Any]:
    """Write one group unit by unit, so that only one is in memory; gives its part of the manifest.

    Raises DataError where clips of some units are sequences and those of others are not.
    """
    dimensions: dict[Modality, int] = {}
    steps: dict[Modality, list[Int64[np.ndarray, " n"]]] = {}
    spans: dict[str, dict[str, Any]] = {}
    ids: list[Shaped[np.ndarray, " n"]] = []
    start = 0
    with _Streams(folder, group) as streams:
        for name, part in clips:
            if start and len(part.ids) and part.sequences.keys() != steps.keys():
                raise DataError(_some_sequences(name, part, steps))
            for modality, rows in part.features.items():
                dimensions.setdefault(modality, rows.shape[1])
                streams.append(modality, rows)
            for modality, sequences in part.sequences.items():
                steps.setdefault(modality, []).append(lengths(sequences))
                for clip in sequences:
                    streams.append(f"{modality}.steps", clip.steps)
                    streams.append(f"{modality}.times", clip.times)
            ids.append(part.ids)
            stop = start + len(part.ids)
            about = {"content": _content(part), "aligned": part.aligned, "dropped": part.dropped}
            spans[name] = {"start": start, "stop": stop, **about}
            start = stop
    _write_array(folder / _file(group, "ids"), np.concatenate(ids) if ids else np.array([], np.str_))
    for modality, counts in steps.items():
        _write_array(folder / _file(group, f"{modality}.lengths"), np.concatenate(counts))
    files = [_file(group, part) for part in (*streams.open, "ids", *(f"{modality}.lengths" for modality in steps))]
    made: dict[str, Any] = {"dimensions": dimensions, "spans": spans}
    made |= {"sequences": list(steps)} if steps else {}  # a source of vectors has the entry that it always had
    return {**made, "files": {file: _stamp(folder / file) for file in files}}


class _Streams(ExitStack):
    """The flat files of a group, each made when something is first appended to it; on disk at the end."""

    def __init__(self, folder: Path, group: str) -> None:
        super().__init__()
        self.folder, self.group = folder, group
        self.open = dict[str, BinaryIO]()

    def append(self, part: str, rows: Float32[np.ndarray, "..."]) -> None:
        if part not in self.open:
            self.open[part] = self.enter_context((self.folder / _file(self.group, part)).open("wb"))
            self.callback(_sync, self.open[part])
        self.open[part].write(np.ascontiguousarray(rows, "<f4").data)


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _some_sequences(name: str, part: ClassClips, steps: Mapping[Modality, object]) -> str:
    def words(modalities: Iterable[Modality]) -> str:
        return f"{' and '.join(modalities) or 'neither audio nor video'} as sequences"

    return (
        f"{name}: its clips have {words(part.sequences)}, those of classes before it have {words(steps)}; expected the "
        "same of all classes: extract all in one way"
    )


def write_manifest(folder: Path, source: Path, covers: Iterable[str], groups: dict[str, Any]) -> None:
    """Write the manifest, which makes the entry whole."""
    write_json(
        folder / MANIFEST,
        {"version": VERSION, "source": str(source.resolve()), "covers": sorted(covers), "groups": groups},
    )


def open_entry(folder: Path, needed: Iterable[str]) -> dict[str, GroupEntry] | None:
    """The groups of an entry, or None if it is not there, damaged, of another version, or lacks a needed unit."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["version"] != VERSION or not set(needed) <= set(manifest["covers"]):
            return None
        return {group: _open_group(folder, group, description) for group, description in manifest["groups"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # damaged: as good as absent, it is rebuilt
        return None


def _open_group(folder: Path, group: str, description: dict[str, Any]) -> GroupEntry:
    for file, stamp in description["files"].items():
        if _stamp(folder / file) != stamp:
            raise ValueError(f"{file} is not as it was written")
    spans = {name: RowSpan(**span) for name, span in description["spans"].items()}
    count = max((span.stop for span in spans.values()), default=0)
    features: dict[Modality, Float32[np.ndarray, "n d"]] = {
        modality: _mapped(folder / _file(group, modality), (count, dimension))
        for modality, dimension in description["dimensions"].items()
    }
    sequences: dict[Modality, FlatSteps] = {
        modality: _flat_steps(folder, f"{group}.{modality}", count, description["dimensions"][modality])
        for modality in description.get("sequences", [])
    }
    return GroupEntry(features, np.load(folder / _file(group, "ids"), allow_pickle=False), spans, sequences)


def _flat_steps(folder: Path, stem: str, count: int, dimension: int) -> FlatSteps:
    length = np.load(folder / f"{stem}.lengths.npy", allow_pickle=False)
    if length.shape != (count,) or length.dtype != np.int64:
        raise ValueError(f"{length.dtype} {length.shape} lengths for {count} clips")
    total = int(length.sum())
    steps, times = (folder / f"{stem}.{part}.f32" for part in ("steps", "times"))
    return FlatSteps(_mapped(steps, (total, dimension)), _mapped(times, (total,)), length)


def _mapped(path: Path, shape: tuple[int, ...]) -> Float32[np.ndarray, "..."]:
    if not shape[0]:  # an empty file cannot be mapped
        return np.empty(shape, dtype=np.float32)
    return np.memmap(path, dtype="<f4", mode="c", shape=shape)


def _file(group: str, part: str) -> str:
    return f"{group}.{part}.npy" if part == "ids" or part.endswith(".lengths") else f"{group}.{part}.f32"


def _stamp(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _write_array(path: Path, array: Shaped[np.ndarray, " n"]) -> None:
    with path.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
        _sync(stream)


def _content(clips: ClassClips) -> str:
    digest = sha256()
    for modality, rows in clips.features.items():
        digest.update(f"{modality} {rows.shape}".encode())
        digest.update(rows.astype("<f4", copy=False).data)
    digest.update("\0".join(clips.ids.tolist()).encode())
    for modality, sequences in clips.sequences.items():
        digest.update(f"sequences {modality} {lengths(sequences).tolist()}".encode())
        for clip in sequences:
            digest.update(np.ascontiguousarray(clip.steps, "<f4").data)
            digest.update(np.ascontiguousarray(clip.times, "<f4").data)
    return digest.hexdigest()
