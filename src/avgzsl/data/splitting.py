"""Class splits proposed for a store: which classes are unseen, which clips are for training, validation and test."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from avgzsl.data.reading.class_lists import read_class_lists
from avgzsl.errors import ConfigError, DataError
from avgzsl.features.class_splits import (
    FOLDER,
    MANIFEST,
    ClassSplit,
    SplitName,
    class_splits,
    read_class_split,
    write_class_split,
)
from avgzsl.features.feature_store import Store, open_store
from avgzsl.support.registry import unknown
from avgzsl.support.showing import Shown
from avgzsl.text.spellings import usual_spellings, written_as

SPLITS: tuple[SplitName, ...] = ("train", "test", "val")  # in the order in which a class that is small gets clips
SOURCE = "source"  # the column that says which clips are of one origin
UNSEEN, VAL, TEST = 0.3, 0.2, 0.2


class Clip(NamedTuple):
    """What dividing needs of a clip that has a label; `split` is the manifest's."""

    id: str
    path: str
    source: str | None
    label: str
    split: SplitName | None


@dataclass(frozen=True, eq=False)
class Split(Shown):
    """A class split and the file that it was written to; `counts` are the clips of each class by split."""

    file: Path
    class_split: ClassSplit
    counts: Mapping[str, Mapping[str, int]]

    @property
    def name(self) -> str:
        """What the class split is called, when its data are opened."""
        return self.file.stem

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a class: whether it is seen, and its clips by split."""
        seen = set(self.class_split.seen)
        return [{"class": name, "seen": name in seen, **counts} for name, counts in self.counts.items()]

    def json(self) -> dict[str, Any]:
        """The class split, as it was written."""
        return self.class_split.model_dump(mode="json")


def split(
    store: str | Path,
    *,
    unseen: float | str | Path | None = None,
    val: float | None = None,
    test: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    resplit: bool = False,
    merge_spellings: bool = False,
) -> Split:
    """Propose a class split of a store and write it down as splits/NAME.json.

    `unseen` is a fraction of the classes, which are drawn (0.3 if None), or a folder of class lists (`class_lists`).
    Clips to which the manifest gives a split keep it, unless `resplit`; of the others, in each class about `val` and
    `test` (0.2 each) are held out. Clips of one file, or with the same value of the manifest's column `source`, stay
    together. The name is that of the folder of lists, or `split-SEED`, where none is given. With `merge_spellings`,
    labels that are one class written differently are divided as one class, called by the most usual of them.

    Raises ConfigError for fractions that cannot be, an option that would change nothing, or a name that is taken;
    DataError when the store has no labels, or a class would have no clip to train on or to test.
    """
    folder = Path(store)
    clips = list(_clips(open_store(folder)))
    if merge_spellings:
        usual = usual_spellings(clip.label for clip in clips)
        clips = [clip._replace(label=usual[clip.label]) for clip in clips]
    names = sorted({clip.label for clip in clips})
    drawn = 0 if seed is None else seed
    lists = None
    if isinstance(unseen, str | Path):
        lists = Path(unseen)
        division = _listed(lists, names, merge_spellings)
    else:
        division = _drawn(names, UNSEEN if unseen is None else unseen, drawn)
    division = division.model_copy(update={"merge_spellings": merge_spellings})
    kept: dict[str, SplitName] = {} if resplit else {clip.id: clip.split for clip in clips if clip.split is not None}
    if len(kept) == len(clips):
        _check_idle(folder, val, test, seed, lists)
    else:
        fractions = _fractions(VAL if val is None else val, TEST if test is None else test)
        division = division.model_copy(update={"clips": divide(clips, kept, fractions, drawn)})
    _check(folder, clips, division)
    chosen = name or (f"split-{drawn}" if lists is None else lists.resolve().name)
    _check_name(folder, chosen, division)
    return Split(write_class_split(folder, chosen, division), division, _counts(clips, division))


def _check_idle(folder: Path, val: float | None, test: float | None, seed: int | None, lists: Path | None) -> None:
    """Refuses what would change nothing where the manifest divides every clip."""
    if val is not None or test is not None:
        raise ConfigError(f"{folder}: every clip has a split by the manifest, and val or test would change nothing")
    if lists is not None and seed is not None:
        raise ConfigError(f"{folder}: with the lists {lists} nothing is drawn, and seed {seed} would change nothing")


def divide(
    clips: Sequence[Clip], kept: Mapping[str, SplitName], fractions: Mapping[SplitName, float], seed: int
) -> dict[str, SplitName]:
    """A split for each clip: groups, the largest first, go where their classes lack most of their share.

    A group with a clip that keeps its split follows that clip.
    """
    number = {label: column for column, label in enumerate(sorted({clip.label for clip in clips}))}
    totals = np.bincount([number[clip.label] for clip in clips], minlength=len(number))
    lacking = {name: fractions[name] * totals for name in SPLITS}
    groups = _groups(clips)
    order = np.random.default_rng([seed, 1]).permutation(len(groups))
    division: dict[str, SplitName] = {}
    for index in sorted(order.tolist(), key=lambda index: (not _held(groups[index], kept), -len(groups[index]))):
        group = groups[index]
        counts = np.bincount([number[clip.label] for clip in group], minlength=len(number))
        own = [kept[clip.id] for clip in group if clip.id in kept]
        best = own[0] if own else _neediest(lacking, counts / totals)
        for clip in group:
            division[clip.id] = kept.get(clip.id, best)
            lacking[division[clip.id]][number[clip.label]] -= 1
    return {clip.id: division[clip.id] for clip in clips}


def _neediest(lacking: Mapping[SplitName, Float64[np.ndarray, " c"]], weights: Float64[np.ndarray, " c"]) -> SplitName:
    # the whole decides between splits that a class lacks equally: else small classes would all round alike
    return max(SPLITS, key=lambda name: (round(float(weights @ lacking[name]), 9), float(lacking[name].sum())))


def _held(group: Sequence[Clip], kept: Mapping[str, SplitName]) -> bool:
    return any(clip.id in kept for clip in group)


def _groups(clips: Sequence[Clip]) -> list[list[Clip]]:
    """Clips that share a file or a source, directly or through others, in one list."""
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def find(key: tuple[str, str]) -> tuple[str, str]:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for clip in clips:
        if clip.source:
            leader[find(("source", clip.source))] = find(("path", clip.path))
    groups: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        groups.setdefault(find(("path", clip.path)), []).append(clip)
    return list(groups.values())


def _clips(store: Store) -> Iterator[Clip]:
    sources = store.clips[SOURCE] if SOURCE in store.record.columns else [None] * len(store)
    columns = [store.clips[name] for name in ("id", "path", "label", "split")]
    for clip, path, label, given, source in zip(*columns, sources, strict=True):
        if label is not None:
            yield Clip(clip, path, source, label, given)


def _listed(folder: Path, names: Sequence[str], merge_spellings: bool) -> ClassSplit:
    lists = read_class_lists(folder)
    if merge_spellings:
        ours = written_as(names, lists.names)
        every, seen, unseen = (
            tuple(dict.fromkeys(ours.get(name, name) for name in part))
            for part in (lists.names, lists.seen, lists.unseen)
        )
        if both := sorted(set(seen) & set(unseen)):
            raise DataError(
                f"{folder}: lists spellings of {', '.join(both)} as seen and as unseen; expected one of both"
            )
        lists = replace(lists, names=every, seen=seen, unseen=unseen)
    if strange := [name for name in lists.names if name not in names]:
        hints = "; ".join(unknown("class", name, names) for name in strange[:5])
        raise DataError(f"{folder}: lists {len(strange)} classes that no clip of the store has: {hints}")
    if unlisted := [name for name in names if name not in lists.names]:
        raise DataError(f"{folder}: does not list {', '.join(unlisted)}; add these classes of the store to the lists")
    return ClassSplit(seen=lists.seen, unseen=lists.unseen)


def _drawn(names: Sequence[str], fraction: float, seed: int) -> ClassSplit:
    count = round(fraction * len(names))
    if not 0 < fraction < 1:
        raise ConfigError(f"unseen is {fraction}; expected a fraction of the classes between 0 and 1")
    if len(names) < 3:
        raise DataError(f"{len(names)} classes ({', '.join(names)}); expected 3 or more: two seen and one unseen")
    count = min(max(count, 1), len(names) - 2)
    drawn = np.random.default_rng([seed, 0]).choice(len(names), size=count, replace=False)
    unseen = {names[index] for index in drawn.tolist()}
    return ClassSplit(
        seen=tuple(name for name in names if name not in unseen), unseen=tuple(name for name in names if name in unseen)
    )


def _fractions(val: float, test: float) -> dict[SplitName, float]:
    if not (0 <= val < 1 and 0 < test < 1 and val + test < 1):
        raise ConfigError(f"val {val} and test {test}: expected fractions that leave some of the clips for training")
    return {"train": 1 - val - test, "val": val, "test": test}


def _counts(clips: Sequence[Clip], division: ClassSplit) -> dict[str, dict[str, int]]:
    """Clips of each class by split, without those that have none."""
    counts = {name: dict.fromkeys(SPLITS, 0) for name in sorted({clip.label for clip in clips})}
    for clip in clips:
        split = clip.split if division.clips is None else division.clips[clip.id]
        if split is not None:
            counts[clip.label][split] += 1
    return {name: {split: of_class[split] for split in ("train", "val", "test")} for name, of_class in counts.items()}


def _check(folder: Path, clips: Sequence[Clip], division: ClassSplit) -> None:
    """Seen classes can be trained, unseen ones tested."""
    counts = _counts(clips, division)
    if bare := [name for name in division.seen if not counts[name]["train"]]:
        raise DataError(
            f"{folder}: no clips to train on for the seen classes {', '.join(bare)}; choose other classes (--like, "
            "--seed), or divide the clips anew (--resplit)"
        )
    if bare := [name for name in division.unseen if not counts[name]["train"] + counts[name]["test"]]:
        raise DataError(f"{folder}: no clips to test for the unseen classes {', '.join(bare)}; choose others")


def _check_name(folder: Path, name: str, division: ClassSplit) -> None:
    if name == MANIFEST:
        raise ConfigError(f"the name {MANIFEST} is that of the manifest's own split; choose another")
    if name in class_splits(folder) and read_class_split(folder, name)[1] != division:
        raise ConfigError(f"{folder / FOLDER / name}.json: is another split; choose another name, or remove it")
