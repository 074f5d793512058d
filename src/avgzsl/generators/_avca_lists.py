"""What the generators of the AVCA benchmark's trees share: its published lists and vectors, and clips for the lists.

Names, clip lists and text vectors are the published ones, which `splits` and `w2v` hold. A train list that is not
published (VGGSound's) is made up: nine clips for each one in stage_1_val_seen, the ratio of the other two data sets.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avgzsl.data.reading.avca_lists import STAGES, TRAINING, as_spelled, manual_names, read_rows, stage_classes
from avgzsl.data.reading.class_lists import read_names
from avgzsl.errors import DataError
from avgzsl.generators import REPORT
from avgzsl.generators._checks import FEWEST
from avgzsl.generators._clip_model import World, make_clips
from avgzsl.support.files import write_text
from avgzsl.text.class_vectors import read_class_vectors
from avgzsl.types import Modality

PER_VALIDATION_CLIP = 9

Rows = list[dict[str, str]]
# writes a class in a stage: the folder of features, stage, class, the features of its clips, and their ids
WriteClass = Callable[[Path, str, str, dict[Modality, Float32[np.ndarray, "_n _d"]], list[str]], None]


@dataclass(frozen=True, eq=False)
class Published:
    """What is published of a data set, as far as a generated one takes it.

    `every` are the sorted original names, `manual` what each is called in `vectors`, `text` (c x t) the vectors in the
    order of `every`; `clips` the rows of each stage's clip list, `notes` what of them was made up.
    """

    lists: Path
    base: Path
    every: list[str]
    manual: dict[str, str]
    vectors: Path
    text: Float32[np.ndarray, "_c t"]
    clips: dict[str, Rows]
    notes: tuple[str, ...]


def read_published(splits: Path, w2v: Path, features: str, scale: float) -> Published:
    """The lists in `splits`/class-split and the vectors in `w2v`, with `scale` times the clips. Raises DataError."""
    lists = splits / "class-split"
    every = sorted(read_names(lists / "all_class.txt"))
    manual = manual_names(lists)
    vectors = _choose_vectors(w2v, manual)
    by_name = read_class_vectors(vectors)
    base = lists / f"{features}_split"
    notes: list[str] = []
    clips = {stage: _thinned(rows, scale) for stage, rows in _clip_lists(base, notes).items()}
    return Published(
        lists, base, every, manual, vectors, np.stack([by_name[manual[name]] for name in every]), clips, tuple(notes)
    )


def write_tree(
    out: Path,
    published: Published,
    world: World,
    folder: str,
    write_class: WriteClass,
    written: Callable[[int, int], None],
) -> Path:
    """Copy the lists into `out` and write every class's clips below features/`folder`, which is given back."""
    _copy_lists(published, out / "class-split")
    target = out / "features" / folder
    (target / "text").mkdir(parents=True)
    for done, stage in enumerate(STAGES):
        for name, ids in _ids_by_class(published, stage).items():
            clips = make_clips(world, published.every.index(name), done, len(ids))
            write_class(target, stage, name, clips, ids)
        written(done + 1, len(STAGES))
    return target


def write_report(out: Path, published: Published, made_up: str, kept: str) -> None:
    """Say in the folder what of it is made up, and what is published."""
    summary = f"Made up: {made_up}. Published: {kept}."
    write_text(out / REPORT, "\n".join([summary, *published.notes]) + "\n")


def _choose_vectors(place: Path, manual: dict[str, str]) -> Path:
    """The file `place`, or the one in the folder `place` that has a vector for every class. Raises DataError."""
    files = sorted(place.glob("*.npy")) if place.is_dir() else [place]
    for file in files:
        if set(manual.values()) <= read_class_vectors(file).keys():
            return file
    example = next(iter(manual.values()))
    raise DataError(
        f"{place}: no .npy with vectors for all {len(manual)} classes, such as {example!r}; give the "
        "word_embeddings_*_normed.npy of this data set"
    )


def _clip_lists(base: Path, notes: list[str]) -> dict[str, Rows]:
    """The clip list of each stage; `notes` hears of one that had to be made up. Raises DataError."""
    lists = {
        stage: read_rows(base / f"{stage}.csv", ("filename", "label"))
        for stage in STAGES
        if (base / f"{stage}.csv").is_file()
    }
    missing = [stage for stage in STAGES if stage not in lists]
    if missing and missing != [TRAINING[0]]:
        names = ", ".join(f"{stage}.csv" for stage in missing)
        raise DataError(f"{base}: {names} not there; fetch the clip lists (only {TRAINING[0]}.csv can be made up)")
    if missing:
        lists[TRAINING[0]] = _made_up(lists[TRAINING[1]])
        notes.append(
            f"Made up as well: the training clips of stage 1, as there is no {base.name}/{TRAINING[0]}.csv: "
            f"{PER_VALIDATION_CLIP} for each in {TRAINING[1]}.csv."
        )
    return {stage: lists[stage] for stage in STAGES}


def _made_up(val: Rows) -> Rows:
    """Training clips of the classes of these validation clips."""
    return [
        {"filename": f"made-up-{number:05d}-{copy}", "label": row["label"]}
        for number, row in enumerate(val)
        for copy in range(PER_VALIDATION_CLIP)
    ]


def _thinned(rows: Rows, scale: float) -> Rows:
    """The first clips of each class: `scale` times as many as there are, but at least FEWEST, or all."""
    by_label: dict[str, Rows] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row)
    return [row for clips in by_label.values() for row in clips[: max(FEWEST, round(len(clips) * scale))]]


def _copy_lists(published: Published, target: Path) -> None:
    lists, base = published.lists, published.base
    (target / base.name).mkdir(parents=True)
    for file in [lists / "all_class.txt", *lists.glob("*_w2v_class_names.csv"), *lists.glob("*_clip_class_names.csv")]:
        (target / file.name).write_bytes(file.read_bytes())
    for file in base.glob("*.txt"):
        (target / base.name / file.name).write_bytes(file.read_bytes())
    together = {**published.clips, "stage_2_train": [row for stage in TRAINING for row in published.clips[stage]]}
    for stage, rows in together.items():
        with (target / base.name / f"{stage}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ("filename", "label"), extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _ids_by_class(published: Published, stage: str) -> dict[str, list[str]]:
    """The ids of the clips of each listed class; the rows of other classes have no features."""
    listed, spelled = stage_classes(published.base, stage, published.every), as_spelled(published.every)
    ids: dict[str, list[str]] = {name: [] for name in published.every if name in listed}
    for row in published.clips[stage]:
        if (name := spelled.get(row["label"].casefold())) in ids:
            ids[name].append(row["filename"])
    return ids
