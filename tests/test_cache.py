"""The cache: read once, mapped afterwards, rebuilt when it must be, whole or absent."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avgzsl.data.layouts import open_dataset
from avgzsl.data.reading import cache as cache_module
from avgzsl.data.reading import feature_files
from avgzsl.errors import AvgzslError, DataError
from tests.small_set import ORDER, SEEN, UNSEEN, change, feature_file, write_lists, write_set, write_vectors


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The feature files that are read from now on."""
    seen: list[Path] = []
    real = feature_files.read_features

    def spy(path: Path) -> object:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(feature_files, "read_features", spy)
    return seen


def same(one: object, other: object) -> bool:
    return one.fingerprint == other.fingerprint and all(
        np.array_equal(one.split(split).video.numpy(), other.split(split).video.numpy())
        and one.split(split).ids.tolist() == other.split(split).ids.tolist()
        and one.split(split).labels.tolist() == other.split(split).labels.tolist()
        for split in ("train", "val", "test")
    )


def test_the_second_load_reads_no_features_and_copies_none(
    root: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_dataset(root)
    assert len(reads) == 2 * 3 * len(ORDER)
    reads.clear()
    second = open_dataset(root)
    assert not reads
    assert same(first, second)
    monkeypatch.setattr(np, "concatenate", lambda *arrays: pytest.fail("rows were copied"))
    for split in ("train", "val", "test"):
        assert len(second.split(split)) > 0


def test_the_source_may_be_read_only_and_stays_as_it_was(root: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(root.rglob("*"))}
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    open_dataset(root)
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(root.rglob("*"))}
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


def test_writing_into_a_tensor_changes_no_file(root: Path) -> None:
    first = open_dataset(root)
    kept = first.split("train").audio.clone()
    first.split("train").audio.zero_()
    assert np.array_equal(open_dataset(root).split("train").audio.numpy(), kept.numpy())


def test_other_class_splits_and_vectors_use_the_same_entry(root: Path, reads: list[Path], cache: Path) -> None:
    write_lists(root / "class-split-2", ("cat", "pig"), ("cat",), ("pig",))
    open_dataset(root)
    reads.clear()
    write_vectors(root, {name: np.ones(3, np.float32) for name in ORDER})
    dataset = open_dataset(root, class_split="class-split-2")
    assert not reads
    assert dataset.classes.text.shape == (2, 3)
    assert len(list(cache.iterdir())) == 1


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: change(feature_file(r, "video", "test", "cat"), lambda rows: rows + np.float32(1)),
        lambda r: touch(feature_file(r, "audio", "train", "dog")),
        lambda r: (r / "features/audio/trn/new.h5").write_bytes(b""),
    ],
    ids=["content", "time", "new file"],
)
def test_a_changed_source_is_read_again_and_replaces_the_entry(
    root: Path, reads: list[Path], cache: Path, edit: Callable[[Path], object]
) -> None:
    open_dataset(root)
    reads.clear()
    edit(root)
    changed = open_dataset(root)
    assert reads
    assert len(list(cache.iterdir())) == 1
    assert same(changed, open_dataset(root))


def files_of(cache: Path) -> Path:
    (entry,) = cache.iterdir()
    return entry


def other_version(entry: Path) -> None:
    manifest = json.loads((entry / "manifest.json").read_text())
    (entry / "manifest.json").write_text(json.dumps({**manifest, "version": 999}))


