"""The features of a source, read once and then memory-mapped from a cache outside the source.

An entry is found by the absolute path of the source and by path, size and modification time of every feature file; it
is built in a temporary folder and put in place by a rename, so it is whole or absent, whoever else builds it meanwhile.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from pathlib import Path

from avgzsl.data.reading.cache_entry import VERSION, GroupEntry, open_entry, unit, write_group, write_manifest
from avgzsl.data.reading.class_file import dimension_of
from avgzsl.data.reading.pairing import ClassClips, read_clips
from avgzsl.data.reading.source import FeatureSource, StageClasses
from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.own_folders import cache_root
from avgzsl.support.temporary import temporary_folder
from avgzsl.types import Modality


def cache_folder() -> Path:
    """Where the caches are: AVGZSL_CACHE, else the user's cache folder."""
    return cache_root() / "features"


def read_groups(source: FeatureSource, needed: StageClasses, drop_bad_rows: bool) -> dict[str, GroupEntry]:
    """The groups of `source`, with at least the `needed` classes of each stage; built if there is no valid entry.

    An entry with rows dropped stands beside the plain one, and is only used with `drop_bad_rows`.
    Raises DataError for what is wrong in the source, AvgzslError when the cache cannot be written.
    """
    for _ in range(3):  # another process that sees the source change may remove an entry just as it is opened
        state = _state(source)
        # a plain entry proves that there are no bad rows
        for variant in ("plain", "dropped") if drop_bad_rows else ("plain",):
            entry = open_entry(cache_folder() / f"{state}-{variant}", _units(needed))
            if entry is not None:
                return entry
        _build(source, needed, drop_bad_rows, state)
    raise DataError(f"{source.root}: keeps changing while it is read; wait until nothing writes there, then try again")


def _state(source: FeatureSource) -> str:
    """The name of a source as it is now: `{where}-{what}`."""
    digest = sha256(f"{VERSION} {source.layout}".encode())
    for path in source.all_files():
        try:
            state = path.stat()
        except OSError as problem:
            raise DataError(f"{path}: not readable ({problem.strerror or problem})") from problem
        digest.update(f"\0{path.relative_to(source.root)}\0{state.st_size}\0{state.st_mtime_ns}".encode())
    return f"{_where(source)}-{digest.hexdigest()[:32]}"


def _where(source: FeatureSource) -> str:
    place = source.root.resolve() / source.part  # each set of features has an entry of its own
    return sha256(os.fsencode(place)).hexdigest()[:16]


def _units(needed: StageClasses) -> set[str]:
    return {unit(stage, name) for stage, names in needed.items() for name in names}


def _build(source: FeatureSource, needed: StageClasses, drop_bad_rows: bool, state: str) -> None:
    root = cache_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with temporary_folder(root / _where(source)) as temporary:
            dropped = _write(temporary, source, needed, drop_bad_rows)
            _install(temporary, root / f"{state}-{'dropped' if dropped else 'plain'}", _units(needed))
        _remove_replaced(root, _where(source), state)
    except OSError as problem:
        raise AvgzslError(
            f"{root}: the cache of {source.root} could not be written ({problem.strerror or problem}); nothing half is "
            "left. Free some space, or set AVGZSL_CACHE to a folder with room for the features."
        ) from problem


def _write(folder: Path, source: FeatureSource, needed: StageClasses, drop_bad_rows: bool) -> int:
    """Fill a new entry; gives the number of clips dropped."""
    dimensions = _dimensions(source, needed)
    covers: set[str] = set()
    groups = {}
    for stage_group, stages in source.groups.items():
        parts = (_clips(source, stage, needed.get(stage, ()), dimensions, drop_bad_rows) for stage in stages)
        groups[stage_group] = write_group(folder, stage_group, chain.from_iterable(parts))
        covers |= groups[stage_group]["spans"].keys()
    write_manifest(folder, source.root, covers, groups)
    return sum(span["dropped"] for entry in groups.values() for span in entry["spans"].values())


def _clips(
    source: FeatureSource, stage: str, needed: tuple[str, ...], dimensions: dict[Modality, int], drop_bad_rows: bool
) -> Iterator[tuple[str, ClassClips]]:
    """The units of a stage, one at a time, without those that cannot be read but are not needed."""
    for name in sorted(source.listed[stage] | set(needed)):
        try:
            clips = _sized(read_clips(source.files(stage, name), f"{name}/{stage}", drop_bad_rows), dimensions)
            for modality, rows in clips.features.items():
                if rows.shape[1] != dimensions[modality]:
                    raise DataError(
                        _other_dimension(source, stage, name, modality, rows.shape[1], dimensions[modality])
                    )
        except DataError:
            if name in needed:
                raise
            continue  # bad, or without files: for the class split that lists it to complain about
        yield unit(stage, name), clips


def _sized(clips: ClassClips, dimensions: dict[Modality, int]) -> ClassClips:
    """A pickled file without clips does not say how many numbers one would have."""
    if all(rows.shape[1] for rows in clips.features.values()):
        return clips
    features = {m: rows if rows.shape[1] else rows.reshape(0, dimensions[m]) for m, rows in clips.features.items()}
    return replace(clips, features=features)


def _dimensions(source: FeatureSource, needed: StageClasses) -> dict[Modality, int]:
    """The dimension that most of the needed files of a modality have."""
    sizes_of: dict[Modality, list[int]] = {modality: [] for modality in source.modalities}
    for stage, names in needed.items():
        for name in names:
            for modality, path in source.files(stage, name).items():
                if size := dimension_of(path):
                    sizes_of[modality].append(size)
    return {modality: max(sorted(set(sizes)), key=sizes.count, default=0) for modality, sizes in sizes_of.items()}


def _other_dimension(source: FeatureSource, stage: str, name: str, modality: Modality, size: int, expected: int) -> str:
    path = source.files(stage, name)[modality]
    return f"{path}: {size} numbers a clip; expected {expected}, as most classes have: extract all with one backbone"


def _install(temporary: Path, entry: Path, needed: set[str]) -> None:
    """Put a new entry in place, unless another process has put a valid one there meanwhile."""
    if open_entry(entry, needed) is None:
        shutil.rmtree(entry, ignore_errors=True)
        try:
            temporary.rename(entry)
        except OSError:
            if open_entry(entry, needed) is None:  # else another process was quicker
                raise


def _remove_replaced(root: Path, where: str, state: str) -> None:
    for entry in root.glob(f"{where}-*"):
        if not entry.name.startswith(state):
            shutil.rmtree(entry, ignore_errors=True)
