"""Cards: what they accept, how they feed a model, and what the engines make of files that are not such models."""

import contextlib
import hashlib
import shutil

import numpy as np
import pytest
import torch
import yaml

from avgzsl import backbones
from avgzsl.backbones._cards import PictureInput, SoundInput, read_card
from avgzsl.errors import AvgzslError, ConfigError, DataError, ModalityError, UnknownNameError, WeightsError

SOUND = {
    "description": "a sum over windows",
    "engine": "onnx",
    "file": "sound.onnx",
    "published": "https://example.org",
    "modality": "audio",
    "dimension": 3,
    "input": {"rate": 8000, "window": 100, "hop": 40, "quiet": 0.01, "seconds": 0.1},
}
PICTURE = {
    "description": "a projection of pixels",
    "engine": "onnx",
    "file": "picture.onnx",
    "published": "https://example.org",
    "modality": "video",
    "dimension": 4,
    "input": {"size": 8, "count": 5, "layout": "NCHW", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]},
}


def linear_model(path, shape, weights, element=None):
    """y = x W for examples of `shape`, whose first axis may be a name; the input is cast to float32."""
    onnx = pytest.importorskip("onnx")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Cast", ["x"], ["r"], to=real),
        helper.make_node("Reshape", ["r", "flat"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
        helper.make_node("Neg", ["y"], ["z"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.array([-1, len(weights)]), "flat"),
        onnx.numpy_helper.from_array(weights.astype(np.float32), "w"),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", element or real, shape)],
        [helper.make_tensor_value_info(name, real, [None, weights.shape[1]]) for name in "yz"],
        constants,
    )
    opset = [helper.make_opsetid("", 17)]
    path.write_bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


def written(folder, card):
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


def sound_card(folder, shape=("n", 100), **changes):
    weights = np.random.default_rng(1).normal(size=(100, 3))
    linear_model(folder / "sound.onnx", list(shape), weights)
    return written(folder, SOUND | changes), weights


def picture_card(folder, shape=("n", 3, 8, 8), element=None, **changes):
    weights = np.random.default_rng(2).normal(size=(192, 4))
    linear_model(folder / "picture.onnx", list(shape), weights, element)
    return written(folder, PICTURE | changes), weights


def noise(count, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


def pictures(count, size=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def mean_over_windows(sound, weights):
    """The card SOUND in a loop: 0.1 s are 800 samples."""
    sound = sound[:800]
    if len(sound) < 100:
        sound = np.concatenate([sound, np.zeros(100 - len(sound))])
    windows = [sound[start : start + 100] for start in range(0, len(sound) - 99, 40)]
    loud = [window for window in windows if (window.astype(float) ** 2).mean() ** 0.5 >= 0.01]
    return np.mean([window.astype(float) @ weights for window in loud or windows], axis=0)


@pytest.mark.parametrize("shape", [("n", 100), (1, 100), (100,), (1, 1, 100), (None, 1, 100), (1, "any")])
def test_a_sound_is_the_mean_over_its_windows(tmp_path, shape):
    path, weights = sound_card(tmp_path, shape)
    backbone = backbones.load(str(path), "audio")
    half_quiet = noise(700)
    half_quiet[150:450] *= 0.001
    fading = noise(800) * np.geomspace(1, 1e-3, 800, dtype=np.float32)
    clips = [noise(n) for n in (1, 99, 100, 139, 140, 799, 5000)] + [half_quiet, half_quiet * 0.001, fading]
    expected = np.stack([mean_over_windows(clip, weights) for clip in clips])
    np.testing.assert_allclose(backbone.embed(clips).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [("n", 3, 8, 8), (1, 3, 8, 8), (3, 8, 8), ("n", 3, "h", "w")])
def test_a_picture_is_the_mean_over_its_frames(tmp_path, shape):
    path, weights = picture_card(tmp_path, shape)
    clips = [pictures(1), pictures(40, seed=1)]
    mean, std = np.array(PICTURE["input"]["mean"]), np.array(PICTURE["input"]["std"])
    expected = [np.mean([((f / 255 - mean) / std).transpose(2, 0, 1).ravel() @ weights for f in c], 0) for c in clips]
    got = backbones.load(str(path), "video").embed(clips)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dtype", "element", "less"), [("uint8", 2, 0), ("int8", 3, 128)])
def test_pixels_go_in_as_the_model_takes_them(tmp_path, dtype, element, less):
    given = {"size": 8, "fps": 2.0, "layout": "NHWC", "dtype": dtype}
    path, weights = picture_card(tmp_path, ("n", 8, 8, 3), element, input=given)
    clip = pictures(3)
    expected = np.mean([(frame.astype(int) - less).ravel() @ weights for frame in clip], axis=0)
    backbone = backbones.load(str(path), "video")
    np.testing.assert_allclose(backbone.embed([clip])[0].numpy(), expected, rtol=1e-4)
    assert (backbone.needs.fps, backbone.needs.count, backbone.needs.short_side) == (2.0, None, None)


def test_an_output_by_name_or_index_with_scale_and_zero_point(tmp_path):
    clip, plain = [noise(300)], backbones.load(str(sound_card(tmp_path)[0]), "audio")
    for tensor in ("z", 1):
        path, _ = sound_card(tmp_path, output={"tensor": tensor, "scale": 0.5, "zero_point": 7})
        got = backbones.load(str(path), "audio").embed(clip)
        torch.testing.assert_close(got, 0.5 * (-plain.embed(clip) - 7))


def test_full_scale_multiplies_the_waveform(tmp_path):
    plain = backbones.load(str(sound_card(tmp_path)[0]), "audio").embed([noise(300)])
    path, _ = sound_card(tmp_path, input=SOUND["input"] | {"full_scale": 32768.0})
    torch.testing.assert_close(backbones.load(str(path), "audio").embed([noise(300)]), 32768 * plain)


def test_weights_and_card_are_identified_and_found(tmp_path, monkeypatch):
    path, _ = sound_card(tmp_path)
    digest = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("card.yaml", "sound.onnx")}
    backbone = backbones.load(str(path), "audio")
    assert {file.name: file.sha256 for file in backbone.weights} == digest
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in digest:
        shutil.move(tmp_path / name, packed / name)
    assert backbones.load(str(path), "audio", models=packed).weights == backbone.weights
    monkeypatch.setenv("AVGZSL_MODELS", str(packed))
    assert backbones.load("card.yaml", "audio").weights == backbone.weights


def test_weights_that_are_not_there_or_not_those_of_the_card(tmp_path):
    path, _ = sound_card(tmp_path, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"sound.onnx: not the file that card.yaml describes .*expected 0000"):
        backbones.load(str(path), "audio")
    (tmp_path / "sound.onnx").unlink()
    with pytest.raises(WeightsError, match=r"sound.onnx are not there .*https://example.org"):
        backbones.load(str(path), "audio")
    with pytest.raises(WeightsError, match=r"other.tflite are not there .*https://www.kaggle.com/models/google/yamnet"):
        backbones.load("yamnet:other.tflite", "audio", models=tmp_path)


def test_a_bad_card_lists_every_error(tmp_path):
    bad = SOUND | {"dimension": 0, "file": "../outside.onnx", "colour": "red", "sha256": "abc"}
    bad["input"] = {"rate": "fast", "window": True, "seconds": -1}
    with pytest.raises(ConfigError) as caught:
        read_card(written(tmp_path, bad))
    lines = str(caught.value).splitlines()
    assert str(tmp_path / "card.yaml") in lines[0]
    named = {line.strip().partition(":")[0] for line in lines[1:]}
    of_input = {f"input.{name}" for name in ("rate", "window", "hop", "seconds")}
    assert named == {"dimension", "file", "colour", "sha256", *of_input}
    assert "given: fast" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fps": 3.0}, "one of count and fps"),
        ({"count": None}, "one of count and fps"),
        ({"short_side": 4}, "short_side 4 is smaller than size 8"),
        ({"dtype": "uint8"}, "mean and std are of dtype float32"),
        ({"std": [1.0, 0.0, 1.0]}, "above 0"),
        ({"std": [1.0, 1.0]}, "input.std"),
        ({"mean": [float("nan")] * 3}, "finite"),
        ({"layout": "CHWN"}, "input.layout"),
    ],
)
def test_a_picture_input_that_contradicts_itself(tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        read_card(written(tmp_path, PICTURE | {"input": PICTURE["input"] | changes}))


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "modality: smell", "modality: [audio]", "\x00", "x" * 5000])
def test_a_file_that_is_no_card(tmp_path, text):
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"card.yaml: not a card"):
        backbones.load(str(tmp_path / "card.yaml"), "audio")


