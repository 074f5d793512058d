"""A run on disk: its files, its refusals, and that nothing kills it."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from avgzsl.data.clips import Encoder, TextPart
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import AvgzslError, RunError, UnknownNameError
from avgzsl.experiments import run as runs
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.generators import generate
from avgzsl.support.weights import WeightFile
from tests.processes import PATIENCE, started

SETTINGS = {"epochs": 6, "batch_size": 512, "milestones": (4,), "attention_epochs": 2}


@pytest.fixture(scope="module", autouse=True)
def no_commit():
    """A run notes the commit of the checkout, which may change between two runs whose bytes are compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_DIR", os.devnull)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return generate("audioset-zsl", tmp_path_factory.mktemp("data") / "set", scale=0.002, audio_dim=32, video_dim=48)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> runs.Run:
    return train(data, out=tmp_path_factory.mktemp("runs") / "run", settings=SETTINGS)


def copy_of(run: runs.Run, target: Path) -> Path:
    target.mkdir()
    for file in run.folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def test_a_run_holds_what_was_asked_for_and_what_was_learned(run, data):
    files = [
        "README.md",
        "classes.safetensors",
        "config.json",
        "history.jsonl",
        "model.safetensors",
        "recognition.json",
    ]
    assert sorted(contents(run.folder)) == files
    config = json.loads((run.folder / "config.json").read_text())
    assert config["format"] == 1
    assert config["settings"]["epochs"] == 6
    assert config["settings"]["lr"] == 0.3
    assert config["data"]["path"] == str(data.resolve())
    assert len(config["data"]["fingerprint"]) == 64
    assert config["versions"]["torch"] == torch.__version__
    assert config["data"]["encoders"] == {}  # features from elsewhere
    lines = [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["epoch"]) for line in lines] == [("networks", e) for e in range(1, 7)] + [
        ("attention", 1),
        ("attention", 2),
    ]
    assert "val_HM" in lines[5]


def test_it_knows_its_classes_without_its_data(run, data):
    classes, kept = open_dataset(data).classes, runs.read_classes(run)
    assert kept.names == classes.names
    assert torch.equal(kept.text, classes.text)
    assert torch.equal(kept.seen, classes.seen)


def test_what_recognition_takes_from_validation_is_what_evaluation_calibrates_with(run):
    record = json.loads((run.folder / "recognition.json").read_text())
    assert {mode: one["gamma"] for mode, one in record["modes"].items()} == evaluate(run).provenance["gammas"]


def test_the_encoders_of_the_data_are_kept_and_others_cannot_resume(run, data, tmp_path, monkeypatch):
    text = Encoder("words:vectors.bin", (WeightFile("vectors.bin", "a" * 64),))
    known = replace(open_dataset(data), encoders={"audio": Encoder("descriptors"), "text": text})
    kept = train(known, out=tmp_path / "run", settings=SETTINGS)
    record = runs.load_run(kept.folder).config.data
    assert record.encoders == {"audio": Encoder("descriptors")} and record.known_encoders[1:] == [text]
    assert record.text == (TextPart(record.dimensions["text"], None, text),)
    assert contents(kept.folder)["model.safetensors"] == contents(run.folder)["model.safetensors"]
    with pytest.raises(RunError, match=r"encoders: \{\} there"):
        train(known, out=copy_of(run, tmp_path / "copy"), settings=SETTINGS, resume=True)


def test_same_seed_same_bytes_another_seed_others(run, data, tmp_path):
    again = train(data, out=tmp_path / "again", settings=SETTINGS)
    assert contents(again.folder) == contents(run.folder)
    other = train(data, out=tmp_path / "other", settings=SETTINGS, seed=1)
    assert contents(other.folder)["model.safetensors"] != contents(run.folder)["model.safetensors"]


def test_a_loaded_run_scores_as_the_trained_one(run):
    loaded = runs.load_run(run.folder)
    assert evaluate(loaded).results == evaluate(run).results
    assert runs.run_id(loaded.method) == runs.run_id(run.method)


def test_evaluating_names_its_calibration_and_its_data(run, data):
    for calibration in ("val", "pseudo-unseen", "none", "oracle"):
        found = evaluate(run, modality="both", fusion="equal", calibration=calibration)
        assert found.provenance["calibration"] == calibration
        corrected = [calibration] if calibration != "none" else []
        assert [row["calibration"] for row in found.results] == [calibration, None, *corrected]
        assert found.provenance["data"]["fingerprint"] == run.config.data.fingerprint
        json.dumps(found.json(), allow_nan=False)


def test_other_data_is_refused(run, tmp_path):
    other = generate("audioset-zsl", tmp_path / "other", scale=0.002, seed=1, audio_dim=32, video_dim=48)
    with pytest.raises(RunError, match="fingerprint"):
        evaluate(run, other)


