"""The registry of backbones (tests/test_plugin_suites.py has what each keeps to), and cards on real clips."""

import csv
import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from avgzsl import backbones, open_dataset
from avgzsl.errors import ConfigError, WeightsError
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds
from avgzsl.testing.backbones import sample_clips
from avgzsl.types import MODALITIES
from tests.conftest import SHARED
from tests.strangers import install

NAMES = sorted(backbones.backbones())
CARDS = {"yamnet": "audio", "mobilenet-v2": "video"}


@pytest.fixture(scope="module")
def models():
    folder = SHARED / "models"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: weights are not part of the project")
    return folder


@pytest.fixture(scope="module")
def realclips():
    folder = SHARED / "data" / "realclips"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: real clips are not part of the project")
    return folder


def test_the_registry_lists_modules_and_cards_without_loading_what_is_heavy():
    assert {"descriptors", *CARDS} <= set(NAMES)
    assert not {"base", "engines", "tflite", "onnx"} & set(NAMES)
    code = (
        "import sys; from avgzsl.backbones import backbones; assert all(backbones().values()); "
        "print(*(set(sys.modules) & {'transformers', 'ai_edge_litert', 'onnxruntime', 'av', 'scipy.signal'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_module_with_the_name_of_a_card_is_refused(tmp_path, monkeypatch):
    install(tmp_path, "their-nets", {"their_net": ""}, {"avgzsl.backbones": {"yamnet": "their_net"}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"yamnet' is there more than once: the card .*yamnet\.yaml and their_net of"):
        backbones.load("yamnet", "audio")


def test_yamnet_is_the_mean_of_its_windows(models):
    """Against a direct use of the interpreter, as the card tells in words: loud windows of the first ten seconds."""
    sound = np.random.default_rng(0).normal(0, 0.1, 200_000).astype(np.float32)
    sound[20_000:60_000] *= 1e-3
    sound[130_000:] *= 2
    windows = [sound[start : start + 15_600] for start in range(0, 160_000 - 15_600 + 1, 7_800)]
    rows = [run(models / "yamnet_audio_classifier_with_metadata.tflite", 115, w) for w in windows if rms(w) >= 1e-3]
    assert len(rows) < len(windows)
    expected = (np.mean(rows, axis=0) + 128) * 0.022328350692987442
    got = backbones.load("yamnet", "audio", models=models).embed([sound])[0]
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_mobilenet_is_the_mean_of_its_frames(models):
    frames = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3)).astype(np.uint8)
    rows = [run(models / "mobilenet_v2_1.0_224_quant.tflite", 6, frame[None]) for frame in frames]
    got = backbones.load("mobilenet-v2", "video", models=models).embed([frames])[0]
    np.testing.assert_allclose(got.numpy(), np.mean(rows, axis=0) * 0.023528477177023888, rtol=1e-5, atol=1e-6)


def test_a_tensor_has_one_value_by_index_by_name_and_by_the_scale_of_the_file(models, tmp_path):
    card = (backbones._CARDS / "mobilenet-v2.yaml").read_text()
    head, _, _ = card.partition("output:")
    path = tmp_path / "own.yaml"
    path.write_text(head + "output:\n  tensor: MobilenetV2/Logits/AvgPool\n")
    frames = sample_clips(FrameNeeds(224, count=2))[:1]
    named = backbones.load(str(path), "video", models=models).embed(frames)
    torch.testing.assert_close(named, backbones.load("mobilenet-v2", "video", models=models).embed(frames))
    path.write_text(head + "output:\n  tensor: 4000\n")
    with pytest.raises(WeightsError, match=r"no tensor 4000 among its .*; its outputs are 172"):
        backbones.load(str(path), "video", models=models)


def test_threads_may_share_a_backbone(models):
    from concurrent.futures import ThreadPoolExecutor

    backbone = backbones.load("yamnet", "audio", models=models)
    clips = [np.random.default_rng(n).uniform(-1, 1, 16_000).astype(np.float32) for n in range(8)]
    alone = [backbone.embed([clip]) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert all(map(torch.equal, alone, pool.map(lambda clip: backbone.embed([clip]), clips)))


def test_real_clips_are_near_the_features_of_their_recordings(models, realset, realclips):
    """Features of the same recordings, made elsewhere; a clip is a lossy crop of its own, so near and not equal."""
    loaded = {modality: backbones.load(name, modality, models=models) for name, modality in CARDS.items()}
    with (realclips / "manifest.csv").open() as stream:
        rows = list(csv.DictReader(stream))[::6]
    paths = [realclips / row["path"] for row in rows]
    decoded = [decode(path, frames=loaded["video"].needs, sound=loaded["audio"].needs) for path in paths]
    audio = loaded["audio"].embed([clip.waveform for clip in decoded])
    video = loaded["video"].embed([clip.frames for clip in decoded])
    splits = open_dataset(realset).splits.values()
    ids = np.concatenate([clips.ids for clips in splits]).tolist()
    own = [ids.index(row["realset_id"]) for row in rows]
    real = {m: torch.cat([clips.feature(m) for clips in splits]).float() for m in MODALITIES}
    assert cosine_similarity(audio, real["audio"][own]).median() >= 0.98
    assert cosine_similarity(video, real["video"][own]).median() >= 0.85
    nearest = (normalize(video) @ normalize(real["video"]).T).argmax(1)
    assert np.mean(nearest.numpy() == np.array(own)) >= 0.95


def rms(window):
    return np.sqrt(np.mean(window.astype(np.float64) ** 2))


def run(path, tensor, example):
    interpreter = importlib.import_module("ai_edge_litert.interpreter")
    with pytest.warns(UserWarning, match="preserve_all_tensors"):
        model = interpreter.Interpreter(str(path), experimental_preserve_all_tensors=True)
    model.allocate_tensors()
    model.set_tensor(model.get_input_details()[0]["index"], example)
    model.invoke()
    return model.get_tensor(tensor).ravel().astype(np.float64)
