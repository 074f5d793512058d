"""A folder of another kind than expected: each command says what it was given, and which command leads on."""

import shlex
import shutil

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive.indexing import index
from avgzsl.errors import AvgzslError, DataError, RunError
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import train
from avgzsl.features.extract import extract
from avgzsl.features.feature_store import open_store
from avgzsl.features.folder_kinds import _FILES, _NEXT, found_inside, kind_of_folder, what_it_is
from avgzsl.types import EncoderChoice
from tests import clip_runs
from tests.small_set import write_set

ENCODERS = EncoderChoice(audio="descriptors", video="descriptors", text="hashed-words:64")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Clips, store, run and index in one folder, as `avgzsl demo` makes it; beside it a folder of features."""
    folder = tmp_path_factory.mktemp("kinds")
    demo = folder / "demo"
    clip_runs.clips(demo / "clips")
    rows = [f"{name.replace(' ', '-')}.mp4,{name},{name not in clip_runs.UNSEEN}" for name in clip_runs.NAMES]
    (demo / "clips" / "manifest.csv").write_text("\n".join(["path,label,seen", *rows, ""]))
    extract(demo / "clips", demo / "store", manifest=demo / "clips" / "manifest.csv", encoders=ENCODERS)
    train(write_set(folder / "features"), "least-squares", out=demo / "run")
    index(demo / "run", folder / "features", demo / "index", engine="memory")
    return folder


def folder_of(made, kind):
    return made / "features" if kind == "features" else made / "demo" / kind


def said(*words: object) -> str:
    """The error that a command ends with."""
    ran = CliRunner().invoke(cli.app, list(map(str, words)))
    assert isinstance(ran.exception, AvgzslError), ran.output
    return str(ran.exception)


def test_each_kind_is_known_by_its_files(made):
    for kind in (*_FILES, "clips"):
        assert kind_of_folder(folder_of(made, kind)) == kind
    assert kind_of_folder(made / "not-there") is None


MISTAKES = {  # what a command is given, and what it says
    "train {clips} --out r": [
        "is not a folder of features but a folder of clips",
        "`avgzsl extract {clips} --out STORE",
    ],
    "train {run} --out r": ["is not a folder of features but a run", "`avgzsl predict {run} CLIPS`"],
    "train {index} --out r": ["is not a folder of features but an index", "`avgzsl search {index} WORDS`"],
    "inspect {clips}": ["is not a folder of features but a folder of clips", "`avgzsl extract {clips}"],
    "evaluate {store}": ["is not a run", "but a store of features", "`avgzsl train {store} --out RUN`"],
    "evaluate {clips}": ["is not a run", "but a folder of clips", "extract features first", "then train"],
    "evaluate {index}": ["is not a run", "but an index", "the run that made it is {index}/run"],
    "predict {index} a.mp4": ["is not a run", "but an index", "{index}/run"],
    "predict {features} a.mp4": ["is not a run", "but a folder of features", "`avgzsl train {features} --out RUN`"],
    "pack {store} --out p": ["is not a run", "`avgzsl train {store} --out RUN`"],
    "search {run} red": ["is not an index", "but a run", "`avgzsl index {run} CLIPS --out INDEX`"],
    "search {clips} red": ["is not an index", "but a folder of clips", "`avgzsl open {clips}`"],
    "search {store} red": ["is not an index", "but a store", "`avgzsl index RUN {store} --out INDEX`"],
    "serve {run}": ["is not an index", "but a run", "`avgzsl index {run} CLIPS --out INDEX`"],
    "index-info {clips}": ["is not an index", "`avgzsl index {clips} --frozen --out INDEX`"],
    "index {store} {run} --out i": ["is the run; it goes first: `avgzsl index {run} {store}"],
    "index {run} {run} --out i": ["is not what can be indexed but a run"],
    "index {run} {index} --out i": ["is not what can be indexed but an index"],
    "index {clips} --out i": ["one folder was given", "--frozen"],
    "index {run} --out i": ["one folder was given", "`avgzsl index {run} CLIPS"],
    "index {index} --frozen --out i": ["is not a folder of clips but an index"],
    "index-add {index} {run}": ["is not what can be indexed but a run"],
    "split {clips}": ["is not a store of features", "but a folder of clips", "`avgzsl extract {clips}"],
    "split {run}": ["is not a store of features", "but a run"],
    "extract {store} --out s --audio descriptors": ["is not a folder of clips but a store", "`avgzsl train {store}"],
    "extract {run} --out s --audio descriptors": ["is not a folder of clips but a run"],
    "open {index} --no-browser": ["is not a folder of clips but an index", "`avgzsl serve {index}`"],
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_near_mistake_names_the_command(line, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {kind: folder_of(made, kind) for kind in (*_FILES, "clips")}
    message = said(*line.format(**places).split())
    for part in MISTAKES[line]:
        assert part.format(**places) in message
    assert not list(tmp_path.iterdir())  # nothing was made


@pytest.mark.parametrize(("expected", "given"), _NEXT)
def test_every_command_that_is_named_parses(expected, given, made):
    """Each is what one can type: a command with its options."""
    named = [part for part in what_it_is(folder_of(made, given), expected).split("`") if part.startswith("avgzsl ")]
    assert named or (expected, given) == ("run", "index")
    for line in named:
        words = shlex.split(line)[1:]
        get_command(cli.app).commands[words[0]].make_context(words[0], words[1:])


def test_a_folder_with_blanks_is_quoted_and_a_manifest_is_named(made, tmp_path):
    clips = tmp_path / "my clips"
    clips.mkdir()
    (clips / "a.MP4").write_bytes(b"x")
    assert f"`avgzsl extract '{clips}' --out STORE" in what_it_is(clips, "run")
    assert "--labels-from-folders" in what_it_is(clips, "run")
    assert f"--manifest {made}/demo/clips/manifest.csv" in what_it_is(made / "demo" / "clips", "run")


def test_a_demo_folder_stands_for_what_is_in_it(made, monkeypatch):
    monkeypatch.chdir(made)
    for words, inside in (
        (("evaluate", "demo", "--no-baselines", "--modality", "audio"), "demo/run"),
        (("index-info", "demo"), "demo/index"),
        (("inspect", "demo"), "demo/store"),
    ):
        ran = CliRunner().invoke(cli.app, list(words), catch_exceptions=False)
        assert ran.stderr.startswith(f"note: demo holds {inside}, which is taken\n"), ran.stderr
        assert ran.stdout


def test_a_folder_that_is_one_itself_is_taken_as_it_is(made, tmp_path):
    """A run may have a folder `run` in it, as an index has."""
    shutil.copytree(made / "demo" / "index", tmp_path / "index")
    assert found_inside(tmp_path / "index", "run") is None
    assert found_inside(made / "demo", "run") == made / "demo" / "run"
    assert found_inside(made / "features", "store") is None
    assert ", but holds one: " in what_it_is(made / "demo", "run")


def test_a_folder_of_nothing_known_keeps_its_message(tmp_path):
    with pytest.raises(RunError, match=r"is not a run \(there is no config.json\); make one with `avgzsl train`"):
        load_run(tmp_path)
    with pytest.raises(DataError, match="make it with, or go on with, `avgzsl extract`"):
        open_store(tmp_path)