def test_moved_data_is_found_again(run, data, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.symlink_to(data)
    assert evaluate(run, moved).results == evaluate(run).results


def test_unknown_split_modality_calibration(run):
    with pytest.raises(UnknownNameError, match="did you mean test"):
        evaluate(run, split="tests")
    with pytest.raises(UnknownNameError, match="did you mean video"):
        evaluate(run, modality="vidoe")


def test_a_folder_in_use_is_left_alone(run, data, tmp_path):
    before = contents(run.folder)
    with pytest.raises(RunError, match="holds a run already"):
        train(data, out=run.folder, settings=SETTINGS)
    with pytest.raises(RunError, match=r"other settings:\n  lr: 0.3 there, 0.1 asked"):
        train(data, out=run.folder, settings={**SETTINGS, "lr": 0.1}, resume=True)
    assert contents(run.folder) == before
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        train(data, out=tmp_path, settings=SETTINGS)


def test_resuming_a_finished_run_changes_nothing(run, data):
    before = contents(run.folder)
    again = train(data, out=run.folder, settings=SETTINGS, resume=True)
    assert contents(run.folder) == before
    assert runs.run_id(again.method) == runs.run_id(run.method)


def edit(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_what_is_no_run_or_no_longer_one_is_a_clear_error(run, tmp_path):
    with pytest.raises(RunError, match=r"is not a run \(there is no config.json\)"):
        runs.load_run(tmp_path)
    damage = {
        "newer": (lambda f: edit(f, format=2), "format 2 is newer than 1"),
        "unknown key": (lambda f: edit(f, colour="blue"), "not a run's config .colour"),
        "half config": (lambda f: (f / "config.json").write_text('{"format": 1'), "cannot be read"),
        "no object": (lambda f: (f / "config.json").write_text("[]"), "not a run's config"),
        "half model": (lambda f: (f / "model.safetensors").write_bytes(b"\x20\0\0\0"), "not a model"),
        "unfinished": (lambda f: (f / "model.safetensors").unlink(), "training is not finished"),
        "other sizes": (
            lambda f: edit(f, settings={**run.config.settings, "hidden": 12}),
            "does not match config.json",
        ),
        "other method": (lambda f: edit(f, method="least-squares", settings={}), "does not match config.json"),
    }
    for name, (spoil, message) in damage.items():
        folder = copy_of(run, tmp_path / name)
        spoil(folder)
        with pytest.raises(RunError, match=message):
            runs.load_run(folder)


def test_a_full_disk_leaves_the_previous_state(run, data, tmp_path, monkeypatch):
    folder = copy_of(run, tmp_path / "run")
    before = contents(folder)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for write in (lambda: runs.finish(folder, run.method), lambda: runs.write_history(folder, [{"epoch": 1}])):
        with pytest.raises(AvgzslError, match="No space left on device"):
            write()
        assert contents(folder) == before


CHILD = """
import os, signal, sys
import avgzsl.support.files
from avgzsl.experiments.train_evaluate import train

data, out, epochs, *numbers = sys.argv[1:]
kill_in_write, kill_after, kill_at_call = map(int, numbers)
sync, count, calls = os.fsync, 0, 0

def fsync(descriptor):
    global count
    count += 1
    if count == kill_in_write:  # the temporary file is written, the old one still in place
        os.kill(os.getpid(), signal.SIGKILL)
    sync(descriptor)

def call(frame, event, argument):
    global calls
    calls += 1
    if calls == kill_at_call:
        os.kill(os.getpid(), signal.SIGKILL)

def told(step):
    print(step.task, step.done, flush=True)
    if (step.task, step.done) == ("networks", kill_after):
        sys.setprofile(call)

os.fsync = fsync
train(data, out=out, settings={"epochs": int(epochs), "batch_size": 512, "milestones": (4,), "attention_epochs": 2},
      resume=True, checkpoint_seconds=0.0, progress=told)
"""


def trained(data: Path, out: Path, kill_in_write: int = 0, kill_after: int = 0, kill_at_call: int = 0) -> Any:
    """Exit code and lines of a training that kills itself: in a write, or at a call after an epoch."""
    command = [sys.executable, "-c", CHILD, data, out, 6, kill_in_write, kill_after, kill_at_call]
    with started(command, stdout=subprocess.PIPE) as child:
        told = child.communicate(timeout=PATIENCE)[0].split("\n")
        return child.returncode, told


@pytest.mark.races
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize("moment", ["inside a write", "random", "another random"])
def test_killed_and_resumed_ends_in_the_same_bytes(run, data, tmp_path, moment):
    out = tmp_path / "run"
    draw = random.Random(moment)
    if moment == "inside a write":
        code, _ = trained(data, out, kill_in_write=draw.randint(6, 14))
    else:  # from the second epoch on there is a checkpoint
        code, _ = trained(data, out, kill_after=draw.randint(2, 5), kill_at_call=draw.randint(1, 500))
    assert code == -signal.SIGKILL
    assert not (out / "model.safetensors").exists()
    for file in out.glob("[!.]*.json"):
        json.loads(file.read_text())
    for file in out.glob("[!.]*.jsonl"):
        assert next(json.loads(line)["epoch"] for line in file.read_text().splitlines()) == 1
    code, told = trained(data, out)
    assert code == 0
    assert len(told) < 9, "it started from the beginning"
    assert contents(out) == contents(run.folder)  # and no half file is left


def test_a_training_that_is_refused_at_once_leaves_no_run(data, tmp_path):
    for _ in range(2):  # the second time nothing of the first is in the way
        with pytest.raises(AvgzslError, match="nothing to compare"):
            train(data, "frozen", out=tmp_path / "run")
        assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "half.tmp").write_text("of somebody else")
    with pytest.raises(AvgzslError, match="nothing to compare"):
        train(data, "frozen", out=tmp_path / "run")
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["half.tmp"]
