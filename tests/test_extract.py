"""Extraction: what is computed, what survives, what is noticed. Media files and processes are real."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import backbones, cli, open_dataset
from avgzsl.errors import ConfigError, DataError, MediaError, RunError, WeightsError
from avgzsl.features import engines
from avgzsl.features.embedding import embed_batch
from avgzsl.features.engines import BackboneSetup
from avgzsl.features.extract import NO_LABELS, Extraction, extract
from avgzsl.features.journal import open_journal
from avgzsl.media.decode import decode
from avgzsl.media.needs import Decoded, SoundNeeds, Span
from avgzsl.support.weights import WeightFile
from avgzsl.text import encoders as text
from avgzsl.types import EncoderChoice
from tests.processes import PATIENCE, group_of, started, wait_for
from tests.small_clips import CLASSES, write_clip, write_clips, write_wav

COUNTING, SOUND = EncoderChoice(audio="counting"), EncoderChoice(audio="descriptors")
BOTH = EncoderChoice(audio="descriptors", video="descriptors")
ARRAYS = ("audio.npy", "video.npy", "clips.jsonl", "store.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Clips that no test changes."""
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def root(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "clips"))


@dataclass(eq=False)
class Counting:
    """A backbone that writes down what it was given: number of samples, their mean square, clips in the batch."""

    batches: list[int]
    weights: tuple[WeightFile, ...] = ()
    spec, modality, dimension, needs = "counting", "audio", 2, SoundNeeds(8000)

    def embed(self, clips: Sequence[np.ndarray]) -> torch.Tensor:
        self.batches.append(len(clips))
        return torch.tensor([[float(len(clip)), float((clip**2).mean())] for clip in clips])


@pytest.fixture
def counting(monkeypatch) -> Counting:
    """What `--audio` loads, whatever is asked for."""
    backbone = Counting([])
    monkeypatch.setattr(engines, "load_backbone", lambda *_, **__: backbone)
    return backbone


def rows(result: Extraction) -> list[dict]:
    return list(result.store.clips.rows())


def test_features_are_those_of_a_direct_call(root, tmp_path):
    """Picture and sound of one decoding, row by row; a clip that lacks one is marked."""
    write_clip(root / "bell" / "silent.mp4", 3, sound=False)
    write_wav(root / "drum" / "heard.wav")
    steps = []
    encoders = replace(BOTH, text="hashed-words")
    options = {"encoders": encoders, "labels_from_folders": True}
    result = extract(root, tmp_path / "store", **options, workers=1, batch=4, progress=steps.append)
    assert len(result.store) == 11 == result.extracted and not result.failures
    assert (steps[-1].task, steps[-1].done, steps[-1].total, steps[-1].left) == ("extract", 11, 11, 0.0)
    assert steps[-1].figures["clips/s"] > 0 and steps[-1].failed == 0
    assert len({step.done for step in steps}) == len(steps)  # each is told once: a bar that has ended stays one line
    nets = {m: backbones.load("descriptors", m) for m in ("audio", "video")}
    for number, row in enumerate(rows(result)):
        clip = decode(root / row["path"], frames=nets["video"].needs, sound=nets["audio"].needs)
        for modality, content in (("audio", clip.waveform), ("video", clip.frames)):
            assert row[f"has_{modality}"] == (content is not None)
            expected = np.zeros(nets[modality].dimension) if content is None else nets[modality].embed([content])[0]
            np.testing.assert_allclose(result.store.feature(modality)[number], expected, atol=1e-6)
        assert row["label"] == row["path"].split("/")[0]
        assert json.loads(row["info"])["format"]
    assert sum(not row["has_audio"] for row in rows(result)) == 1 == sum(not row["has_video"] for row in rows(result))
    assert result.store.record.classes == CLASSES
    np.testing.assert_array_equal(result.store.text, text.load("hashed-words").encode(CLASSES).numpy())


def test_names_of_folders_are_labels_where_that_is_asked_for_alone(root, tmp_path):
    result = extract(root, tmp_path / "store", encoders=SOUND, workers=1)
    assert {row["label"] for row in rows(result)} == {None} and result.store.record.classes == ()
    assert result.notes == (NO_LABELS,)
    asked = extract(root, tmp_path / "store", encoders=SOUND, workers=1, labels_from_folders=True)
    assert asked.extracted == 0 and asked.notes == () and asked.store.record.classes == CLASSES
    with pytest.raises(ConfigError, match="hashed-words is of classes, and no clip has a label; give --manifest"):
        extract(root, tmp_path / "other", encoders=replace(SOUND, text="hashed-words"), workers=1)
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\nflute/0.mp4,flute\n")
    with pytest.raises(ConfigError, match=f"{labels}: is where labels come from"):
        extract(root, tmp_path / "other", encoders=SOUND, manifest=labels, labels_from_folders=True)


