"""One cache entry: a folder with the features of a source as flat float32 files, and a manifest, written last.

Per group of stages, all rows of a modality are one file; the rows of a class in a stage (a unit, `stage/class`) are
contiguous in it. Files are written, never grown through a memory map: on a full disk that kills the process instead of
raising.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float32, Shaped

from avgzsl.data.reading.pairing import ClassClips
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
    """The rows of one group of stages; `features` are memory-mapped, copy on write."""

    features: Mapping[Modality, Float32[np.ndarray, "_n _d"]]
    ids: Shaped[np.ndarray, " _n"]
    spans: Mapping[str, RowSpan]


def unit(stage: str, name: str) -> str:
    """The key of a class in a stage; class names hold no slash."""
    return f"{stage}/{name}"


def write_group(folder: Path, group: str, clips: Iterable[tuple[str, ClassClips]]) -> dict[str, Any]:
    """Write one group unit by unit, so that only one is in memory; gives its part of the manifest."""
    streams: dict[Modality, BinaryIO] = {}
    dimensions: dict[Modality, int] = {}
    spans: dict[str, dict[str, Any]] = {}
    ids: list[Shaped[np.ndarray, " n"]] = []
    start = 0
    with ExitStack() as stack:
        for name, part in clips:
            for modality, rows in part.features.items():
                if modality not in streams:
                    streams[modality] = stack.enter_context((folder / _file(group, modality)).open("wb"))
                    dimensions[modality] = rows.shape[1]
                streams[modality].write(rows.astype("<f4", copy=False).data)
            ids.append(part.ids)
            stop = start + len(part.ids)
            about = {"content": _content(part), "aligned": part.aligned, "dropped": part.dropped}
            spans[name] = {"start": start, "stop": stop, **about}
            start = stop
        for stream in streams.values():
            stream.flush()
            os.fsync(stream.fileno())
    _write_ids(folder / _file(group, "ids"), np.concatenate(ids) if ids else np.array([], np.str_))
    files = [_file(group, part) for part in (*dimensions, "ids")]
    return {"dimensions": dimensions, "spans": spans, "files": {file: _stamp(folder / file) for file in files}}


def write_manifest(folder: Path, source: Path, covers: Iterable[str], groups: dict[str, Any]) -> None:
    """Write the manifest, which makes the entry whole."""
    write_json(
        folder / MANIFEST, {"version": VERSION, "source": str(source), "covers": sorted(covers), "groups": groups}
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
    return GroupEntry(features, np.load(folder / _file(group, "ids"), allow_pickle=False), spans)


def _mapped(path: Path, shape: tuple[int, int]) -> Float32[np.ndarray, "n d"]:
    if not shape[0]:  # an empty file cannot be mapped
        return np.empty(shape, dtype=np.float32)
    return np.memmap(path, dtype="<f4", mode="c", shape=shape)


def _file(group: str, part: str) -> str:
    return f"{group}.ids.npy" if part == "ids" else f"{group}.{part}.f32"


def _stamp(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _write_ids(path: Path, ids: Shaped[np.ndarray, " n"]) -> None:
    with path.open("wb") as stream:
        np.save(stream, ids, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())


def _content(clips: ClassClips) -> str:
    digest = sha256()
    for modality, rows in clips.features.items():
        digest.update(f"{modality} {rows.shape}".encode())
        digest.update(rows.astype("<f4", copy=False).data)
    digest.update("\0".join(clips.ids.tolist()).encode())
    return digest.hexdigest()
