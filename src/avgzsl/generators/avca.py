"""Generated features for the clips, class splits and word vectors of the AVCA benchmark, in its layout.

Names, clip lists and text vectors are the published ones, which `splits` and `w2v` hold; features are made up: what a
class looks and sounds like is a random linear image of its text vector, blurred (`_clip_model.world_of`). A train list
that is not published (VGGSound's) is made up too, nine clips for each one in stage_1_val_seen, the ratio of the other
two data sets; `generated.txt` in the folder says so.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from avgzsl.data.reading.avca_lists import STAGES, TRAINING, as_spelled, manual_names, read_rows, stage_classes
from avgzsl.data.reading.class_lists import read_names
from avgzsl.errors import DataError
from avgzsl.generators import REPORT
from avgzsl.generators._checks import FEWEST, check_numbers
from avgzsl.generators._clip_model import World, make_clips, world_of
from avgzsl.support.files import write_text
from avgzsl.text.class_vectors import read_class_vectors
from avgzsl.types import Modality

DESCRIPTION = "the clip lists, class splits and word vectors of UCF, ActivityNet or VGGSound (AVCA); features made up"
DIMENSIONS: dict[str, dict[Modality, int]] = {
    "main": {"audio": 512, "video": 512},
    "cls": {"audio": 128, "video": 4096},
}
PER_VALIDATION_CLIP = 9

Rows = list[dict[str, str]]


def write(
    out: Path,
    scale: float,
    seed: int,
    written: Callable[[int, int], None],
    *,
    splits: Path | str,
    w2v: Path | str,
    features: Literal["main", "cls"] = "main",
) -> None:
    """Write one set of features for the lists in the folder `splits` into the empty folder `out`. Raises DataError."""
    check_numbers(scale, seed)
    lists = Path(splits) / "class-split"
    every = sorted(read_names(lists / "all_class.txt"))
    manual = manual_names(lists)
    vectors = choose_vectors(Path(w2v), manual)
    vectors_by_name = read_class_vectors(vectors)
    world = world_of(seed, np.stack([vectors_by_name[manual[name]] for name in every]), DIMENSIONS[features])
    base = lists / f"{features}_split"
    notes: list[str] = []
    chosen = {stage: thinned(clips, scale) for stage, clips in clip_lists(base, every, notes).items()}
    _copy_lists(lists, base, out / "class-split", chosen)
    target = out / "features" / f"{features}_features"
    (target / "text").mkdir(parents=True)
    (target / "text" / vectors.name).write_bytes(vectors.read_bytes())
    for done, stage in enumerate(STAGES):
        _write_stage(target, stage, done, world, every, stage_classes(base, stage, every), chosen[stage])
        written(done + 1, len(STAGES))
    summary = (
        f"Made up: every feature ({features}, seed {seed}, scale {scale}). Published: class lists, clip ids, vectors."
    )
    write_text(out / REPORT, "\n".join([summary, *notes]) + "\n")


def choose_vectors(place: Path, manual: dict[str, str]) -> Path:
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


def clip_lists(base: Path, every: list[str], notes: list[str]) -> dict[str, Rows]:
    """The clip list of each stage; `said` hears of one that had to be made up. Raises DataError."""
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
        lists[TRAINING[0]] = made_up(lists[TRAINING[1]])
        notes.append(
            f"Made up as well: the training clips of stage 1, as there is no {base.name}/{TRAINING[0]}.csv: "
            f"{PER_VALIDATION_CLIP} for each in {TRAINING[1]}.csv."
        )
    return {stage: lists[stage] for stage in STAGES}


def made_up(val: Rows) -> Rows:
    """Training clips of the classes of these validation clips."""
    return [
        {"filename": f"made-up-{number:05d}-{copy}", "label": row["label"]}
        for number, row in enumerate(val)
        for copy in range(PER_VALIDATION_CLIP)
    ]


def thinned(rows: Rows, scale: float) -> Rows:
    """The first clips of each class: `scale` times as many as there are, but at least FEWEST, or all."""
    by_label: dict[str, Rows] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row)
    return [row for clips in by_label.values() for row in clips[: max(FEWEST, round(len(clips) * scale))]]


def _copy_lists(lists: Path, base: Path, target: Path, chosen: dict[str, Rows]) -> None:
    (target / base.name).mkdir(parents=True)
    for file in [lists / "all_class.txt", *lists.glob("*_w2v_class_names.csv")]:
        (target / file.name).write_bytes(file.read_bytes())
    for file in base.glob("*.txt"):
        (target / base.name / file.name).write_bytes(file.read_bytes())
    together = {**chosen, "stage_2_train": [row for stage in TRAINING for row in chosen[stage]]}
    for stage, rows in together.items():
        with (target / base.name / f"{stage}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ("filename", "label"), extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _write_stage(
    target: Path, stage: str, number: int, world: World, every: list[str], listed: set[str], rows: Rows
) -> None:
    """A file of each modality for each listed class; the rows of other classes have no features."""
    spelled = as_spelled(every)
    ids: dict[str, list[str]] = {name: [] for name in every if name in listed}
    for row in rows:
        if (name := spelled.get(row["label"].casefold())) in ids:
            ids[name].append(row["filename"])
    for name, clips in ids.items():
        for modality, features in make_clips(world, every.index(name), number, len(clips)).items():
            path = target / modality / stage / f"{name}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, "w") as file:
                file["data"] = features
                file["video_urls"] = np.array(clips, dtype="S80")