def test_a_second_run_repeats_nothing_and_changes_no_byte(root, tmp_path, counting):
    out = tmp_path / "store"
    first = extract(root, out, encoders=COUNTING, workers=1, batch=4)
    before = {name: (out / name).read_bytes() for name in ("audio.npy", "clips.jsonl", "store.json")}
    assert (first.extracted, sorted(counting.batches)) == (9, [1, 4, 4])
    steps = []
    again = extract(root, out, encoders=COUNTING, workers=1, batch=4, progress=steps.append)
    assert (again.extracted, len(counting.batches)) == (0, 3)
    assert [(step.done, step.total) for step in steps] == [(9, 9)]
    assert before == {name: (out / name).read_bytes() for name in before}


def test_changed_new_and_removed_files_are_noticed(root, tmp_path, counting):
    out = tmp_path / "store"
    extract(root, out, encoders=COUNTING, workers=1)
    changed, touched = root / "bell" / "0.mp4", root / "bell" / "1.mp4"
    shutil.copy(write_clip(tmp_path / "other.mp4", 5, 0.75), changed)
    os.utime(touched, ns=(1, 1))  # another time, the same content
    (root / "bell" / "2.mp4").unlink()
    write_wav(root / "drum" / "new.wav")
    result = extract(root, out, encoders=COUNTING, workers=1)
    assert result.extracted == 2
    found = {row["path"]: (row, audio) for row, audio in zip(rows(result), result.store.audio, strict=True)}
    assert "bell/2.mp4" not in found and "drum/new.wav" in found and len(found) == 9
    assert found["bell/0.mp4"][1][0] == pytest.approx(0.75 * 8000, rel=0.1)
    assert found["bell/1.mp4"][0]["mtime_ns"] == 1
    with open_journal(out / "journal.sqlite") as journal:
        assert journal.connection.execute("select count(*) from clips").fetchone() == (9,)


def test_a_file_changed_within_its_own_second_and_size_is_noticed_by_its_time(root, tmp_path, counting):
    wav = write_wav(root / "bell" / "x.wav", 300.0)
    extract(root, tmp_path / "store", encoders=COUNTING, workers=1)
    write_wav(wav, 310.0)
    assert extract(root, tmp_path / "store", encoders=COUNTING, workers=1).extracted == 1


def test_a_file_that_changes_while_it_is_read_gives_no_row(root, tmp_path, counting, monkeypatch):
    embed = counting.embed

    def meanwhile(clips):
        os.utime(root / "bell" / "0.mp4", ns=(5, 5))
        return embed(clips)

    monkeypatch.setattr(counting, "embed", meanwhile)
    result = extract(root, tmp_path / "store", encoders=COUNTING, workers=1)
    assert list(result.failures) == ["bell/0.mp4"] and "changed while" in result.failures["bell/0.mp4"]


def test_failed_files_are_listed_with_the_reason_and_tried_again(root, tmp_path):
    (root / "bell" / "text.mp4").write_text("no video at all")
    (root / "bell" / "cut.mp4").write_bytes((root / "bell" / "0.mp4").read_bytes()[:700])
    (root / "bell" / "empty.wav").write_bytes(b"")
    out = tmp_path / "store"
    arguments = ["extract", root, "--out", out, "--audio", "descriptors", "--workers", 1]
    ran = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert ran.exit_code == 1 and "3 clips failed" in ran.stderr and "9 clips in the store" in ran.stdout
    with (out / "failures.csv").open() as file:
        failed = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    assert set(failed) == {"bell/cut.mp4", "bell/empty.wav", "bell/text.mp4"} and all(failed.values())
    write_wav(root / "bell" / "empty.wav")
    for name in ("text.mp4", "cut.mp4"):
        (root / "bell" / name).unlink()
    ran = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert ran.exit_code == 0 and "10 clips in the store, 1 of them" in ran.stdout
    assert not (out / "failures.csv").exists()


def test_a_file_that_becomes_bad_leaves_the_store(root, tmp_path):
    extract(root, tmp_path / "store", encoders=SOUND, workers=1)
    (root / "bell" / "0.mp4").write_bytes(b"x" * 99)
    result = extract(root, tmp_path / "store", encoders=SOUND, workers=1)
    assert list(result.failures) == ["bell/0.mp4"] and len(result.store) == 8


