"""Damaged files: what `avgzsl extract` makes of clips that were cut off, overwritten, spliced or otherwise broken.

    python -m benchmarks.damage --document docs/benchmarks.md [--files 200] [--clips DIR ...]

Media files out of the folders --clips, as many of each; every one is broken in one of the ways of WAYS, drawn from a
fixed seed. The whole files are extracted alone, then beside the broken ones, each time by the command itself with the
backbones `descriptors`. A broken file has to give a row or a reason, a whole one the same bytes both times. Where none
of the folders is there, rendered clips are broken.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avgzsl.features.extract import FAILURES
from avgzsl.features.feature_store import is_store, open_store
from avgzsl.features.manifest import list_folder
from avgzsl.generators import generate
from avgzsl.support.spreadsheet import read_table
from avgzsl.types import MODALITIES
from benchmarks.tables import put

SEED, REASONS = 0, 12
CLIPS = [Path("../shared/data/realclips"), Path("../shared/data/videos")]
HEADER = 4096
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
PATIENCE = 600  # seconds before an extraction counts as one that hangs, and one more a file; a file's own limit is 60
CRASHED, TOO_LONG, TOO_MUCH = "the decoder crashed on it", "decoding it took more than", "more memory|MB of memory"

Draw = np.random.Generator
Way = Callable[[bytes, bytes, Draw], bytes]


class Found(NamedTuple):
    """What an extraction left: the bytes of each clip's features, why others have none; how it ended, if badly."""

    rows: dict[str, tuple[bytes, ...]]
    reasons: dict[str, str]
    died: str | None


def overwritten(data: bytes, start: int, block: bytes) -> bytes:
    """`block` over what is at `start`; the length stays."""
    return (data[:start] + block + data[start + len(block) :])[: len(data)]


def flip(data: bytes, other: bytes, draw: Draw) -> bytes:
    """1 to 64 bits, anywhere."""
    changed = bytearray(data)
    for at in draw.integers(len(data), size=draw.integers(1, 65)):
        changed[at] ^= 1 << int(draw.integers(8))
    return bytes(changed)


def header(data: bytes, other: bytes, draw: Draw) -> bytes:
    """1 to 32 bytes of the first 4 KiB."""
    changed = bytearray(data)
    for at in draw.integers(min(len(data), HEADER), size=draw.integers(1, 33)):
        changed[at] = draw.integers(256)
    return bytes(changed)


def extreme(data: bytes, other: bytes, draw: Draw) -> bytes:
    """Four bytes of the first or last 4 KiB, where sizes and counts are: 0, 1, or the largest there are."""
    size = min(len(data), HEADER)
    at = int(draw.integers(size - 4)) + (len(data) - size) * int(draw.integers(2))
    return overwritten(data, at, int(draw.choice(EXTREMES)).to_bytes(4, draw.choice(["big", "little"])))