def test_half_of_a_quantisation_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="both of scale and zero_point"):
        read_card(written(tmp_path, SOUND | {"output": {"scale": 0.5}}))


def test_names_that_are_not_there(tmp_path):
    with pytest.raises(WeightsError, match=r"absent\.yaml"):
        backbones.load(str(tmp_path / "absent.yaml"), "audio")
    with pytest.raises(UnknownNameError, match="unknown engine 'onyx'; did you mean onnx"):
        backbones.load(str(sound_card(tmp_path, engine="onyx")[0]), "audio")
    with pytest.raises(UnknownNameError, match="did you mean yamnet"):
        backbones.load("yamnett", "audio")
    for support in ("base", "engines", "_cards", ""):
        with pytest.raises(UnknownNameError, match="unknown backbone"):
            backbones.load(support, "audio")


def test_a_modality_that_is_not_served(tmp_path):
    for spec in ("mobilenet-v2", "i3d", str(picture_card(tmp_path)[0])):
        with pytest.raises(ModalityError, match="embeds video, not audio"):
            backbones.load(spec, "audio")


@pytest.mark.parametrize(
    ("make", "changes", "words"),
    [
        (sound_card, {"dimension": 4}, "has 2 rows of 3 numbers; the card tells 2 rows of 4"),
        (sound_card, {"input": SOUND["input"] | {"window": 99}}, "float32 of n?.*100, the card describes .* of 99"),
        (sound_card, {"shape": (7, 100)}, "behind axes of 1"),
        (sound_card, {"output": {"tensor": "y2"}}, r"no output 'y2'; it has 0 \(y\), 1 \(z\)"),
        (sound_card, {"output": {"tensor": 2}}, "no output 2"),
        (sound_card, {"output": {"tensor": -1}}, "no output -1"),
        (picture_card, {"element": 2}, "its input is uint8 .*, the card describes float32"),
        (picture_card, {"shape": ("n", 8, 8, 3)}, "its input is float32 of any x 8 x 8 x 3, .* of 3 x 8 x 8"),
    ],
)
def test_a_model_that_is_not_what_its_card_tells(tmp_path, make, changes, words):
    path, _ = make(tmp_path, **changes)
    with pytest.raises(WeightsError, match=words):
        backbones.load(str(path), "audio" if make is sound_card else "video")