def flip(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.write(b"\x01\x02\x03\x04")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no manifest": lambda e: (e / "manifest.json").unlink(),
    "half a manifest": lambda e: (e / "manifest.json").write_text((e / "manifest.json").read_text()[:50]),
    "a list for a manifest": lambda e: (e / "manifest.json").write_text("[]"),
    "other version": other_version,
    "no features": lambda e: (e / "train.audio.f32").unlink(),
    "short features": lambda e: (e / "val.video.f32").write_bytes(b"1234"),
    "changed features": lambda e: flip(e / "test.audio.f32"),
    "no ids": lambda e: (e / "test.ids.npy").unlink(),
    "empty": lambda e: [path.unlink() for path in e.iterdir()],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_entry_is_rebuilt(root: Path, reads: list[Path], cache: Path, name: str) -> None:
    first = open_dataset(root)
    kept = {split: first.split(split).take(first.split(split).labels.argsort()) for split in ("train", "test")}
    DAMAGE[name](files_of(cache))
    reads.clear()
    again = open_dataset(root)
    assert reads
    assert again.fingerprint == first.fingerprint
    for split, clips in kept.items():
        now = again.split(split)
        assert np.array_equal(now.take(now.labels.argsort()).audio.numpy(), clips.audio.numpy())
    reads.clear()
    open_dataset(root)
    assert not reads


def test_a_full_disk_leaves_nothing_half(root: Path, cache: Path) -> None:
    """A limit on the size of a file refuses writes as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        with pytest.raises(AvgzslError, match=r"could not be written.*AVGZSL_CACHE"):
            open_dataset(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(cache.iterdir())
    assert len(open_dataset(root).split("train")) == 35


def test_a_cache_that_cannot_be_is_named(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "file"))
    with pytest.raises(AvgzslError, match="AVGZSL_CACHE"):
        open_dataset(root)


def test_a_fault_leaves_nothing_half(root: Path, cache: Path) -> None:
    feature_file(root, "video", "test", "tram").write_bytes(b"")
    with pytest.raises(DataError):
        open_dataset(root)
    assert not list(cache.iterdir())


def test_what_a_killed_process_left_is_removed_but_not_what_a_living_one_writes(root: Path, cache: Path) -> None:
    open_dataset(root)
    where = files_of(cache).name.partition("-")[0]
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead, alive = (cache / f".{where}.{process}-abcdefgh.tmp" for process in (int(gone.stdout), os.getpid()))
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "train.audio.f32").write_bytes(b"1234")
    touch(feature_file(root, "audio", "train", "dog"))
    open_dataset(root)
    assert not dead.exists()
    assert alive.exists()


def test_a_source_that_keeps_changing_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cache_module._write

    def write(*arguments: object) -> int:
        dropped = real(*arguments)
        path = feature_file(root, "audio", "train", "dog")
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1000))
        return dropped

    monkeypatch.setattr(cache_module, "_write", write)
    with pytest.raises(DataError, match="keeps changing"):
        open_dataset(root)


def test_a_lenient_load_leaves_the_strict_entry_alone(root: Path, reads: list[Path], cache: Path) -> None:
    open_dataset(root)
    reads.clear()
    open_dataset(root, drop_bad_rows=True)  # the strict entry proves that there is nothing to drop
    assert not reads
    change(feature_file(root, "audio", "train", "dog"), lambda rows: rows * np.array([[np.nan]] + [[1]] * 5, "f4"))
    open_dataset(root, drop_bad_rows=True)
    with pytest.raises(DataError, match="NaN"):
        open_dataset(root)
    assert [path.name.rpartition("-")[2] for path in cache.iterdir()] == ["dropped"]


def test_an_entry_without_a_class_is_built_again_when_it_is_wanted(root: Path) -> None:
    write_lists(root / "class-split-2", ("cat", "dog"), ("cat", "dog"), ())
    path = feature_file(root, "audio", "val", "tram")
    good = path.read_bytes()
    state = path.stat()
    path.write_bytes(good[:-900] + b"\0" * 900)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    open_dataset(root, class_split="class-split-2")
    path.write_bytes(good)  # mended, with the same size and time: the entry still lacks the class
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert len(open_dataset(root).split("val")) == 20


def test_two_processes_build_at_once(root: Path, cache: Path) -> None:
    code = "import sys; from avgzsl.data.layouts import open_dataset; print(open_dataset(sys.argv[1]).fingerprint)"
    command = [sys.executable, "-c", code, str(root)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    prints = [process.communicate()[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert set(prints) == {open_dataset(root).fingerprint}
    assert len(list(cache.iterdir())) == 1


def test_a_rename_that_comes_second_gives_way(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process puts its entry in place just before ours."""
    real, turn = cache_module._write, []

    def write(*arguments: object) -> int:
        dropped = real(*arguments)
        if not turn:
            turn.append(1)
            open_dataset(root)
        return dropped

    monkeypatch.setattr(cache_module, "_write", write)
    assert same(open_dataset(root), open_dataset(root))
    assert len(list(cache.iterdir())) == 1


def test_unseen_marks_need_no_reading(root: Path, reads: list[Path]) -> None:
    first = open_dataset(root).fingerprint
    reads.clear()
    write_lists(root / "class-split", ORDER, SEEN[:2], (*UNSEEN, SEEN[2]))
    assert open_dataset(root).fingerprint != first
    assert not reads
