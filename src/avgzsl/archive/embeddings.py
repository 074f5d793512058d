"""The embeddings of all clips in one file, one row of float32 each, at its position; only ever appended to.

A row: the embedding of each part, then the clip's addend in each mode that has an energy term, then has_audio,
has_video and the attention's weight of video (NaN without). Rows that the table of clips does not count are not there,
whatever a killed write left behind the last.
"""

import os
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from avgzsl.archive.index_record import IndexRecord
from avgzsl.archive.readers import Known
from avgzsl.errors import AvgzslError, DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import Embeddings
from avgzsl.support.trust import open_in_place, require_written

FILE = "embeddings.f32"


def width(record: IndexRecord) -> int:
    """How many numbers a row has."""
    return sum(record.dimensions.values()) + len(record.energy) + 3


def pack(
    clips: Embeddings, record: IndexRecord, addends: Float32[np.ndarray, "n _k"] | None = None
) -> Float32[np.ndarray, "n _w"]:
    """Rows; what a clip lacks is zero. Raises DataError for an embedding, or an addend, that is not finite.

    `addends` are those of the modes with an energy term, in the order of their names; None is of an index without.
    """
    n = len(clips.has_audio)
    has = {"audio": clips.has_audio, "video": clips.has_video, "joint": clips.has_audio & clips.has_video}
    columns: list[Tensor] = []
    for part, size in record.dimensions.items():
        z = getattr(clips, part)
        kept = torch.zeros(n, size) if z is None else torch.where(has[part][:, None], z.float(), 0.0)
        wrong = int((~torch.isfinite(kept).all(1)).sum())
        if wrong:
            raise DataError(
                f"the {part} embeddings of {wrong} clips are not finite; look for NaN or infinity in their features"
            )
        columns.append(kept)
    if addends is not None:
        if not np.isfinite(addends).all():
            raise DataError("the scores of some clips for the seen classes are not finite; look for values too large")
        columns.append(torch.from_numpy(addends))
    weight = torch.full((n,), torch.nan) if clips.video_weight is None else clips.video_weight.float()
    weight = torch.where(clips.has_audio & clips.has_video, weight, torch.nan)
    flags = torch.stack([clips.has_audio.float(), clips.has_video.float(), weight], 1)
    return torch.cat([*columns, flags], 1).numpy()


def unpack(rows: Float32[np.ndarray, "n _w"], record: IndexRecord) -> Embeddings:
    """Embeddings of rows. Raises DataError for numbers that `pack` does not write."""
    flags, shares = rows[:, -3:-1], rows[:, -1]
    known = shares[~np.isnan(shares)]
    strange = (flags != 0) & (flags != 1)
    if not np.isfinite(rows[:, :-3]).all() or strange.any() or (known < 0).any() or (known > 1).any():
        raise DataError(f"{FILE}: holds what are no embeddings; `avgzsl index-verify` says of which clips")
    values = torch.from_numpy(np.ascontiguousarray(rows))
    sizes = [*record.dimensions.values(), values.shape[1] - sum(record.dimensions.values())]
    parts = dict(zip(record.parts, values.split(sizes, 1), strict=False))
    weight = values[:, -1]
    return Embeddings(
        parts.get("audio"),
        parts.get("video"),
        parts.get("joint"),
        values[:, -3] == 1,
        values[:, -2] == 1,
        None if bool(weight.isnan().all()) else weight,
    )


def addends(rows: Float32[np.ndarray, "n _w"], record: IndexRecord, mode: Mode) -> Float32[np.ndarray, " n"]:
    """What is added to all scores of each clip in a mode; 0 in one without an energy term."""
    if str(mode) not in record.energy:
        return np.zeros(len(rows), np.float32)
    column: np.ndarray = rows.T[sum(record.dimensions.values()) + sorted(record.energy).index(str(mode))]
    return column


def checksums(rows: Float32[np.ndarray, "n _w"]) -> list[int]:
    """CRC-32 of each row."""
    return [zlib.crc32(row) for row in np.ascontiguousarray(rows)]


def append(folder: Path, end: int, rows: Float32[np.ndarray, "n _w"]) -> None:
    """Write rows behind the first `end`, over what a killed write may have left there; on disk when it comes back.

    Raises AvgzslError when the disk refuses, DataError when rows before `end` are missing.
    """
    path = folder / FILE
    start = end * rows.shape[1] * rows.itemsize
    try:
        with open_in_place(path, DataError, new=not os.path.lexists(path)) as stream:
            if stream.seek(0, os.SEEK_END) < start:
                raise DataError(f"{path}: is shorter than the {end} rows that were written; restore it or index again")
            stream.seek(start)
            stream.truncate()
            stream.write(rows.tobytes())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as problem:
        raise AvgzslError(
            f"{path}: could not be written ({problem.strerror or problem}); what was added before is unharmed. Free "
            "some space and run the same command again: it goes on where it stopped"
        ) from problem


def mapped(folder: Path, end: int, record: IndexRecord, known: Known | None = None) -> Float32[np.ndarray, "_n _w"]:
    """The first `end` rows, read when they are touched; `known` keeps the map. Raises DataError for missing ones."""
    path, size = folder / FILE, width(record)
    if not end:
        return np.zeros((0, size), np.float32)
    try:
        status = path.stat()
        if status.st_size < end * size * 4:
            raise ValueError(f"it has {status.st_size} bytes")
        require_written(path, status, DataError)

        def map_file() -> Float32[np.ndarray, "_n _w"]:
            return np.memmap(path, np.float32, "r", shape=(end, size)).view(np.ndarray)

        return map_file() if known is None else known.of(("rows", status.st_dev, status.st_ino, end), map_file, 0)
    except (OSError, ValueError) as problem:
        raise DataError(
            f"{path}: does not hold the {end} rows of {size} numbers that were written ({problem}); restore it from a "
            "copy, or index again"
        ) from problem


def wipe(folder: Path, positions: Int64[np.ndarray, " n"], record: IndexRecord) -> None:
    """Overwrite rows with zeros. Raises AvgzslError when the disk refuses."""
    path, size = folder / FILE, width(record) * 4
    try:
        with open_in_place(path, DataError) as stream:
            for position in positions.tolist():
                stream.seek(position * size)
                stream.write(bytes(size))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as problem:
        raise AvgzslError(f"{path}: could not be written ({problem.strerror}); run the same again") from problem