@pytest.mark.parametrize("engine", ["onnx", "tflite"])
@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" * 500, b"\x1c\x00\x00\x00TFL3" + b"\xff" * 90])
def test_a_file_that_is_no_model(tmp_path, engine, content):
    path = written(tmp_path, SOUND | {"engine": engine})
    (tmp_path / "sound.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"sound\.onnx: "):
        backbones.load(str(path), "audio")


def test_a_device_that_is_not_there(tmp_path):
    path, _ = sound_card(tmp_path)
    assert backbones.load(str(path), "audio", device="cpu").dimension == 3
    for device in ("tpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(ConfigError, match=f"device '{device}'"):
            backbones.load(str(path), "audio", device=device)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(SOUND | {"engine": "tflite"}))
    with pytest.raises(ConfigError, match="TensorFlow Lite models run on the CPU"):
        backbones.load(str(path), "audio", device="cuda")


def test_a_model_that_answers_with_nan_is_not_believed(tmp_path):
    path, _ = sound_card(tmp_path)
    linear_model(tmp_path / "sound.onnx", ["n", 100], np.full((100, 3), 3e38))
    backbone = backbones.load(str(path), "audio")
    for clip in (noise(200), np.ones(200, np.float32)):
        with pytest.raises(WeightsError, match="values that are not finite"):
            backbone.embed([clip])


@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (np.zeros(0, np.float32), "clip 1 of 2: float32 of 0, expected one sample or more"),
        (np.zeros(5), "float64 of 5"),
        (np.zeros((2, 5), np.float32), "float32 of 2 x 5"),
        (np.array([0, np.nan], np.float32), "not finite"),
    ],
)
def test_a_clip_that_is_no_waveform(tmp_path, clip, words):
    backbone = backbones.load(str(sound_card(tmp_path)[0]), "audio")
    with pytest.raises(DataError, match=words):
        backbone.embed([noise(200), clip])


def test_the_inputs_say_what_they_need():
    sound = SoundInput(rate=16000, window=10, hop=5)
    assert sound.needs.rate == 16000
    assert sum(len(part) for part in sound.examples(noise(1000))) == 199
    assert max(len(part) for part in sound.examples(noise(1000))) <= 16
    picture = PictureInput(size=4, short_side=6, count=2, layout="NCHW", interpolation="bicubic")
    assert (picture.needs.short_side, picture.needs.interpolation) == (6, "bicubic")


def test_every_error_is_one_of_ours(tmp_path):
    """Random changes of one value of a good card: it loads, or says in our words why not."""
    sound_card(tmp_path)
    draw = np.random.default_rng(0)
    values = [None, -1, 0, 1, 2.5, "x", "", [], {}, True, 10**30, float("inf"), "../x", [1, 2, 3]]
    for _ in range(60):
        card = yaml.safe_load(yaml.safe_dump(SOUND))
        part = card if draw.random() < 0.5 else card["input"]
        part[draw.choice(sorted(part))] = values[draw.integers(len(values))]
        path = str(written(tmp_path, card))
        with contextlib.suppress(AvgzslError):
            assert backbones.load(path, "audio").embed([noise(300)]).shape == (1, 3)
