"""Of an HDF5 file, only what it stores itself is read, and nothing is read that it does not store."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from avgzsl.data.reading import feature_files
from avgzsl.data.reading.feature_files import IDS, ROWS, read_features, shape_of
from avgzsl.errors import DataError
from avgzsl.support.trust import require_regular

SECRET = "canary-3f9a"
VALUES = np.arange(6, dtype="f4").reshape(3, 2)
NAMES = np.array([b"a", b"b", b"c"])


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Files of this machine, which no feature file may show."""
    (tmp_path / "secret.txt").write_text(SECRET * 8)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other[ROWS], other[IDS] = VALUES, [SECRET.encode()] * 3
    return tmp_path


def own(file: h5py.File, name: str, **how: object) -> None:
    file.create_dataset(name, data=VALUES if name == ROWS else NAMES, **how)


def external_storage(file: h5py.File, name: str, folder: Path) -> None:
    dtype, shape = ("f4", (3, 2)) if name == ROWS else ("S8", (3,))
    file.create_dataset(name, shape, dtype, external=[(str(folder / "secret.txt"), 0, 24)])


def virtual(file: h5py.File, name: str, folder: Path) -> None:
    shape, dtype = ((3, 2), "f4") if name == ROWS else ((3,), "S11")
    layout = h5py.VirtualLayout(shape, dtype)
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), name, shape)
    file.create_virtual_dataset(name, layout)


def endless_virtual(file: h5py.File, name: str, folder: Path) -> None:
    """A virtual dataset of no fixed length, whose sources are opened to ask for its shape. They are pipes."""
    os.mkfifo(folder / "pipe.h5")
    space = h5s.create_simple((0, 2), (h5s.UNLIMITED, 2))
    space.select_hyperslab((0, 0), (h5s.UNLIMITED, 1), block=(1, 2))
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_layout(h5d.VIRTUAL)
    plan.set_virtual(space, str(folder / "pipe.h5").encode(), b"data", space)
    h5d.create(file.id, name.encode(), h5t.NATIVE_FLOAT, space, plan)


def soft_out(file: h5py.File, name: str, folder: Path) -> None:
    file["door"] = h5py.ExternalLink(str(folder / "other.h5"), "/")
    file[name] = h5py.SoftLink(f"/door/{name}")


def endless_soft(file: h5py.File, name: str, folder: Path) -> None:
    file[name] = h5py.SoftLink("/again")
    file["again"] = h5py.SoftLink(f"/{name}")


def plug_in(file: h5py.File, name: str, folder: Path) -> None:
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((3, 2))
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))  # zstandard, which comes as a plug-in
    h5d.create(file.id, name.encode(), h5t.NATIVE_FLOAT, h5s.create_simple((3, 2)), plan)


def references(file: h5py.File, name: str, folder: Path) -> None:
    file[name] = np.array([file.ref] * 3, dtype=h5py.ref_dtype)


def regions(file: h5py.File, name: str, folder: Path) -> None:
    own(file, "else")
    file[name] = np.array([file["else"].regionref[0:1]] * 3, dtype=h5py.regionref_dtype)


def named_type(file: h5py.File, name: str, folder: Path) -> None:
    file[name] = np.dtype("f4")


FOREIGN: dict[str, tuple[Callable[[h5py.File, str, Path], object], str]] = {
    "external link": (lambda f, n, d: f.__setitem__(n, h5py.ExternalLink(str(d / "other.h5"), f"/{n}")), "link to ano"),
    "external storage": (external_storage, "in other files"),
    "virtual": (virtual, "virtual dataset"),
    "soft link out": (soft_out, "link to another file"),
    "soft link to nothing": (lambda f, n, d: f.__setitem__(n, h5py.SoftLink("/nowhere")), "soft link to nothing"),
    "soft links for ever": (endless_soft, "soft link that leads out"),
    "group": (lambda f, n, d: f.create_group(n), "is a group"),
    "named type": (named_type, "named type"),
    "references": (references, "holds object|has the shape"),
    "regions": (regions, "holds object|has the shape"),
}


@pytest.mark.parametrize("name", [ROWS, IDS])
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_lies_elsewhere_is_refused_by_name(kind, name, elsewhere):
    make, reason = FOREIGN[kind]
    path = elsewhere / "features.h5"
    with h5py.File(path, "w") as file:
        make(file, name, elsewhere)
        own(file, IDS if name == ROWS else ROWS)
    with pytest.raises(DataError, match=reason) as refused:
        read_features(path)
    assert str(path) in str(refused.value) and repr(name) in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("make", "reason"), [(endless_virtual, "virtual dataset"), (plug_in, "filter 32015")])
def test_no_source_and_no_plug_in_is_even_opened(make, reason, elsewhere):
    path = elsewhere / "features.h5"
    with h5py.File(path, "w") as file:
        make(file, ROWS, elsewhere)
    for read in (read_features, shape_of):
        with pytest.raises(DataError, match=reason):
            read(path)


STORED = {
    "contiguous": {},
    "chunked": {"chunks": True},
    "compressed": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "growing": {"chunks": True, "maxshape": None},
}


@pytest.mark.parametrize("kind", STORED)
def test_what_the_file_stores_is_read(kind, tmp_path):
    how = dict(STORED[kind])
    with h5py.File(tmp_path / "features.h5", "w") as file:
        for name, shape in ((ROWS, (None, 2)), (IDS, (None,))):
            own(file, name, **(how | ({"maxshape": shape} if "maxshape" in how else {})))
    rows, ids = read_features(tmp_path / "features.h5")
    assert np.array_equal(rows, VALUES) and ids.tolist() == ["a", "b", "c"]


