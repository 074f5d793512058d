"""What every backbone keeps to, over the whole registry; and the cards on real clips, beside features of the same."""

import csv
import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from avgzsl import backbones, open_dataset
from avgzsl.backbones import Backbone
from avgzsl.errors import DataError, WeightsError
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds
from avgzsl.types import MODALITIES
from tests.conftest import SHARED

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


def module_of(name):
    try:
        return importlib.import_module(f"avgzsl.backbones.{name.replace('-', '_')}")
    except ModuleNotFoundError:
        return None


def served():
    """What each backbone embeds; not those whose weights come from the hub (tests/test_transformers.py)."""
    modules = {name: module_of(name) for name in NAMES}
    local = {name: module for name, module in modules.items() if module and not hasattr(module, "DEFAULT")}
    return [*CARDS.items(), *((name, modality) for name, module in local.items() for modality in module.MODALITIES)]


@pytest.fixture(scope="module", params=served(), ids="-".join)
def backbone(request):
    """Each backbone that needs no weights, or whose weights lie beside the project."""
    try:
        return backbones.load(*request.param, models=SHARED / "models")
    except WeightsError as problem:
        pytest.skip(str(problem).partition(" (")[0])


def clips_for(needs, seed=0):
    """Clips of different lengths, one of them of a single frame or sample."""
    draw = np.random.default_rng(seed)
    if isinstance(needs, FrameNeeds):
        counts = [needs.count or 5, 1, 3]
        return [draw.integers(0, 256, (n, needs.size, needs.size, 3)).astype(np.uint8) for n in counts]
    return [draw.uniform(-0.5, 0.5, n).astype(np.float32) for n in (2 * needs.rate, 1, needs.rate // 3)]


def test_the_registry_lists_modules_and_cards_without_loading_what_is_heavy():
    assert {"descriptors", *CARDS} <= set(NAMES)
    assert not {"base", "engines", "tflite", "onnx"} & set(NAMES)
    code = (
        "import sys; from avgzsl.backbones import backbones; assert all(backbones().values()); "
        "print(*(set(sys.modules) & {'transformers', 'ai_edge_litert', 'onnxruntime', 'av', 'scipy.signal'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_card_has_the_name_of_a_module():
    cards = {path.stem for path in backbones._CARDS.iterdir()}
    assert cards == set(CARDS)
    assert not [name for name in cards if module_of(name)]


def test_it_is_a_backbone(backbone):
    assert isinstance(backbone, Backbone)
    assert backbone.spec in NAMES
    assert all(len(file.sha256) == 64 for file in backbone.weights)


def test_rows_are_finite_float32_of_the_dimension(backbone):
    rows = backbone.embed(clips_for(backbone.needs))
    assert rows.shape == (3, backbone.dimension)
    assert rows.dtype == torch.float32 and rows.device.type == "cpu"
    assert rows.isfinite().all()
    assert len({row.numpy().tobytes() for row in rows}) == 3


def test_a_row_does_not_hang_on_other_clips_nor_on_those_before(backbone):
    clips = clips_for(backbone.needs)
    together = backbone.embed(clips)
    for position, clip in reversed(list(enumerate(clips))):
        assert torch.equal(backbone.embed([clip])[0], together[position])


def test_clips_are_left_alone_and_none_give_no_rows(backbone):
    clips = clips_for(backbone.needs)
    copies = [clip.copy() for clip in clips]
    for clip in clips:
        clip.flags.writeable = False
    backbone.embed(clips)
    assert all(np.array_equal(*pair) for pair in zip(clips, copies, strict=True))
    assert backbone.embed([]).shape == (0, backbone.dimension)


def test_silence_and_a_blank_picture_have_finite_rows(backbone):
    blank = [np.zeros_like(clip) for clip in clips_for(backbone.needs)]
    assert backbone.embed(blank).isfinite().all()


def test_what_nobody_asked_for_is_refused(backbone):
    good = clips_for(backbone.needs)[0]
    for bad in (good[:0], good[None], good.astype(np.float64)):
        with pytest.raises(DataError, match=r"clip 1 of 2: .* expected one"):
            backbone.embed([good, bad])


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
    frames = clips_for(FrameNeeds(224, count=2))[:1]
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
