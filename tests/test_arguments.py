"""Public calls refuse arguments of a wrong type at once, and say what was given and what was expected.

The tests check every signature as the package is loaded, so that no wrong type would come through: the calls are made
in a process without, as users make them: `python -m tests.test_arguments` writes what each call says.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import avgzsl
from avgzsl.generators import generate
from avgzsl.recognition.recognise import recognise
from avgzsl.support.arguments import seeds_of
from avgzsl.types import EncoderChoice
from tests.worlds import world

NOWHERE = "no/such/place"  # what is wrong with an argument is said before anything is looked for
CALLS = {
    "extract": lambda **more: avgzsl.extract(NOWHERE, NOWHERE, **{"encoders": EncoderChoice(), **more}),
    "predict": lambda **more: avgzsl.predict(NOWHERE, ["clip.mp4"], **more),
    "recognise": lambda **more: recognise(None, ["clip.mp4"], **more),
    "embed_clips": lambda **more: avgzsl.embed_clips(NOWHERE, ["clip.mp4"], **more),
    "search": lambda **more: avgzsl.search(NOWHERE, "bell", **more),
    "open_searcher": lambda **more: avgzsl.open_searcher(NOWHERE, **more),
    "index": lambda **more: avgzsl.index(NOWHERE, NOWHERE, NOWHERE, **more),
    "index_add": lambda **more: avgzsl.index_add(NOWHERE, NOWHERE, **more),
    "index_remove": lambda **more: avgzsl.index_remove(NOWHERE, **more),
    "serve": lambda **more: avgzsl.serve(NOWHERE, **more),
    "train": lambda **more: avgzsl.train(NOWHERE, out=NOWHERE, **more),
    "two_stage": lambda **more: avgzsl.two_stage(NOWHERE, out=NOWHERE, **more),
    "tune": lambda **more: avgzsl.tune(NOWHERE, "eszsl", NOWHERE, **more),
    "benchmark": lambda **more: avgzsl.benchmark(NOWHERE, out=NOWHERE, **{"entries": ["eszsl"], **more}),
    "reproduce": lambda **more: avgzsl.reproduce("table1", NOWHERE, NOWHERE, **more),
    "evaluate": lambda **more: avgzsl.evaluate(NOWHERE, NOWHERE, **more),
    "pack": lambda **more: avgzsl.pack(NOWHERE, NOWHERE, **more),
    "generate": lambda **more: generate("audioset-zsl", NOWHERE, **more),
    "train_audio_net": lambda **more: avgzsl.train_audio_net(NOWHERE, NOWHERE, NOWHERE, **more),
}
TAKEN = {  # parameter: the values that are refused, what is expected instead, the calls that have it
    "encoders": (
        ("descriptors", {"audio": "descriptors"}),
        "EncoderChoice",
        "extract predict embed_clips search open_searcher index index_add serve",
    ),
    "choice": (("class-split", {}), "DataChoice", "train two_stage tune benchmark reproduce"),
    "settings": (("epochs=3", ["epochs=3"]), "expected a mapping", "train two_stage"),
    "fixed": (("epochs=3", ["epochs=3"]), "expected a mapping", "tune"),
    "progress": (
        (3, True, avgzsl.ProgressBar),
        r"ProgressBar\(\)",
        "extract predict recognise embed_clips index index_add train two_stage tune benchmark reproduce generate "
        "train_audio_net evaluate",
    ),
    "seed": (("x", 1.5, True), "expected a whole number", "train two_stage tune generate train_audio_net"),
    "top": (("3", 2.5), "expected a whole number", "predict recognise search"),
    "trials": (("3", 0), "whole number|from 1 on", "tune"),
    "seeds": ((0, "01", [], ["x"], 1.5, True), "seeds", "benchmark reproduce"),
    "entries": (("eszsl", avgzsl.Entry("a", "eszsl", {}), 3, []), "give entries=|there are no entries", "benchmark"),
    "media": (("clips", Path("clips")), "give media=", "serve"),
    "ids": (("abc",), "give ids=", "index_remove"),
    "named": (("abc", Path("abc")), "give named=", "pack"),
    "without": (("abc",), "give without=", "search"),
    "audio settings": (({"epochs": 3},), r"expected AudioNetSettings\(epochs=…\)", "train_audio_net"),
}
CASES = [
    (call, name, number)
    for name, (values, _, calls) in TAKEN.items()
    for number in range(len(values))
    for call in calls.split()
]


def write_answers() -> None:
    """A line a case: the kind of error and what it says."""
    for call, name, number in CASES:
        kind, message = "nothing", ""
        try:
            CALLS[call](**{name.split()[-1]: TAKEN[name][0][number]})
        except Exception as problem:
            kind, message = type(problem).__name__, str(problem)
        print(json.dumps([kind, message]))


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> tuple[Path, dict[tuple[str, str, int], list[str]]]:
    """The folder in which the calls were made, and what each case answers."""
    folder = tmp_path_factory.mktemp("empty")
    command = [sys.executable, "-m", "tests.test_arguments"]
    ways = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(avgzsl.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": ways}
    ended = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return folder, dict(zip(CASES, map(json.loads, ended.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(("call", "name", "number"), CASES)
def test_a_wrong_argument_is_refused(answered, call, name, number):
    kind, message = answered[1][call, name, number]
    assert kind == "ConfigError", message
    assert re.search(TAKEN[name][1], message)


def test_a_wrong_argument_is_refused_before_anything_is_written(answered):
    assert not list(answered[0].iterdir())


@pytest.mark.parametrize(("given", "seeds"), [(2, (0, 1)), (range(1), (0,)), ([4, 2], (4, 2)), (iter([3]), (3,))])
def test_seeds_are_how_many_or_which(given, seeds):
    assert seeds_of(given) == seeds


def test_a_comparison_takes_a_number_of_seeds(tmp_path):
    results = avgzsl.benchmark(world(), ["least-squares"], tmp_path / "out", seeds=2)
    assert [result.cell.seed for result in results] == [0, 1]


def test_a_text_does_for_a_path(tmp_path):
    """A manifest, overrides and a folder of weights that are not there are missed by the same words."""
    (tmp_path / "clips" / "bell").mkdir(parents=True)
    (tmp_path / "clips" / "bell" / "a.wav").touch()
    video = EncoderChoice(video="descriptors", text="hashed-words")
    for wrong in ("manifest", "overrides", "models"):
        missed = [missing(tmp_path, wrong, kind(tmp_path / "missing"), video) for kind in (str, Path)]
        assert missed[0] == missed[1] and "missing" in missed[0]


def missing(folder: Path, wrong: str, value: str | Path, encoders: EncoderChoice) -> str:
    more = {wrong: value}
    if wrong == "models":
        encoders, more = EncoderChoice(audio="kumar", models=value), {}
    with pytest.raises(avgzsl.AvgzslError) as raised:
        avgzsl.extract(
            folder / "clips", folder / "out", encoders=encoders, **{"labels_from_folders": wrong != "manifest", **more}
        )
    return str(raised.value)


if __name__ == "__main__":
    write_answers()
