"""Features of clips on disk, and which file, span and network each row came from.

A store is a folder. `store.json` is written last and makes it whole: what the encoders were, the classes, and size and
SHA-256 of the other files. `clips.jsonl` has one row a clip (`clip_rows`), in the order of the arrays: the columns of
COLUMNS, then those that the manifest had besides, as text. `audio.npy`, `video.npy` are n x d float32, zero where a
clip lacks the modality; `text.npy` is c x t, in the order of `classes`, the parts of the text side by side.
`splits/NAME.json` are class splits (`class_splits`), `failures.csv` the files that gave no row, `journal.sqlite` what
lets an extraction go on (`journal`).

Where sequences are kept, `audio.steps.npy` is s x d float32: the steps of all clips one after the other, of which the
rows of `audio.npy` are means. `audio.times.npy` has the seconds of each from where its clip begins, `audio.lengths.npy`
how many each clip has, int64. So it is of video.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import DataError
from avgzsl.features.clip_rows import CLIPS, OLDER_CLIPS, ClipRows, read_rows, write_rows
from avgzsl.features.clip_steps import ClipSteps, FlatSteps
from avgzsl.features.encoder_record import EncoderRecord
from avgzsl.features.folder_kinds import what_it_is
from avgzsl.features.store_arrays import (
    AGAIN,
    Arrays,
    appended,
    array_file,
    array_files,
    open_array,
    open_steps,
    remove_arrays,
)
from avgzsl.features.store_record import FileRecord, Part, StoreRecord, names_encoder
from avgzsl.media.version import DECODER
from avgzsl.support import records
from avgzsl.support.files import write_json, write_whole
from avgzsl.support.trust import plain_name
from avgzsl.support.weights import identify
from avgzsl.text.part_record import TextPart
from avgzsl.types import MODALITIES, Modality

FORMAT = 3  # 1 and 2, with and without sequences, have their rows as Parquet
RECORD, TEXT = "store.json", "text.npy"
COLUMNS = (
    "id",  # of the clip, unique
    "path",  # of the file, from the root of the clips
    "label",  # class name, or null
    "split",  # train, val, test, or null
    "seen",  # whether the manifest says that its class is seen, or null
    "start",  # seconds
    "end",  # seconds, or null: to the end of the file
    "has_audio",
    "has_video",
    "sha256",  # of the file
    "size",  # of the file, in bytes
    "mtime_ns",  # of the file: while it and the size are the same, the hash is believed
    "info",  # JSON: what the file is, and which of its streams were used
)


class StoredClip(NamedTuple):
    """One row: `about` has the values of all columns by name; a feature vector is None where the clip lacks it."""

    about: Mapping[str, Any]
    audio: Float32[np.ndarray, " _a"] | None
    video: Float32[np.ndarray, " _v"] | None
    sequences: Mapping[Modality, ClipSteps] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Store:
    """An opened store of n clips and c classes; None for features that were not extracted.

    `clips` has n rows; the features are memory-mapped.
    """

    folder: Path
    record: StoreRecord
    clips: ClipRows
    audio: Float32[np.ndarray, "_n _a"] | None
    video: Float32[np.ndarray, "_n _v"] | None
    text: Float32[np.ndarray, "_c _t"] | None
    sequences: Mapping[Modality, FlatSteps] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.record.clips

    def feature(self, modality: Modality) -> Float32[np.ndarray, "_n _d"] | None:
        """The features of a modality, a row a clip; zero where a clip lacks it."""
        return self.audio if modality == "audio" else self.video

    def file(self, row: int) -> Path:
        """The media file of the clip in a row; it may have gone since."""
        return Path(self.record.root, self.clips["path"][row])


def is_store(folder: Path) -> bool:
    """Whether the folder holds a finished store."""
    return (folder / RECORD).is_file()


def open_store(path: Path | str) -> Store:
    """Open a store, whose features stay on disk. Raises DataError when it is not there, newer, damaged or unfinished.

    Sizes, shapes and columns are checked; `verify` reads everything. Raises ConfigError where it is of avgzsl 0.1, and
    the extra `parquet` is not installed.
    """
    folder = Path(path)
    record = read_record(folder)
    for name, file in record.files.items():
        plain_name(name, folder / RECORD, DataError)
        size = (folder / name).stat().st_size if (folder / name).is_file() else None
        if size != file.size:
            fault = "is not there" if size is None else f"has {size} bytes"
            raise DataError(f"{folder / name}: {fault}; expected {file.size} bytes, as {RECORD} says. {AGAIN}")
    table = OLDER_CLIPS if record.format < FORMAT else CLIPS
    rows = read_rows(folder / table, (*COLUMNS, *record.columns), record.clips, AGAIN)
    features = {
        m: open_array(folder / array_file(m), record.clips, record.encoders[m].dimension)
        if m in record.encoders
        else None
        for m in MODALITIES
    }
    width = sum(part.width for part in record.text_parts)
    text = open_array(folder / TEXT, len(record.classes), width) if TEXT in record.files and width else None
    sequences = {
        m: open_steps(folder, m, record.clips, total, record.encoders[m].dimension) for m, total in record.steps.items()
    }
    return Store(folder, record, rows, features["audio"], features["video"], text, sequences)


def read_record(folder: Path) -> StoreRecord:
    """The record of a store, `store.json`. Raises DataError where there is none, or it is damaged or newer."""
    try:
        return records.read_record(
            folder / RECORD, StoreRecord, "a store's record", AGAIN[0].lower() + AGAIN[1:], DataError, FORMAT
        )
    except (FileNotFoundError, NotADirectoryError) as problem:
        given = what_it_is(folder, "store") or "; make it with, or go on with, `avgzsl extract`"
        raise DataError(
            f"{folder}: is not a store of features, or not finished (there is no {RECORD}){given}"
        ) from problem


def verify(store: Store) -> None:
    """Read every file. Raises DataError that names those which are not as they were written."""
    files = store.record.files.items()
    if wrong := [name for name, file in files if identify(store.folder / name).sha256 != file.sha256]:
        raise DataError(f"{store.folder}: damaged: {', '.join(wrong)} (another SHA-256 than {RECORD} has). {AGAIN}")


def write(
    folder: Path,
    root: Path,
    encoders: Mapping[Part, EncoderRecord],
    classes: tuple[str, ...],
    text: Float32[np.ndarray, "_c _t"] | None,
    columns: tuple[str, ...],
    count: int,
    clips: Iterable[StoredClip],
    parts: tuple[TextPart, ...] = (),
    steps: Mapping[Modality, int] = MappingProxyType({}),
) -> Store:
    """Write a store of `count` clips, which are taken one by one; the folder is no store until it is finished.

    `parts` are those of `text`; one that is an encoder of names and no more may stand among the `encoders` instead.
    `steps` are how many steps the clips have in all, of each modality whose sequences are kept.
    Raises AvgzslError when the disk refuses, DataError when the clips are not `count`.
    """
    (folder / RECORD).unlink(missing_ok=True)
    remove_arrays(folder)
    for name in (CLIPS, OLDER_CLIPS, TEXT):
        (folder / name).unlink(missing_ok=True)
    dimensions = {modality: encoders[modality].dimension for modality in MODALITIES if modality in encoders}

    def fill(table: Path) -> None:
        with appended(folder, count, dimensions, steps) as arrays:
            written = write_rows(table, (*COLUMNS, *columns), _appending(clips, arrays, dimensions))
        if written != count:
            raise DataError(f"{folder}: {written} clips to write; expected {count}. {AGAIN}")

    write_whole(folder / CLIPS, fill)
    names = [CLIPS, *(name for modality in dimensions for name in array_files(modality, modality in steps))]
    if text is not None:
        write_whole(folder / TEXT, lambda temporary: _save(temporary, text))
        names.append(TEXT)
    record = StoreRecord(
        format=FORMAT,
        root=str(root.resolve()),
        clips=count,
        classes=classes,
        columns=columns,
        encoders={**encoders, **names_encoder(parts)},
        text=() if names_encoder(parts) else parts,
        files={name: _file_record(folder / name) for name in names},
        decoder=DECODER,
        steps=dict(steps),
    )
    write_json(folder / RECORD, record.model_dump(mode="json"))
    return open_store(folder)


def _file_record(path: Path) -> FileRecord:
    return FileRecord(size=path.stat().st_size, sha256=identify(path).sha256)


def _appending(clips: Iterable[StoredClip], arrays: Arrays, modalities: Iterable[Modality]) -> Iterable[dict[str, Any]]:
    """The row of the table for each clip; its features are appended to the arrays on the way."""
    for clip in clips:
        for modality in modalities:
            row = clip.audio if modality == "audio" else clip.video
            arrays.append(modality, row, clip.sequences.get(modality))
        yield {**clip.about, "has_audio": clip.audio is not None, "has_video": clip.video is not None}


def _save(path: Path, array: Float32[np.ndarray, "_c _t"]) -> None:
    with path.open("wb") as stream:
        np.save(stream, array.astype("<f4"), allow_pickle=False)