def test_links_inside_the_file_attributes_and_text_of_any_length_are_read(tmp_path):
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["deep/down/numbers"] = VALUES
        file["deep/way"] = h5py.SoftLink("down/./numbers")
        file[ROWS] = h5py.SoftLink("/deep/way")
        file.create_dataset(IDS, data=["ä" * 100, "b", "c"], dtype=h5py.string_dtype())
        file[IDS].attrs["note"] = h5py.Empty("f")
    rows, ids = read_features(tmp_path / "features.h5")
    assert np.array_equal(rows, VALUES) and ids.tolist() == ["ä" * 100, "b", "c"]


def never_written(file: h5py.File) -> None:
    file.create_dataset(ROWS, (1 << 20, 4096), "f4")


def fill_values(file: h5py.File) -> None:
    file.create_dataset(ROWS, (1 << 20, 4096), "f4", chunks=(1024, 1024), compression="gzip", fillvalue=1.0)


def holes(file: h5py.File) -> None:
    """16 GB that the file has, none of which were written."""
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5d.FILL_TIME_NEVER)
    h5d.create(file.id, ROWS.encode(), h5t.NATIVE_FLOAT, h5s.create_simple((1 << 20, 4096)), plan)


def great_chunk(file: h5py.File) -> None:
    file.create_dataset(ROWS, (2, 2), "f4", chunks=(30_000, 30_000), maxshape=(None, None), compression="gzip")


def twice_packed(file: h5py.File) -> None:
    """512 MB in a few hundred bytes."""
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((1 << 15, 4096))
    for _ in range(2):
        plan.set_deflate(9)
    made = h5d.create(file.id, ROWS.encode(), h5t.NATIVE_FLOAT, h5s.create_simple((1 << 15, 4096)), plan)
    made.write_direct_chunk((0, 0), _packed_zeros(1 << 29))


def _packed_zeros(size: int) -> bytes:
    import zlib

    first = zlib.compressobj(9)
    parts = [first.compress(bytes(1 << 24)) for _ in range(size >> 24)]
    return zlib.compress(b"".join([*parts, first.flush()]), 9)


def many_chunks(file: h5py.File) -> None:
    file.create_dataset(ROWS, (8192, 4096), "f4", chunks=(1, 1))


@pytest.mark.parametrize("make", [never_written, fill_values, holes, great_chunk, twice_packed, many_chunks])
def test_sizes_that_the_file_does_not_hold_are_refused_in_time(make, tmp_path):
    path = tmp_path / "features.h5"
    with h5py.File(path, "w") as file:
        make(file)
    begun = time.process_time()
    with pytest.raises(DataError, match=r"declares|ever written") as refused:
        read_features(path)
    assert time.process_time() - begun < 15  # of the processor; about 2 at most
    assert str(path) in str(refused.value)
    assert make is holes or repr(ROWS) in str(refused.value)


@pytest.mark.parametrize("how", [{}, {"compression": "gzip", "compression_opts": 9, "shuffle": True}])
def test_zeros_that_were_written_are_no_attack(how, tmp_path, monkeypatch):
    monkeypatch.setattr("avgzsl.data.reading.own_dataset.LARGE", 1 << 20)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file.create_dataset(ROWS, data=np.zeros((4096, 4096), "f4"), **how)
    assert shape_of(tmp_path / "features.h5") == (4096, 4096)
    assert not read_features(tmp_path / "features.h5")[0].any()


def test_what_does_not_fit_into_memory_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("avgzsl.data.reading.own_dataset.LARGE", 1 << 20)
    monkeypatch.setattr("avgzsl.data.reading.own_dataset._free_memory", lambda: 20 << 20)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file[ROWS] = np.ones((1 << 12, 1 << 10), "f4")
    with pytest.raises(DataError, match=r"'data' takes 0\.0 GB of memory to read, and 0\.0 GB are free"):
        read_features(tmp_path / "features.h5")


def test_ids_that_all_are_one_long_text_take_no_memory(tmp_path, monkeypatch):
    """Texts of any length lie in a heap, where a thousand ids may be the same megabyte."""
    read = []
    dtype = h5py.string_dtype()
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file[ROWS] = np.zeros((64, 2), "f4")
        file.create_dataset(IDS, data=["x" * (1 << 20)] * 64, dtype=dtype)
    monkeypatch.setattr(feature_files, "_id", lambda path, value: read.append(len(value)))
    monkeypatch.setattr(feature_files, "_BLOCK", 1 << 20)
    with h5py.File(tmp_path / "features.h5") as file:
        parts = list(feature_files._parts(tmp_path / "features.h5", file[IDS]))
    assert [len(part) for part in parts] == [1] * 64
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"an id in 'video_urls' has 1,048,576 bytes; expected 4,096"):
        read_features(tmp_path / "features.h5")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_a_folder_or_a_device_is_no_feature_file(make, tmp_path):
    make(tmp_path / "features.h5")
    with pytest.raises(DataError, match=r"features\.h5: is no plain file"):
        read_features(tmp_path / "features.h5")
    require_regular(tmp_path / "nowhere", DataError)  # whoever opens it says so