def test_without_any_row_there_is_no_store(tmp_path):
    write_clip(tmp_path / "clips" / "bell" / "silent.mp4", 1, sound=False)
    with pytest.raises(DataError, match="no sound in it"):
        extract(tmp_path / "clips", tmp_path / "store", encoders=SOUND, workers=1)
    assert not (tmp_path / "store" / "store.json").exists() and (tmp_path / "store" / "failures.csv").exists()


def test_a_manifest_with_spans_splits_and_licences(root, tmp_path):
    write_wav(root / "long.wav", seconds=3.0)
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "path,label,split,seen,start,end,licence\n"
        "long.wav,bell,trn,yes,0,1,CC0\nlong.wav,bell,trn,,1,2.5,CC BY\n"
        "flute/0.mp4,flute,trn,yes,,,\nflute/1.mp4,flute,tst,yes,,,\ndrum/0.mp4,drum,trn,no,,,\n"
    )
    result = extract(
        root,
        tmp_path / "store",
        manifest=labels,
        encoders=EncoderChoice(audio="descriptors", text="hashed-words"),
        workers=1,
    )
    assert [row["id"] for row in rows(result)][:2] == ["long.wav@0-1", "long.wav@1-2.5"]
    assert [row["licence"] for row in rows(result)] == ["CC0", "CC BY", "", "", ""]
    net = backbones.load("descriptors", "audio")
    part = decode(root / "long.wav", Span(1.0, 2.5), sound=net.needs).waveform
    np.testing.assert_allclose(result.store.audio[1], net.embed([part])[0].numpy(), atol=1e-6)
    dataset = open_dataset(tmp_path / "store")
    assert dataset.class_split == "manifest" and len(dataset.split("train")) == 3
    assert dataset.split("test").ids.tolist() == ["drum/0.mp4", "flute/1.mp4"]
    labels.write_text("path,label\nflute/0.mp4,flute\n")
    assert extract(root, tmp_path / "store", manifest=labels, encoders=SOUND, workers=1).extracted == 0
    assert not (tmp_path / "store" / "splits" / "manifest.json").exists()


def test_windows_cut_long_clips_only(tmp_path, counting):
    write_wav(tmp_path / "clips" / "bell" / "long.wav", seconds=3.4)
    write_wav(tmp_path / "clips" / "bell" / "short.wav", seconds=0.5)
    result = extract(tmp_path / "clips", tmp_path / "store", encoders=COUNTING, window=1.0, hop=0.8, workers=1)
    spans = [(row["id"], row["start"], row["end"]) for row in rows(result)]
    assert spans == [
        ("bell/long.wav@0-1", 0.0, 1.0),
        ("bell/long.wav@0.8-1.8", 0.8, 1.8),
        ("bell/long.wav@1.6-2.6", 1.6, 2.6),
        ("bell/long.wav@2.4-3.4", pytest.approx(2.4), pytest.approx(3.4)),
        ("bell/short.wav", 0.0, None),
    ]
    np.testing.assert_allclose(result.store.audio[:, 0], [8000, 8000, 8000, 8000, 4000], atol=8)
    assert extract(tmp_path / "clips", tmp_path / "store", encoders=COUNTING, window=1.0, hop=0.8).extracted == 0


def test_other_backbones_are_not_mixed_in(root, tmp_path, counting):
    out = tmp_path / "store"
    extract(root, out, encoders=COUNTING, workers=1)
    counting.weights = (WeightFile("net.bin", "f" * 64),)
    with pytest.raises(RunError, match=r"asked: audio counting \(2-d, net.bin ffffffffffff\)"):
        extract(root, out, encoders=COUNTING, workers=1)


def test_one_extraction_at_a_time_writes_a_store(root, tmp_path, counting):
    extract(root, tmp_path / "store", encoders=COUNTING, workers=1)
    with open_journal(tmp_path / "store" / "journal.sqlite"), pytest.raises(RunError, match="another extraction"):
        extract(root, tmp_path / "store", encoders=COUNTING, workers=1)


def test_a_damaged_journal_is_named_and_can_be_removed(root, tmp_path, counting):
    extract(root, tmp_path / "store", encoders=COUNTING, workers=1)
    journal = tmp_path / "store" / "journal.sqlite"
    journal.write_bytes(b"nothing" * 1000)
    with pytest.raises(RunError, match=r"journal\.sqlite: damaged"):
        extract(root, tmp_path / "store", encoders=COUNTING, workers=1)
    journal.unlink()
    assert extract(root, tmp_path / "store", encoders=COUNTING, workers=1).extracted == 9


