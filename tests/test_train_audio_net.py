"""Training of the audio network: losses against loops, which clips it hears, resume, what it leaves on disk."""

import csv
import json
import wave
from hashlib import sha256
from math import exp, log

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import backbones
from avgzsl.backbones._kumar_network import spectrogram
from avgzsl.cli import app
from avgzsl.errors import DataError, RunError
from avgzsl.learning.audio_clips import open_spectrograms, seen_training_rows
from avgzsl.learning.audio_net import AudioNetSettings, clip_loss, train_audio_net

QUICK = AudioNetSettings(epochs=3, batch_size=4)


def write_wav(path, samples):
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(44_100)
        stream.writeframes((samples * 32767).astype("<i2").tobytes())


def write_manifest(path, rows, columns=("path", "label", "split", "seen", "start", "end")):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(row[: len(columns)] for row in rows)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Tones and noises, seen; what must not be heard is no sound at all, so that hearing it would show."""
    root = tmp_path_factory.mktemp("clips")
    draw = np.random.default_rng(0)
    rows = []
    for i in range(3):
        seconds = (1.55, 3.0)[i % 2]
        time = np.arange(int(44_100 * seconds)) / 44_100
        write_wav(root / f"tone{i}.wav", 0.5 * np.sin(2 * np.pi * (300 + 50 * i) * time))
        write_wav(root / f"noise{i}.wav", 0.3 * draw.uniform(-1, 1, len(time)))
        rows += [(f"{kind}{i}.wav", kind, "train", "yes") for kind in ("tone", "noise")]
    for name in ("unseen", "val", "test"):
        (root / f"{name}.wav").write_bytes(b"no sound")
    rows += [
        ("unseen.wav", "hum", "train", "no"),
        ("val.wav", "tone", "val", "yes"),
        ("test.wav", "noise", "tst", "yes"),
    ]
    return root, write_manifest(root / "manifest.csv", [(*row, "", "") for row in rows])


@pytest.fixture(scope="module")
def trained(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "net"
    steps = []
    record = train_audio_net(*world, out, QUICK, seed=1, device="cpu", workers=1, progress=steps.append)
    return out, record, steps


def slow_loss(scores, labels, loss):
    """Clip by clip and class by class, on plain numbers."""
    total = 0.0
    for clip, label in zip(scores.tolist(), labels.tolist(), strict=True):
        if loss == "softmax":
            mean = [sum(steps) / len(steps) for steps in clip]
            total -= mean[label] - log(sum(exp(m) for m in mean))
            continue
        for c, steps in enumerate(clip):
            p = sum(1 / (1 + exp(-s)) for s in steps) / len(steps)
            total -= (log(p) if c == label else log(1 - p)) / len(clip)
    return total / len(labels)


@pytest.mark.parametrize("loss", ["bce", "softmax"])
def test_losses_by_value_and_gradient(loss):
    scores = torch.randn(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([1, 3, 0])
    value = clip_loss(scores, labels, loss)
    assert float(value.detach()) == pytest.approx(slow_loss(scores, labels, loss), rel=1e-12)
    (gradient,) = torch.autograd.grad(value, scores)
    step = 1e-6
    for place in np.ndindex(3, 4, 5):
        up, down = scores.detach().clone(), scores.detach().clone()
        up[place] += step
        down[place] -= step
        slope = (slow_loss(up, labels, loss) - slow_loss(down, labels, loss)) / (2 * step)
        assert float(gradient[place]) == pytest.approx(slope, abs=1e-7)


def test_only_seen_training_clips_are_heard(world, trained):
    out, record, steps = trained
    assert record["classes"] == ["noise", "tone"]
    assert (record["clips"], record["failures"]) == (6, {})
    assert [(step.task, step.done, step.total) for step in steps] == [
        *(("decode", done, 6) for done in range(1, 7)),
        *(("audio network", done, 3) for done in range(1, 4)),
    ]
    assert record["manifest"] == sha256(world[1].read_bytes()).hexdigest()
    assert record == json.loads((out / "kumar.json").read_text())
    assert record["weights"]["sha256"] == sha256((out / "kumar.safetensors").read_bytes()).hexdigest()
    assert sorted(file.name for file in out.iterdir()) == ["config.json", "kumar.json", "kumar.safetensors"]


def test_it_learns(trained):
    losses = [epoch["loss"] for epoch in trained[1]["history"]]
    assert len(losses) == 3 and losses[-1] < 0.7 * losses[0]


def test_the_result_is_a_backbone(trained):
    spec = f"kumar:{trained[0] / 'kumar.safetensors'}"
    backbone = backbones.load(spec, "audio", device="cpu")
    assert backbone.weights[0].sha256 == trained[1]["weights"]["sha256"]
    assert backbone.network.layer19[0].out_channels == 2
    assert (backbone.network.layer1[1].running_mean != 0).all()  # batch statistics were learned
    row = backbone.embed([np.random.default_rng(0).uniform(-1, 1, 80_000).astype(np.float32)])
    assert row.shape == (1, 1024) and torch.isfinite(row).all() and row.any()


class Interrupted(Exception):
    pass


def test_an_interrupted_training_ends_in_the_same_bytes(world, trained, tmp_path):
    def stop(step):
        if step.task == "decode":
            return
        assert step.total == 3 and step.left >= 0
        if step.done == 2:  # its checkpoint is of epoch 1
            raise Interrupted

    more = {"seed": 1, "device": "cpu", "workers": 1, "checkpoint_seconds": 0.0}
    with pytest.raises(Interrupted):
        train_audio_net(*world, tmp_path / "net", QUICK, progress=stop, **more)
    assert not (tmp_path / "net" / "kumar.safetensors").exists()
    with pytest.raises(RunError, match="holds a training already; resume it"):
        train_audio_net(*world, tmp_path / "net", QUICK, **more)
    steps = []
    record = train_audio_net(*world, tmp_path / "net", QUICK, resume=True, progress=steps.append, **more)
    assert record == trained[1] and "decode" not in {step.task for step in steps}
    for name in ("kumar.safetensors", "kumar.json", "config.json"):
        assert (tmp_path / "net" / name).read_bytes() == (trained[0] / name).read_bytes()


def test_resuming_what_is_finished_changes_nothing(world, trained):
    before = {file.name: file.read_bytes() for file in trained[0].iterdir()}
    assert train_audio_net(*world, trained[0], QUICK, seed=1, device="cpu", resume=True) == trained[1]
    assert {file.name: file.read_bytes() for file in trained[0].iterdir()} == before


def test_other_settings_or_another_folder(world, trained, tmp_path):
    with pytest.raises(RunError, match=r"(?s)other settings.*seed: 1 there, 2 asked"):
        train_audio_net(*world, trained[0], QUICK, seed=2, device="cpu", resume=True)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        train_audio_net(*world, tmp_path, QUICK, device="cpu")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_batches_are_of_one_length_and_hold_every_clip_once(tmp_path):
    waves = [np.random.default_rng(i).uniform(-1, 1, n).astype(np.float32) for i, n in enumerate([1000, 70_000] * 5)]
    for i, samples in enumerate(waves):
        np.save(tmp_path / f"{i:06d}.npy", spectrogram(samples).numpy())
    labels = {i: 100 + i for i in range(10) if i != 4}
    sampler = open_spectrograms(tmp_path, labels, 2)
    generator = torch.Generator().manual_seed(0)
    epochs = []
    for _ in range(2):
        order, together = [], set()
        for mel, target in sampler.epoch(generator):
            together.add(frozenset(target.tolist()))
            assert 1 < len(mel) == len(target) <= 3 and mel.shape[1] == 128
            for one, label in zip(mel, target.tolist(), strict=True):
                assert torch.equal(one, spectrogram(waves[label - 100])[:128])
                order.append(label)
        assert sorted(order) == sorted(labels.values())
        epochs.append(together)
    assert epochs[0] != epochs[1]  # other clips share a batch


def test_spans_and_clips_that_fail(world, tmp_path):
    root, _ = world
    (root / "broken.wav").write_bytes(b"RIFF....")
    rows = [
        ("tone0.wav", "tone", "train", "yes", "0.2", "1.0"),
        ("broken.wav", "tone", "train", "yes", "", ""),
        ("noise0.wav", "noise", "train", "yes", "", ""),
    ]
    manifest = write_manifest(tmp_path / "m.csv", rows)
    quick = AudioNetSettings(epochs=1, loss="softmax")
    record = train_audio_net(root, manifest, tmp_path / "net", quick, device="cpu", workers=1)
    assert record["clips"] == 2 and list(record["failures"]) == ["broken.wav"]
    assert "broken.wav" in record["failures"]["broken.wav"]
    manifest = write_manifest(tmp_path / "m2.csv", [rows[1], rows[2]])
    with pytest.raises(DataError, match=r"no clip of these classes can be heard: tone.*broken\.wav"):
        train_audio_net(root, manifest, tmp_path / "net2", quick, device="cpu", workers=1)


@pytest.mark.parametrize(
    ("columns", "says"), [(4, "0 of 2 clips have split train and seen yes"), (3, "has no seen"), (2, "has no split")]
)
def test_manifests_that_do_not_tell_the_seen_training_clips(world, tmp_path, columns, says):
    rows = [("tone0.wav", "tone", "val", "yes"), ("noise0.wav", "noise", "train", "no")]
    manifest = write_manifest(tmp_path / "m.csv", rows, ("path", "label", "split", "seen")[:columns])
    with pytest.raises(DataError, match=says):
        seen_training_rows(manifest, world[0])


def test_command(world, tmp_path):
    root, manifest = world
    given = ["train-audio-net", str(root), "--manifest", str(manifest), "--out", str(tmp_path / "net")]
    bad = CliRunner().invoke(app, [*given, "--lr", "0"])
    assert bad.exit_code == 1 and "lr=0.0" in str(bad.exception)
    done = CliRunner().invoke(app, [*given, "--epochs", "1", "--device", "cpu", "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "6 clips of 2 seen classes" in done.output and "kumar.safetensors" in done.output


def test_no_batch_is_one_clip_alone_where_others_have_its_length(tmp_path):
    """Batch normalisation over a single clip of a single step has no spread, and fails."""
    places = range(5)
    for place in places:
        np.save(tmp_path / f"{place:06d}.npy", np.zeros((128, 128), np.float32))
    spectrograms = open_spectrograms(tmp_path, dict.fromkeys(places, 0), 2)
    sizes = [len(labels) for _, labels in spectrograms.epoch(torch.Generator().manual_seed(0))]
    assert sorted(sizes) == [2, 3]
