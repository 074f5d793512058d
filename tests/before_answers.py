"""What the commands say of things that earlier code made (`tests/before`): a store, runs, indexes, kept results.

Commands alone, as plain as they can be: where a module lies may change, what a user typed and has on disk may not. Each
answer works on a copy of its own. `python -m tests.before_answers` wrote them down as what is expected.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from avgzsl import cli

HERE = Path(__file__).parent / "before"
KEPT, EXPECTED = HERE / "kept.tar.xz", HERE / "expected.json"
LAY = "/tmp/archive/clips"  # where the clips lay when the indexes were made
SOURCES = {"memory": "@store --split test", "lancedb": "@clips/test --manifest @clips/test/manifest.csv"}
ENGINES = tuple(SOURCES)
TUNE = "tune @store --method eszsl --trials 3 --folds 2 --seed 2 --out @tuned/eszsl input=audio"
BENCHMARK = (
    "benchmark @store --methods least-squares,eszsl --seeds 1 --tuned @tuned --against least-squares --processes 1 "
    "--out @bench"
)
FIGURES = ("task", "modality", "fusion", "calibration", "gamma", "S", "U", "HM", "ZSL", "AUSUC", "per_class")


def unpack(folder: Path) -> Path:
    """A copy of all that is kept."""
    shutil.unpack_archive(KEPT, folder, filter="data")
    return folder


def avgzsl(kept: Path, line: str, code: int = 0) -> str:
    """What a command prints, in whose line names with @ before them lie in `kept`; its exit code must be `code`."""
    words = [str(kept / word[1:]) if word.startswith("@") else word for word in line.split()]
    ran = CliRunner().invoke(cli.app, words)
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == code, ran.output
    return ran.stdout


def inspected(kept: Path) -> dict[str, Any]:
    told = json.loads(avgzsl(kept, "inspect @store --json"))
    return _of(told, ("modalities", "class_splits", "clips", "problems"))


def evaluated(kept: Path, run: str) -> list[dict[str, Any]]:
    avgzsl(kept, f"evaluate @{run} --data @store --json @evaluated.json")
    return _figures(json.loads((kept / "evaluated.json").read_text())["results"])


def predicted(kept: Path, run: str) -> list[Any]:
    """The penalty that validation found, then the classes, likeliest first."""
    (told,) = json.loads(avgzsl(kept, f"predict @{run} @clips/test/red-low-0.mp4 --json"))
    return [told["gamma"], *(_of(one, ("label", "seen", "distance")) for one in told["top"])]


def packed_now(kept: Path) -> list[Any]:
    """The same of a run that is packed only now."""
    avgzsl(kept, "pack @avgzslnet --out @packed-now")
    return predicted(kept, "packed-now")


def counted(kept: Path, engine: str) -> dict[str, Any]:
    told = json.loads(avgzsl(kept, f"index-info @index-{engine} --json"))
    about = ("method", "run", "engine", "parts", "dimension", "clips", "with_both", "labelled", "with_file", "modes")
    return _of(told, about)


def found(kept: Path, engine: str, query: str = "red high") -> list[dict[str, Any]]:
    told = json.loads(avgzsl(kept, f"search @index-{engine} {query} --top 20 --json"))
    return [_of(hit, ("id", "label", "seen", "distance", "missing")) for hit in told]


def retrieved(kept: Path, engine: str) -> list[dict[str, Any]]:
    return _figures(json.loads(avgzsl(kept, f"index-evaluate @index-{engine} --json"))["results"])


def indexed_now(kept: Path) -> list[dict[str, Any]]:
    """What an index finds that is made only now, of a kept run and the kept store."""
    avgzsl(kept, "index @avgzslnet @store --split test --engine memory --out @index-now")
    return found(kept, "now")


def moved(kept: Path, engine: str) -> list[Any]:
    """Of an index whose files are gone, until it hears where they lie: what a clip finds there."""
    avgzsl(kept, f"index-verify @index-{engine}", code=1)
    avgzsl(kept, f"index-move @index-{engine} {LAY} @clips")
    avgzsl(kept, f"index-verify @index-{engine}")
    return found(kept, engine, "--like @clips/test/red-low-0.mp4")


def goes_on(kept: Path, engine: str) -> list[Any]:
    """Of a moved index to which its source is added again: how many clips were new and how many there, how many stores
    of features it has; what is found when a clip was removed, and when the engine was made anew."""
    avgzsl(kept, f"index-move @index-{engine} {LAY} @clips")
    told = avgzsl(kept, f"index-add @index-{engine} {SOURCES[engine]}")
    counts = [int(count) for count in re.findall(r"\d+", told.partition(": ")[2])]
    counts.append(len(list((kept / f"index-{engine}" / "stores").glob("*"))))
    first = found(kept, engine)[0]["id"]
    avgzsl(kept, f"index-remove @index-{engine} {first}")
    without = found(kept, engine)
    avgzsl(kept, f"index-rebuild @index-{engine}")
    return [counts, without, found(kept, engine)]


def tuned(kept: Path) -> list[Any]:
    """The validation HM of each trial in per cent, and the settings chosen."""
    printed = avgzsl(kept, TUNE)
    figures = [float(one) for one in re.findall(r"^ +\d+  input=.* ([\d.]+)$", printed, re.MULTILINE)]
    return [figures, yaml.safe_load((kept / "tuned" / "eszsl" / "preset.yaml").read_text())]


def benchmarked(kept: Path) -> list[Any]:
    """Of each cell what it is, and its figures."""
    avgzsl(kept, BENCHMARK)
    cells = json.loads((kept / "bench" / "results.json").read_text())
    return [[_of(cell, ("label", "method", "settings", "error")), _figures(cell["rows"])] for cell in cells]


ANSWERS: dict[str, tuple[Callable[..., Any], *tuple[str, ...]]] = {
    "store": (inspected,),
    **{f"{run} evaluated": (evaluated, run) for run in ("least-squares", "avgzslnet", "packed")},
    **{f"{run} predicts": (predicted, run) for run in ("least-squares", "avgzslnet", "packed")},
    "packed now": (packed_now,),
    "indexed now": (indexed_now,),
    **{
        f"{engine} {answer.__name__}": (answer, engine)
        for engine in ENGINES
        for answer in (counted, found, retrieved, moved, goes_on)
    },
    "tuned": (tuned,),
    "benchmarked": (benchmarked,),
}


def answer(name: str, kept: Path) -> dict[str, Any]:
    """Each number and text in an answer, by the way to it."""
    function, *about = ANSWERS[name]
    return flat(function(kept, *about))


def flat(value: Any, way: str = "") -> dict[str, Any]:
    """The numbers and texts in nested dicts and lists, each by the way to it; an empty one is the text of it."""
    if not isinstance(value, dict | list):
        return {way: value}
    if not value:
        return {way: repr(value)}
    items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    return {key: one for name, inner in items for key, one in flat(inner, f"{way}/{name}").items()}


def _of(told: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """These alone: what later code says besides is its own affair."""
    return {key: told[key] for key in keys}


def _figures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Retrieval as it was always measured."""
    return [_of(row, FIGURES) for row in rows if row.get("retrieval") != "corrected"]


def _write() -> None:
    expected = {}
    for name in ANSWERS:
        with tempfile.TemporaryDirectory() as folder:
            told = answer(name, unpack(Path(folder)))
        expected[name] = {way: round(one, 4) if isinstance(one, float) else one for way, one in told.items()}
    EXPECTED.write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _write()
