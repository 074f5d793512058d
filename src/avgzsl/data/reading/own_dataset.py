"""A dataset that is stored in an HDF5 file itself, and is as large as the file can mean.

HDF5 has many ways to show what lies elsewhere, or nowhere: links to other files, virtual datasets, external storage,
filters loaded from a folder of plug-ins, rows that were never written. None of them is followed or filled in here.
"""

import math
from pathlib import Path

import h5py
from h5py import h5d, h5l, h5o

from avgzsl.errors import DataError
from avgzsl.support.trust import DENSEST, LARGE

_LARGE_COUNT = 1 << 16  # chunks
_CHUNK_TAKES = 8  # bytes of an index, at least
_HOPS = 16  # from one soft link to the next
_LAYOUTS = {h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED}
# HDF5's own: deflate, shuffle, fletcher32, szip, nbit, scale-offset; and lzf, which comes with h5py
_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
_KINDS = {h5l.TYPE_SOFT: "a soft link that leads out of the file", h5l.TYPE_EXTERNAL: "a link to another file"}


def own_dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset | None:
    """The dataset `name` of the file at `path`; None where there is nothing of that name.

    Raises DataError for anything but a dataset that the file itself stores, whole, by filters of HDF5, and for one that
    would not fit into memory as numbers of float32 beside it.
    """
    if not file.id.links.exists(name.encode()):
        return None
    object_id = _walk(path, file, name)
    if not isinstance(object_id, h5d.DatasetID):
        raise _refusal(path, name, "is a group" if isinstance(object_id, h5py.h5g.GroupID) else "is a named type")
    properties = object_id.get_create_plist()
    if properties.get_layout() not in _LAYOUTS:  # before the shape is asked for, which would open the sources
        raise _refusal(path, name, "is a virtual dataset, made of parts of other files")
    if properties.get_external_count():
        raise _refusal(path, name, "is stored in other files")
    for number in range(properties.get_nfilters()):
        if (code := properties.get_filter(number)[0]) not in _FILTERS:
            raise _refusal(path, name, f"is packed by the filter {code}, which is not HDF5's own")
    dataset = h5py.Dataset(object_id)
    _check_size(path, name, dataset)
    return dataset


def _walk(path: Path, file: h5py.File, name: str) -> object:
    """The object that a name stands for; soft links inside the file are followed."""
    root = place = file.id
    parts, hops = [name.encode()], 0
    while parts:
        part = parts.pop(0)
        if not isinstance(place, h5py.h5g.GroupID | h5py.h5f.FileID) or not place.links.exists(part):
            raise _refusal(path, name, "is a soft link to nothing")
        kind = place.links.get_info(part).type
        if kind == h5l.TYPE_HARD:
            place = h5o.open(place, part)
            continue
        hops += 1
        if kind != h5l.TYPE_SOFT or hops > _HOPS:
            raise _refusal(path, name, f"is {_KINDS.get(kind, 'a link of a kind of its own')}")
        target = place.links.get_val(part)
        place = root if target.startswith(b"/") else place
        parts = [step for step in target.split(b"/") if step not in (b"", b".")] + parts
    return place


def _check_size(path: Path, name: str, dataset: h5py.Dataset) -> None:
    size = dataset.id.get_type().get_size()
    cells = math.prod(dataset.shape or ())
    chunk = math.prod(dataset.chunks) if dataset.chunks else 0
    declared, length = max(cells, chunk) * size, path.stat().st_size
    chunks = math.prod(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)) if chunk else 1
    if chunks > _LARGE_COUNT and chunks * _CHUNK_TAKES > length:
        raise DataError(f"{path}: {name!r} declares {chunks:,} chunks, but the file has {length:,} bytes; {_AGAIN}")
    if declared <= LARGE:
        return
    stored = min(dataset.id.get_storage_size(), length)
    if declared > DENSEST * stored:
        raise DataError(
            f"{path}: {name!r} declares {_gigabytes(declared)}, but the file holds {stored:,} bytes of it: most of its "
            f"rows were never written; {_AGAIN}"
        )
    require_memory(path, repr(name), cells * (size + 4))


def require_memory(path: Path, what: str, needed: int) -> None:
    """Raises DataError where reading would take more memory than is free, as far as the system tells."""
    free = _free_memory()
    if free is not None and needed > free:
        raise DataError(
            f"{path}: {what} takes {_gigabytes(needed)} of memory to read, and {_gigabytes(free)} are free; use a "
            "larger machine, or divide the class among several files"
        )


_AGAIN = "write the file again, or fetch it again"


def _refusal(path: Path, name: str, what: str) -> DataError:
    return DataError(
        f"{path}: {name!r} {what}; only datasets that the file itself stores are read, write the features into it"
    )


def _free_memory() -> int | None:
    """Bytes of memory that are free; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:,.1f} GB"
