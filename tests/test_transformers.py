"""Backbones and text towers of the transformers library: small random checkpoints on disk, through the real loading."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avgzsl import backbones
from avgzsl.backbones import Backbone
from avgzsl.errors import DataError, WeightsError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.media.prepared import evenly, windows
from avgzsl.text import encoders as text
from tests.small_weights import SAVE, save_clap

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CPU = torch.device("cpu")
NAMES = ["dog barking", "church-bell", "a", "accordion played slowly"]


MODALITY = {"clip": "video", "x-clip": "video", "videomae": "video", "clap": "audio", "ast": "audio"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a checkpoint, by name of its backbone; made when first asked for."""
    root, folders = tmp_path_factory.mktemp("checkpoints"), {}

    def folder(name):
        if name not in folders:
            folders[name] = SAVE[name](root / name)
        return folders[name]

    return folder


def load(name, folder, **options):
    return backbones.load(f"{name}:{folder}", MODALITY[name], device="cpu", **options)


def frames(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def noise(samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def clips_for(backbone):
    if isinstance(backbone.needs, SoundNeeds):
        return [noise(n, n) for n in (5000, 1, 900, 30_000)]
    return [frames(n, n) for n in (backbone.needs.count, 1, 3)]


def normalised(video, mean, std):
    """Frames as the paper's code scales them, in a slow loop."""
    out = torch.empty(len(video), 3, *video.shape[1:3])
    for t, picture in enumerate(video):
        for c in range(3):
            out[t, c] = (torch.from_numpy(picture[..., c].copy()).double() / 255 - mean[c]) / std[c]
    return out


CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@torch.inference_mode()
def test_clip_is_the_mean_of_direct_calls(saved):
    backbone = load("clip", saved("clip"))
    assert backbone.needs == FrameNeeds(32, count=8, short_side=36, interpolation="bicubic")
    model = transformers.CLIPModel.from_pretrained(saved("clip"))
    for clip in (frames(8), frames(1), frames(20)):
        rows = [model.get_image_features(normalised(f[None], CLIP_MEAN, CLIP_STD)).pooler_output[0] for f in clip]
        torch.testing.assert_close(backbone.embed([clip])[0], torch.stack(rows).mean(0), rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_x_clip_is_a_direct_call(saved):
    backbone = load("x-clip", saved("x-clip"))
    assert backbone.needs == FrameNeeds(32, count=4, short_side=32)
    model = transformers.XCLIPModel.from_pretrained(saved("x-clip"))
    direct = model.get_video_features(normalised(frames(4), (0.5,) * 3, (0.5,) * 3)[None]).pooler_output
    torch.testing.assert_close(backbone.embed([frames(4)]), direct, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_videomae_is_the_mean_of_a_direct_call(saved):
    backbone = load("videomae", saved("videomae"))
    assert backbone.needs == FrameNeeds(32, count=4, short_side=None)
    model = transformers.VideoMAEForVideoClassification.from_pretrained(saved("videomae")).videomae.eval()
    processor = transformers.AutoImageProcessor.from_pretrained(saved("videomae"), backend="pil")
    direct = model(normalised(frames(4), (0.4, 0.5, 0.6), processor.image_std)[None]).last_hidden_state
    torch.testing.assert_close(backbone.embed([frames(4)]), direct.mean(1), rtol=1e-5, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("fused", [False, True])
def test_clap_is_a_direct_call(saved, tmp_path, fused):
    folder = save_clap(tmp_path / "fused", fused=True) if fused else saved("clap")
    backbone = load("clap", folder)
    assert backbone.needs == SoundNeeds(8000)
    model = transformers.ClapModel.from_pretrained(folder)
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    assert extractor.truncation == "fusion"  # the trap: saved so whether fused or not

    def direct(wave):
        given = extractor(
            wave, truncation="fusion" if fused else "rand_trunc", sampling_rate=8000, return_tensors="pt"
        )["input_features"]
        return model.get_audio_features(given.float(), is_longer=torch.tensor([[False]])).pooler_output[0]

    for samples in (1, 500, 8000):  # one window: silence and repetition fill it
        wave = noise(samples)
        torch.testing.assert_close(backbone.embed([wave])[0], direct(wave), rtol=1e-5, atol=1e-5)
    wave = noise(20_000)  # three windows, evenly spread
    expected = torch.stack([direct(wave[start : start + 8000]) for start in (0, 6000, 12_000)]).mean(0)
    torch.testing.assert_close(backbone.embed([wave])[0], expected, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_ast_is_a_direct_call(saved):
    backbone = load("ast", saved("ast"))
    assert backbone.needs == SoundNeeds(16_000)
    model = transformers.ASTForAudioClassification.from_pretrained(saved("ast")).audio_spectrogram_transformer
    extractor = transformers.ASTFeatureExtractor.from_pretrained(saved("ast"))

    def direct(wave):
        return model(extractor(wave, sampling_rate=16_000, return_tensors="pt")["input_values"]).pooler_output[0]

    for samples in (400, 3000, 6640):  # 40 frames are 400 + 39 * 160 samples
        wave = noise(samples)
        torch.testing.assert_close(backbone.embed([wave])[0], direct(wave), rtol=1e-5, atol=1e-5)
    wave = noise(10_000)
    expected = (direct(wave[:6640]) + direct(wave[3360:])) / 2
    torch.testing.assert_close(backbone.embed([wave])[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MODALITY)
def test_every_backbone(saved, name):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 -- to see it unmoved
    backbone = load(name, saved(name))
    clips = clips_for(backbone)
    rows = backbone.embed(clips)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    assert isinstance(backbone, Backbone)
    assert (backbone.spec, backbone.modality) == (f"{name}:{saved(name)}", MODALITY[name])
    assert rows.dtype == torch.float32 and rows.shape == (len(clips), backbone.dimension)
    assert len(torch.unique(rows, dim=0)) == len(clips)
    for clip, row in zip(clips, rows, strict=True):
        assert torch.equal(backbone.embed([clip])[0], row)
    recorded = {file.name: file.sha256 for file in backbone.weights}
    assert {"model.safetensors", "config.json", "preprocessor_config.json"} <= set(recorded)
    with pytest.raises(DataError, match="clip 0 of 1"):
        backbone.embed([np.zeros((2, 31, 32, 3))])


@pytest.mark.parametrize("name", MODALITY)
def test_models_folder_and_default_name(saved, tmp_path, name):
    module = __import__(f"avgzsl.backbones.{name.replace('-', '_')}", fromlist=["DEFAULT"])
    place = tmp_path / module.DEFAULT
    place.parent.mkdir()
    place.symlink_to(saved(name))
    backbone = backbones.load(name, MODALITY[name], device="cpu", models=tmp_path)
    assert backbone.spec == name
    clip = clips_for(backbone)[:1]
    assert torch.equal(backbone.embed(clip), load(name, saved(name)).embed(clip))


@pytest.mark.parametrize("offline", ["0", "1"])
@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("clip:nobody/no-such-model", "nobody/no-such-model"),
        ("ast", r"MIT/ast-finetuned-audioset-10-10-0\.4593"),
        ("clap:a/b/c/d", "a/b/c/d"),
        ("videomae:/not/there", "/not/there"),
    ],
)
def test_no_checkpoint_says_where_to_get_it_and_soon(tmp_path, monkeypatch, spec, name, offline):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline == "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)  # between one try and the next
    said = rf"not there \(looked for .*{name}.*https://huggingface\.co.*in place of {name}"
    with pytest.raises(WeightsError, match=said):
        backbones.load(spec, MODALITY[spec.partition(":")[0]], device="cpu", models=tmp_path)
    assert sum(slept) < 15


def copy(folder, to):
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_a_missing_weight_is_never_made_up(saved, tmp_path):
    folder = copy(saved("clip"), tmp_path / "clip")
    state = load_file(folder / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"lack 1 of CLIPModel's, such as visual_projection\.weight"):
        load("clip", folder)


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def other_shape(folder):
    state = load_file(folder / "model.safetensors")
    state["visual_projection.weight"] = torch.zeros(2, 2)
    save_file(state, folder / "model.safetensors", {"format": "pt"})


def pickled(folder):
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")


def change(folder, file, **values):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


DAMAGE = {
    "truncated": (truncate, "CLIPModel cannot be loaded"),
    "other shape": (other_shape, "CLIPModel cannot be loaded"),
    "pickled": (pickled, "no model.safetensors; pickled weights are not read"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "its config cannot be loaded"),
    "bad config": (lambda folder: (folder / "config.json").write_text("{"), "its config cannot be loaded"),
    "another type": (lambda folder: change(folder, "config.json", model_type="xclip"), "type xclip, expected clip"),
    "no processor": (lambda f: (f / "preprocessor_config.json").unlink(), "AutoImageProcessor cannot be loaded"),
    "other size": (
        lambda folder: change(folder, "preprocessor_config.json", crop_size={"height": 48, "width": 48}),
        "gives pictures of 48 x 48 .*expected 32 x 32",
    ),
    "unknown filter": (lambda f: change(f, "preprocessor_config.json", resample=1), "filter 1"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_checkpoints(saved, tmp_path, how):
    damage, says = DAMAGE[how]
    folder = copy(saved("clip"), tmp_path / "clip")
    damage(folder)
    with pytest.raises(WeightsError, match=rf"(?s){folder}.*{says}"):
        load("clip", folder)


def test_code_that_comes_with_a_checkpoint_is_not_run(saved, tmp_path, monkeypatch):
    folder = copy(saved("clip"), tmp_path / "clip")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass C: pass\n")
    remote = {"AutoConfig": "evil.C", "AutoModel": "evil.C", "AutoImageProcessor": "evil.C"}
    change(folder, "config.json", auto_map=remote)
    change(folder, "preprocessor_config.json", auto_map=remote)
    load("clip", folder).embed([frames(1)])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("given", "wanted"), [(1, [0, 0, 0, 0]), (4, [0, 1, 2, 3]), (2, [0, 0, 1, 1]), (8, [1, 3, 5, 7])]
)
def test_evenly(given, wanted):
    clip = frames(given)
    assert (evenly(clip, 4) == clip[wanted]).all()


@pytest.mark.parametrize("samples", [1, 9, 10, 11, 25, 30, 31])
def test_windows_cover_the_waveform(samples):
    wave = np.arange(samples, dtype=np.float32)
    cut = windows(wave, 10)
    assert len(cut) == -(-samples // 10)
    assert set(np.concatenate(cut)) == set(wave)
    assert {len(window) for window in cut} == {min(10, samples)}


@torch.inference_mode()
@pytest.mark.parametrize("name", ["clip", "clap"])
def test_text_towers_are_direct_calls(saved, name):
    encoder = text.load(f"{name}:{saved(name)}")
    kind = {"clip": (transformers.CLIPModel, "CLIPTokenizer"), "clap": (transformers.ClapModel, "RobertaTokenizer")}[
        name
    ]
    model, tokenizer = kind[0].from_pretrained(saved(name)), getattr(transformers, kind[1]).from_pretrained(saved(name))
    rows = encoder.encode(NAMES)
    batch = tokenizer(NAMES, padding=True, return_tensors="pt")  # a padded batch, where we go one by one
    direct = model.get_text_features(batch["input_ids"], attention_mask=batch["attention_mask"]).pooler_output
    direct = direct / direct.norm(dim=1, keepdim=True)
    torch.testing.assert_close(rows, direct, rtol=1e-4, atol=1e-5)
    assert (encoder.dimension, encoder.open_vocabulary) == (24, True) and rows.shape == (4, 24)
    assert torch.equal(encoder.encode(NAMES[::-1]), rows.flip(0))
    assert {"model.safetensors", "tokenizer.json"} <= {file.name for file in encoder.weights}
    assert encoder.spec == f"{name}:{saved(name)}"


@pytest.mark.parametrize("name", ["clip", "clap"])
def test_names_longer_than_the_tower_reads(saved, name):
    encoder = text.load(f"{name}:{saved(name)}")
    most = {"clip": 30 - 2, "clap": 30 - 4}[name]  # letters beside the marks; RoBERTa's places start at 2
    assert encoder.encode(["a" * most]).isfinite().all()
    with pytest.raises(DataError, match="fewer than are in 'aaaa"):
        encoder.encode(["dog", "a" * (most + 1)])


def test_sound_and_text_share_a_space(saved):
    assert replace(load("clap", saved("clap"))).dimension == text.load(f"clap:{saved('clap')}").dimension
