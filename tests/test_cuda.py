"""What a GPU must not change: runs where there is one. Each is compared with the CPU, or with itself."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from avgzsl import backbones
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.generators import generate
from avgzsl.learning.attention import AttentionSettings
from avgzsl.learning.training import Job, Schedule
from avgzsl.methods import build, dimensions, method_class, methods
from tests.small_weights import weights
from tests.worlds import world

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
# what learns nothing has nothing to do on a GPU
EVERY = pytest.mark.parametrize("name", [name for name in methods() if not method_class(name).untrained])
TRAINED = [name for name in methods() if issubclass(method_class(name), Schedule)]
ATTENDED = [name for name in TRAINED if issubclass(method_class(name), AttentionSettings)]


def made(name, **settings):
    quick = {"epochs": 30, "batch_size": 64, "milestones": (20,), "lr": 0.1, "attention_epochs": 2, **settings}
    known = {field.name for field in dataclasses.fields(method_class(name))}
    return build(name, settings={key: value for key, value in quick.items() if key in known})


def fitted(name, data, device="cuda", **job):
    settings = job.pop("settings", {})
    return made(name, **settings).fit(*data.training(), Job(device=device, **job))


def scored(method, data):
    modes = [Mode(m, "equal") for m in method.modalities]
    test = data.split("test")
    return {str(one.scored.mode): one for one in gallery_of(method, test, data.classes).measure(modes, {})}


@pytest.fixture(scope="module")
def data():
    return world(missing=0.2)


@EVERY
def test_same_seed_same_bytes(name, data):
    first, second = fitted(name, data).state(), fitted(name, data).state()
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.mark.parametrize("settings", [{}, {"attention_loss": "bce"}, {"attention_loss": "bce", "precision": "bf16"}])
@pytest.mark.parametrize("name", ATTENDED)
def test_same_bytes_with_an_attention_that_is_trained_along(name, settings, data):
    first, second = (fitted(name, data, settings={"attention": "joint", **settings}).state() for _ in range(2))
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@EVERY
def test_what_was_learned_is_kept_and_used_on_the_cpu(name, data):
    """A run that was trained on a GPU opens on a machine without one."""
    trained = fitted(name, data)
    state = trained.state()
    assert {value.device.type for value in state.values()} == {"cpu"}
    opened = made(name).restore(state, dimensions(*data.training()))
    for mode, one in scored(opened, data).items():
        assert one.scored.scores.device.type == "cpu"
        assert torch.allclose(one.scored.scores, scored(trained, data)[mode].scored.scores.cpu(), atol=1e-4), mode


@EVERY
def test_it_learns_as_much_as_on_the_cpu(name, data):
    here, there = scored(fitted(name, data, "cpu"), data), scored(fitted(name, data), data)
    assert here.keys() == there.keys()
    for mode, one in here.items():
        assert abs(one.classification.ZSL - there[mode].classification.ZSL) < 0.25, mode
        if name not in TRAINED:  # a closed form is the same map
            assert torch.allclose(one.scored.scores, there[mode].scored.scores, atol=1e-3), mode


@pytest.mark.parametrize("name", TRAINED)
def test_bfloat16_learns_too(name, data):
    for one in scored(fitted(name, data, settings={"precision": "bf16"}), data).values():
        assert bool(torch.isfinite(one.scored.scores).all()) and one.classification.ZSL > 0.4


@pytest.mark.parametrize("name", TRAINED)
def test_an_interrupted_training_ends_in_the_same_bytes(name, data, tmp_path):
    whole = fitted(name, data).state()

    class Ended(Exception):
        """What a kill does, at a known place."""

    steps = []

    def interrupt(*step):
        steps.append(step)
        if len(steps) == 13:
            raise Ended

    checkpoint = {"checkpoint": tmp_path / "checkpoint", "checkpoint_seconds": 0.0}
    with pytest.raises(Ended):
        fitted(name, data, progress=interrupt, **checkpoint)
    resumed = fitted(name, data, **checkpoint).state()
    assert [key for key in whole if not torch.equal(whole[key], resumed[key])] == []


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_recorded_steps_have_the_bytes_of_steps_that_are_called(precision, optimiser):
    whole, settings = world(), {"precision": precision, "optimiser": optimiser, "lr": 0.01}
    called, recorded, again = (
        fitted("avgzslnet", whole, settings=settings, record_steps=record).state() for record in (False, True, True)
    )
    assert [key for key in called if not torch.equal(called[key], recorded[key])] == []
    assert [key for key in called if not torch.equal(again[key], recorded[key])] == []


def test_a_recorded_training_that_is_interrupted_ends_in_the_same_bytes(tmp_path):
    test_an_interrupted_training_ends_in_the_same_bytes("avgzslnet", world(), tmp_path)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        *((name, "audio") for name in ("kumar", "clap", "ast", "pe-av")),
        *((name, "video") for name in ("i3d", "clip", "x-clip", "siglip2", "videoprism", "videomae")),
    ],
)
def test_backbones_give_the_rows_of_the_cpu(name, modality):
    spec, draw = f"{name}:{weights(name)}", np.random.default_rng(0)
    here, there = (backbones.load(spec, modality, device=device) for device in ("cpu", "cuda"))
    if modality == "audio":
        clips = [draw.uniform(-1, 1, length).astype(np.float32) for length in (30_000, 90_000)]
    else:
        size = here.needs.size
        clips = [draw.integers(0, 256, (length, size, size, 3), dtype=np.uint8) for length in (16, 20)]
    expected, rows = here.embed(clips), there.embed(clips)
    assert rows.device.type == "cpu" and rows.dtype == torch.float32
    assert float((rows - expected).norm() / expected.norm()) < 1e-2


def test_a_run_that_was_trained_on_a_gpu_is_evaluated_without_one(tmp_path):
    generate("audioset-zsl", tmp_path / "data", scale=0.005)
    settings = {"epochs": 5, "batch_size": 256}
    train(tmp_path / "data", "avgzslnet", out=tmp_path / "run", settings=settings, device="cuda")
    here = evaluate(tmp_path / "run", calibration="val").results
    script = "import sys; from avgzsl.experiments.train_evaluate import evaluate; import json, torch\n"
    script += "assert not torch.cuda.is_available()\n"
    script += "print(json.dumps(evaluate(sys.argv[1], calibration='val').results))"
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    done = subprocess.run(
        command, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for mine, theirs in zip(here, json.loads(done.stdout.splitlines()[-1]), strict=True):
        assert mine["modality"] == theirs["modality"] and abs(mine["S"] - theirs["S"]) < 0.02