def noise(data: bytes, other: bytes, draw: Draw) -> bytes:
    """A block of up to a quarter of the file: random bytes."""
    return overwritten(data, int(draw.integers(len(data))), draw.bytes(int(draw.integers(1, len(data) // 4))))


def zeros(data: bytes, other: bytes, draw: Draw) -> bytes:
    """A block of up to a quarter of the file: zeros, as of a download with holes."""
    return overwritten(data, int(draw.integers(len(data))), bytes(int(draw.integers(1, len(data) // 4))))


def cut_off(data: bytes, other: bytes, draw: Draw) -> bytes:
    """The end is missing."""
    return data[: draw.integers(1, len(data))]


def beheaded(data: bytes, other: bytes, draw: Draw) -> bytes:
    """The beginning is missing."""
    return data[draw.integers(1, len(data)) :]


def gap(data: bytes, other: bytes, draw: Draw) -> bytes:
    """A piece in the middle is missing; what follows moves up."""
    start, end = sorted(draw.integers(len(data), size=2))
    return data[:start] + data[end:]


def other_header(data: bytes, other: bytes, draw: Draw) -> bytes:
    """The first 4 KiB are those of another file."""
    return overwritten(data, 0, other[:HEADER])


def splice(data: bytes, other: bytes, draw: Draw) -> bytes:
    """The beginning of one file, the end of another."""
    part = draw.uniform()
    return data[: int(part * len(data))] + other[int(part * len(other)) :]


def empty(data: bytes, other: bytes, draw: Draw) -> bytes:
    """Zero bytes long."""
    return b""


def no_media(data: bytes, other: bytes, draw: Draw) -> bytes:
    """Random bytes under the name of a clip."""
    return draw.bytes(len(data))


WAYS: tuple[Way, ...] = (
    *(flip, header, extreme, noise, zeros),
    *(cut_off, beheaded, gap, other_header, splice, empty, no_media),
)


def whole_files(folders: Iterable[Path], work: Path) -> list[Path]:
    """The media files of the folders, as many of each: those of the smaller ones come more than once."""
    there = [folder for folder in folders if folder.is_dir()]
    if not there:
        print("no folder of clips is there: rendered ones instead", file=sys.stderr)
        there = [generate("clips", work / "rendered", scale=0.01)]
    listed = [[folder / row.path for row in list_folder(folder)] for folder in there]
    return [files[turn % len(files)] for turn in range(max(map(len, listed))) for files in listed]


def break_files(sources: list[Path], count: int, folder: Path) -> dict[str, tuple[Way, str]]:
    """Put `count` broken files and their whole ones into `folder`; a broken one's name -> its way, its whole's name."""
    folder.mkdir()
    names = {path: f"{number:04d}-whole{path.suffix}" for number, path in enumerate(dict.fromkeys(sources))}
    made: dict[str, tuple[Way, str]] = {}
    for number in range(count):
        draw = np.random.default_rng([SEED, number])
        path, other = (sources[place] for place in draw.integers(len(sources), size=2))
        way = WAYS[number % len(WAYS)]
        # beside its whole file, so that they share a batch
        name = f"{names[path].partition('-')[0]}-{way.__name__}-{number}{path.suffix}"
        (folder / name).write_bytes(way(path.read_bytes(), other.read_bytes(), draw))
        shutil.copyfile(path, folder / names[path])
        made[name] = way, names[path]
    return made


def extracted(clips: Path, names: Iterable[str], store: Path) -> Found:
    """What `avgzsl extract` makes of these files."""
    listed = store.with_suffix(".csv")
    listed.write_text("".join(f"{name}\n" for name in ["path", *sorted(names)]))
    ends = ["--manifest", str(listed), "--audio", "descriptors", "--video", "descriptors", "--out", str(store)]
    command = [sys.executable, "-c", "from avgzsl.cli import main; main()", "extract", str(clips), *ends]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE + len(list(clips.iterdir())))
        end = f"exit code {done.returncode}: {done.stderr[-2000:]}"
    except subprocess.TimeoutExpired:
        return Found({}, {}, "hangs")
    reasons: dict[str, str] = {}
    if (store / FAILURES).is_file():
        reasons = {
            row["path"]: row["reason"].removeprefix(f"{clips / row['path']}: ") for row in read_table(store / FAILURES)
        }
    if not is_store(store) or done.returncode != bool(reasons):  # the exit code is 1 if a file failed
        return Found({}, reasons, end)
    opened = open_store(store)
    features = [opened.feature(modality) for modality in MODALITIES]
    rows = {
        name: tuple(b"" if one is None else one[place].tobytes() for one in features)
        for place, name in enumerate(opened.clips["path"])
    }
    return Found(rows, reasons, None)


def kind_of(reason: str) -> str:
    """A reason without the numbers, words of the library and places that differ from file to file."""
    short = re.sub(r"; [\w,]+: .*", "", re.sub(r"\(.*\)", "(…)", reason))
    return re.sub(r"-?\d[\d.]*", "N", short).replace("|", "/")


def summary(alone: Found, beside: Found, made: dict[str, tuple[Way, str]], seconds: float) -> list[str]:
    """The counts, as the lines of a table."""
    whole = sorted({name for _, name in made.values()})
    same = sum(name in alone.rows and alone.rows[name] == beside.rows.get(name) for name in whole)
    silent = [name for name in made if (name in beside.rows) == (name in beside.reasons)]
    said = [beside.reasons[name] for name in made if name in beside.reasons]
    counts = {
        expected: sum(bool(re.search(expected, one)) for one in said) for expected in (CRASHED, TOO_LONG, TOO_MUCH)
    }
    rows = [
        ("broken files", len(made), ""),
        ("… that gave a row", sum(name in beside.rows for name in made), ""),
        ("… that were refused with a reason", len(said), ""),
        ("… that had neither, or both", len(silent), "0"),
        ("extractions that crashed, raised or hung", sum(found.died is not None for found in (alone, beside)), "0"),
        ("processes of the decoder that a file crashed (costs that file alone)", counts[CRASHED], ""),
        ("files stopped at the limit of time", counts[TOO_LONG], ""),
        ("files stopped at the limit of memory", counts[TOO_MUCH], ""),
        ("whole files beside them with the same bytes as without them", f"{same} of {len(whole)}", "all"),
        (f"both extractions together, {len(os.sched_getaffinity(0))} cores, s", f"{seconds:.0f}", ""),
    ]
    return ["| what | measured | wanted |", "|---|---:|---:|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]


def by_way(beside: Found, made: dict[str, tuple[Way, str]]) -> list[str]:
    """How each way of breaking ended, as the lines of a table."""
    lines = ["| broken how | files | refused | row of the whole file | another row |", "|---|---:|---:|---:|---:|"]
    for way in WAYS:
        names = [(name, whole) for name, (its, whole) in made.items() if its is way]
        rows = [beside.rows[name] == beside.rows.get(whole) for name, whole in names if name in beside.rows]
        refused = sum(name in beside.reasons for name, _ in names)
        about = (way.__doc__ or "").rstrip(".")
        lines.append(f"| {about} | {len(names)} | {refused} | {sum(rows)} | {len(rows) - sum(rows)} |")
    return lines


def main() -> None:
    """Put the tables into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--clips", type=Path, nargs="+", default=CLIPS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made = break_files(whole_files(options.clips, work), options.files, work / "clips")
        begun = time.monotonic()
        alone = extracted(work / "clips", {name for _, name in made.values()}, work / "alone")
        beside = extracted(work / "clips", {path.name for path in (work / "clips").iterdir()}, work / "beside")
        seconds = time.monotonic() - begun
    reasons = Counter(kind_of(reason) for name, reason in beside.reasons.items() if name in made).most_common(REASONS)
    table = [
        *summary(alone, beside, made, seconds), "", *by_way(beside, made), "",
        "| reason | files |", "|---|---:|", *(f"| {reason} | {count} |" for reason, count in reasons),
    ]  # fmt: skip
    print("\n".join(table))
    put(options.document, "damage", "\n".join(table))
    if problem := alone.died or beside.died:
        sys.exit(f"an extraction died: {problem}")


if __name__ == "__main__":
    main()