def test_a_clip_that_the_backbone_refuses_costs_itself():
    class Picky(Counting):
        def embed(self, clips):
            if any(len(clip) < 2 for clip in clips):
                raise MediaError("too short")
            return torch.tensor([[float(len(clip)), np.nan if len(clip) == 3 else 1.0] for clip in clips])

    sound = [np.ones(size, np.float32) for size in (4, 1, 3, 5)]
    batch = [MediaError("x.mp4: gone"), *(Decoded(waveform=one) for one in sound), Decoded()]
    outcomes = embed_batch(batch, {"audio": Picky([])})
    assert [one.error for one in outcomes] == [
        "x.mp4: gone",
        None,
        "counting: too short",
        "counting: gave values that are not finite",
        None,
        "no sound in it",
    ]
    assert outcomes[1].audio.tolist() == [4, 1] and outcomes[4].audio.tolist() == [5, 1]


def test_other_weights_on_another_machine_are_refused(counting):
    with pytest.raises(WeightsError, match="other weights"):
        engines.load_backbones(BackboneSetup({"audio": "counting"}), {"audio": (WeightFile("a", "b"),)})


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"encoders": EncoderChoice(text="hashed-words")}, ConfigError, "no encoder was given"),
        ({"encoders": EncoderChoice(audio="descriptor")}, ConfigError, "did you mean descriptors"),
        ({"encoders": SOUND, "engine": "rai"}, ConfigError, "did you mean ray"),
        ({"encoders": SOUND, "hop": 1.0}, ConfigError, "without a window"),
        ({"encoders": SOUND, "batch": 0}, ConfigError, "batch 0"),
        ({"encoders": SOUND, "workers": 0}, ConfigError, "workers 0"),
        ({"encoders": SOUND, "overrides": Path("x.csv")}, ConfigError, "text encoder"),
        ({"encoders": SOUND, "window": -1.0}, ConfigError, "above zero"),
    ],
)
def test_what_cannot_be_is_refused(made, tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        extract(made, tmp_path / "store", **options)


def test_a_folder_of_something_else_is_not_written_into(made, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="is not empty"):
        extract(made, tmp_path, encoders=SOUND)


STOPS = """
import time
from avgzsl.features.journal import Journal

own, left = Journal.add, [6]

def add(self, finished):
    left[0] -= 1
    own(self, finished if left[0] else stopping(finished))

def stopping(finished):
    for one in finished:
        yield one
        print("here", flush=True)
        time.sleep(600)

Journal.add = add
from avgzsl.cli import main
main()
"""


def command(root: Path, out: Path) -> list[str]:
    """An extraction that stops in the middle of its sixth write, half a batch of two in it."""
    arguments = ["extract", root, "--out", out, "--audio", "descriptors", "--video", "descriptors", "--batch", 2]
    return [sys.executable, "-c", STOPS, *map(str, [*arguments, "--workers", 2])]


def finished(out: Path) -> int:
    """Clips in the journal of an extraction that does not run."""
    with open_journal(out / "journal.sqlite") as journal:
        return int(journal.connection.execute("select count(*) from clips").fetchone()[0])


def stopped(root: Path, out: Path, how: signal.Signals) -> tuple[int, str]:
    """Exit code and stderr of an extraction that gets a signal while it writes; none of its processes is left."""
    said = root.parent / "said"
    with (
        said.open("w") as errors,
        started(command(root, out), stdout=subprocess.PIPE, stderr=errors, start_new_session=True) as process,
    ):
        assert process.stdout.readline() == "here\n", said.read_text()
        assert len(group_of(process.pid)) > 2  # its decoders, and the server that forks them
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does: to all of its processes
        else:
            process.send_signal(how)
        code = process.wait(timeout=PATIENCE)
        wait_for(lambda: not group_of(process.pid))
    return code, said.read_text()


@pytest.mark.races
def test_killed_and_interrupted_extractions_go_on_and_end_in_the_same_bytes(tmp_path):
    root = write_clips(tmp_path / "clips", count=8)
    whole = extract(root, tmp_path / "whole", encoders=BOTH, batch=2, workers=1)
    out = tmp_path / "store"
    there = []
    for how in (signal.SIGKILL, signal.SIGINT):
        code, said = stopped(root, out, how)
        there.append(finished(out))
        assert not (out / "store.json").exists()
        assert code == (130 if how == signal.SIGINT else -how), said
    assert there == [10, 20]  # five whole batches each time
    assert "the same command goes on" in said and "Traceback" not in said
    result = extract(root, out, encoders=BOTH, batch=2, workers=1)
    assert result.extracted == 24 - there[1] and len(result.store) == len(whole.store) == 24
    for name in ARRAYS:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
