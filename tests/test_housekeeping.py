"""What is kept on a machine is told whole, and cleared no further than was asked: nothing in use, nothing of others."""

import fcntl
import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import avgzsl
from avgzsl import cli
from avgzsl.archive.writer import LOCK
from avgzsl.data.reading.cache import cache_folder
from avgzsl.errors import ConfigError, UnknownNameError
from avgzsl.fetching.record import Record, waiting_folder, write_record
from avgzsl.housekeeping import KINDS, Cache, Kept, cache, clear_cache, to_clear
from avgzsl.recognition.bank_cache import kept_rows
from avgzsl.server import running
from avgzsl.server.opening import index_place, indexes_folder
from avgzsl.support import own_folders
from avgzsl.text.part_record import TextPart
from tests.processes import started
from tests.test_index import write_set

OLD = 100.0  # days
LOCKED = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A machine on which something of each kind is kept."""
    for name in ("CACHE", "STATE", "MODELS"):
        monkeypatch.setenv(f"AVGZSL_{name}", str(tmp_path / name.lower()))
    avgzsl.open_dataset(write_set(tmp_path / "data")).split("train")
    kept_rows([TextPart(3, None, None)], ["a bell"], lambda: torch.ones(1, 3))
    clips = tmp_path / "my clips"
    clips.mkdir()
    own_folders.remember(clips)
    index = index_place(clips)
    index.mkdir(parents=True)
    (index / "embeddings.f32").write_bytes(bytes(1000))
    models = tmp_path / "models"
    (models / "mine").mkdir(parents=True)
    (models / "mine" / "network.bin").write_bytes(bytes(7))
    (models / "yamnet_audio_classifier_with_metadata.tflite").write_bytes(bytes(5000))
    (models / "yamnet_label_list.txt").write_bytes(bytes(10))
    write_record(models, "yamnet", Record("f606", {"yamnet_audio_classifier_with_metadata.tflite": "00"}))
    running.Note(running.notes_folder() / f"{'0' * 64}.json").write("http://127.0.0.1:9/")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def aged(folder: Path, days: float) -> None:
    """As if all in a folder had last been used so long ago."""
    then = time.time() - days * 86_400
    for path in folder.rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)


def test_each_kind_is_told_with_its_size_and_its_day(home):
    kept = {one.kind: one for one in cache()}
    assert list(kept) == list(KINDS)
    features = [path for path in cache_folder().rglob("*") if path.is_file()]
    assert kept["features"].size == sum(path.stat().st_size for path in features) > 0
    assert kept["features"].what == str(home / "data") and kept["folders"].what == "my-clips"
    assert kept["folders"].size == 1000
    record = home / "models" / "fetched" / "yamnet.json"
    assert kept["weights"].what == "yamnet" and kept["weights"].size == 5000 + record.stat().st_size
    assert kept["media"].what == str(home / "my clips") and kept["servers"].what == "http://127.0.0.1:9/"
    today = time.strftime("%Y-%m-%d", time.localtime(kept["folders"].used))
    assert all(row["last used"] == today for row in cache().rows() if row["kind"] != "phrases")
    assert {row["where"] for row in cache().rows()} == {str(one.paths[0]) for one in cache()}


def test_a_machine_on_which_nothing_is_kept(tmp_path, monkeypatch):
    for name in ("CACHE", "STATE", "MODELS"):
        monkeypatch.setenv(f"AVGZSL_{name}", str(tmp_path / name.lower()))
    assert not cache() and not clear_cache(*KINDS)
    assert "kept: 0 bytes in all" in CliRunner().invoke(cli.app, ["cache"]).output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_asked_for_goes_and_all_else_stays(home, kind):
    before = {one.kind: one for one in cache()}
    assert [one.kind for one in clear_cache(kind)] == [kind]
    after = {one.kind: one for one in cache()}
    assert after == {other: one for other, one in before.items() if other != kind}
    assert not any(path.exists() for path in before[kind].paths)
    assert (home / "models" / "mine" / "network.bin").exists() and (home / "my clips").is_dir()


def test_all_of_it_leaves_what_is_of_others(home):
    (home / "cache" / "notes.txt").write_text("mine")
    (cache_folder() / "mine").mkdir()
    (home / "state" / "media" / "mine").write_text("mine")
    assert len(clear_cache(*KINDS)) == len(KINDS)
    assert not cache()
    left = files(home) - {name for name in files(home) if name.startswith("data/")}
    assert left == {"cache/notes.txt", "state/media/mine", "models/mine/network.bin", "models/yamnet_label_list.txt"}


def test_features_are_read_anew_after_that(home):
    before = avgzsl.open_dataset(home / "data").split("train").audio.clone()
    clear_cache("features")
    assert torch.equal(avgzsl.open_dataset(home / "data").split("train").audio, before)
    assert [one.kind for one in cache()].count("features") == 1


def test_only_what_was_not_used_for_so_long(home):
    aged(home, OLD)
    own_folders.remember(home / "data")
    assert {one.kind for one in to_clear(KINDS, OLD + 1)} == set()
    assert [one.what for one in to_clear(["media"], OLD - 1)] == [str(home / "my clips")]
    assert {one.kind for one in clear_cache(*KINDS, older_than=OLD - 1)} == set(KINDS)
    assert [one.what for one in cache()] == [str(home / "data")]


def test_to_be_told_is_no_use(home):
    aged(home, OLD)
    first = {one.kind: one.used for one in cache()}
    assert {one.kind: one.used for one in cache()} == first


@pytest.mark.parametrize("link", ["entry", "inside"])
def test_links_are_not_followed(home, link):
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x" * 100)
    if link == "entry":
        (cache_folder() / f"{'0' * 16}-{'0' * 32}-plain").symlink_to(elsewhere)
        (home / "cache" / "bank" / f"{'0' * 64}.safetensors").symlink_to(elsewhere / "precious")
    else:
        next(indexes_folder().glob("*/*")).joinpath("more").symlink_to(elsewhere)
    assert sum(one.kind in ("features", "phrases", "folders") for one in cache()) == 3
    clear_cache(*KINDS)
    assert (elsewhere / "precious").read_text() == "x" * 100


def test_an_index_that_is_written_to_stays(home):
    index = next(indexes_folder().glob("*/*"))
    with started([sys.executable, "-c", LOCKED, index / LOCK], stdout=-1) as writer:
        assert writer.stdout.readline() == "held\n"
        cleared = clear_cache("folders")
        assert not cleared and [one.paths for one in cleared.stayed] == [(index,)]
        assert (index / "embeddings.f32").exists()
    assert len(clear_cache("folders")) == 1 and not list(indexes_folder().iterdir())


def test_an_index_that_is_served_stays_and_so_does_the_note(home, monkeypatch):
    monkeypatch.setattr(running, "running", lambda index: "http://127.0.0.1:1/")
    monkeypatch.setattr(running, "_asked", lambda url: "an index")
    cleared = clear_cache("folders", "servers")
    assert not cleared and {one.kind for one in cleared.stayed} == {"folders", "servers"}


def test_weights_that_are_being_fetched_stay(home):
    waiting = waiting_folder(home / "models", "yamnet")
    waiting.mkdir()
    with (waiting / ".yamnet.tflite.part").open("wb") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        assert len(clear_cache("weights").stayed) == 1
    assert len(clear_cache("weights")) == 1 and not waiting.exists()


def test_what_killed_processes_left_goes_too(home):
    left = cache_folder() / ".0123456789abcdef.999999999-abcdefgh.tmp"
    left.mkdir()
    (left / "half").write_bytes(bytes(50))
    assert left in [one.paths[0] for one in cache()]
    clear_cache("features")
    assert not list(cache_folder().iterdir())


def test_a_damaged_record_costs_no_file(home):
    (home / "models" / "fetched" / "yamnet.json").write_text("{")
    (next(cache_folder().iterdir()) / "manifest.json").write_text("[")
    (running.notes_folder() / f"{'0' * 64}.json").write_text('{"url": 3}')
    kinds = [one.kind for one in cache()]
    assert "weights" not in kinds and "features" in kinds and "servers" in kinds
    clear_cache(*KINDS)
    assert (home / "models" / "yamnet_audio_classifier_with_metadata.tflite").exists()


def test_mistakes_are_named(home):
    with pytest.raises(UnknownNameError, match="did you mean features"):
        clear_cache("feature")
    for days in (-1.0, float("nan")):
        with pytest.raises(ConfigError, match="expected a number of days"):
            clear_cache("features", older_than=days)
    assert len(cache()) == len(KINDS)


def test_of_many_things_the_command_lists_the_largest(home, monkeypatch):
    things = [Kept("media", f"folder {n}", (home / str(n),), 1000 - n, 0.0) for n in range(50)]
    monkeypatch.setattr("avgzsl.housekeeping.cache", lambda: Cache(tuple(reversed(things))))
    said = CliRunner().invoke(cli.app, ["cache"]).output
    assert [line.split("folder ")[1] for line in said.splitlines() if "folder " in line] == [str(n) for n in range(20)]
    assert f"{sum(1000 - n for n in range(20, 50)):,} bytes  in 30 more" in said
    assert len(json.loads(CliRunner().invoke(cli.app, ["cache", "--json"]).output)) == 50


def test_the_command_tells_asks_and_clears(home):
    said = CliRunner().invoke(cli.app, ["cache"])
    assert said.exit_code == 0 and all(f"{kind}: {about}" in said.output for kind, about in KINDS.items())
    assert json.loads(CliRunner().invoke(cli.app, ["cache", "--json"]).output) == cache().json()
    no = CliRunner().invoke(cli.app, ["cache", "--clear", "folders"], input="n\n")
    assert no.exit_code == 1 and "Remove these, 1,000 bytes in all?" in no.output
    nobody = CliRunner().invoke(cli.app, ["cache", "--clear", "folders"])
    assert nobody.exit_code == 1 and len(cache()) == len(KINDS)
    old = CliRunner().invoke(cli.app, ["cache", "--clear", "all", "--older-than", "3", "--yes"])
    assert old.exit_code == 0 and "removed: 0 bytes in all" in old.output
    yes = CliRunner().invoke(cli.app, ["cache", "--clear", "folders", "--clear", "media"], input="y\n")
    assert yes.exit_code == 0 and "removed: " in yes.output
    assert {one.kind for one in cache()} == set(KINDS) - {"folders", "media"}
    assert CliRunner().invoke(cli.app, ["cache", "--clear", "all", "--yes"]).exit_code == 0 and not cache()
