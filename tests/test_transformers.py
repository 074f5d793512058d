"""Backbones and text towers of the transformers library: small random checkpoints on disk, through the real loading."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from avgzsl import backbones
from avgzsl.backbones import Backbone
from avgzsl.errors import ConfigError, DataError, ModalityError, UnknownNameError, WeightsError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.media.prepared import evenly, windows
from avgzsl.text import encoders as text
from tests.small_weights import SAVE, pe_audio, save_clap, save_siglip2

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CPU = torch.device("cpu")
NAMES = ["dog barking", "church-bell", "a", "accordion played slowly"]


MODALITY = {
    **dict.fromkeys(("clip", "x-clip", "siglip2", "videoprism", "videomae"), "video"),
    **dict.fromkeys(("clap", "ast", "pe-av"), "audio"),
}
TOWERS = ("clip", "x-clip", "siglip2", "videoprism", "clap", "pe-av")


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


def frames(count, seed=0, size=32):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def noise(samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def by_shape(clips):
    groups = {}
    for place, clip in enumerate(clips):
        groups.setdefault(clip.shape[1:], []).append(place)
    return groups.values()


def clips_for(backbone):
    if isinstance(backbone.needs, SoundNeeds):
        return [noise(n, n) for n in (5000, 1, 900, 30_000)]
    return [frames(n, n, backbone.needs.size) for n in (backbone.needs.count, 1, 3)]


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
        mean = normalize(torch.stack(rows).mean(0), dim=0)
        torch.testing.assert_close(backbone.embed([clip])[0], mean, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_siglip2_is_the_mean_of_direct_calls(saved):
    backbone = load("siglip2", saved("siglip2"))
    assert backbone.needs == FrameNeeds(32, count=8)
    model = transformers.SiglipModel.from_pretrained(saved("siglip2"))
    processor = transformers.SiglipImageProcessorPil.from_pretrained(saved("siglip2"))
    given = processor(list(frames(8)), input_data_format="channels_last", return_tensors="pt")["pixel_values"]
    direct = normalize(model.get_image_features(given).pooler_output.mean(0), dim=0)
    torch.testing.assert_close(backbone.embed([frames(8)])[0], direct, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_siglip2_of_any_shape_is_the_mean_of_direct_calls(tmp_path):
    folder = save_siglip2(tmp_path / "naflex", any_shape=True)
    backbone = load("siglip2", folder)
    assert backbone.needs == FrameNeeds(32, count=8, short_side=32)  # 4 x 4 of the 20 patches that it takes
    model = transformers.Siglip2Model.from_pretrained(folder)
    processor = transformers.Siglip2ImageProcessorPil.from_pretrained(folder)
    given = processor(list(frames(8)), input_data_format="channels_last", return_tensors="pt")
    assert given["spatial_shapes"].tolist() == [[4, 4]] * 8 and given["pixel_values"].shape[1] == 20
    direct = normalize(model.get_image_features(**given).pooler_output.mean(0), dim=0)
    torch.testing.assert_close(backbone.embed([frames(8)])[0], direct, rtol=1e-5, atol=1e-5)
    assert text.load(f"siglip2:{folder}").encode(["dog"]).shape == (1, backbone.dimension)


@torch.inference_mode()
def test_videoprism_is_a_direct_call(saved):
    backbone = load("videoprism", saved("videoprism"))
    assert backbone.needs == FrameNeeds(36, count=4)
    model = transformers.VideoPrismClipModel.from_pretrained(saved("videoprism"))
    video = frames(4, size=36)
    plain = torch.from_numpy(video).permute(0, 3, 1, 2).double().div(255).float()[None]  # neither mean nor deviation
    direct = model.get_video_features(plain).pooler_output
    assert direct.shape == (1, 1, 32)  # the trap: an axis more
    torch.testing.assert_close(backbone.embed([video]), normalize(direct[0], dim=1), rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_pe_av_is_a_direct_call(saved):
    backbone = load("pe-av", saved("pe-av"))
    assert backbone.needs == SoundNeeds(8000)
    model = pe_audio()
    extractor = transformers.PeAudioFeatureExtractor.from_pretrained(saved("pe-av"))
    for samples in (800, 801, 3):
        wave = noise(samples)
        given = extractor([wave], sampling_rate=8000, return_tensors="pt")["input_values"]
        direct = normalize(model.get_audio_embeds(given.float()), dim=1)
        torch.testing.assert_close(backbone.embed([wave]), direct, rtol=1e-5, atol=1e-5)
    wave = noise(100_000)  # 12.5 s: two windows of 10 s
    halves = [model.get_audio_embeds(torch.from_numpy(part)[None, None])[0] for part in (wave[:80_000], wave[20_000:])]
    direct = normalize(torch.stack(halves).mean(0), dim=0)
    torch.testing.assert_close(backbone.embed([wave])[0], direct, rtol=1e-5, atol=1e-5)


def test_the_picture_of_pe_av_says_what_it_wants(saved):
    for load_it in (
        lambda: backbones.load(f"pe-av:{saved('pe-av')}", "video", device="cpu"),
        lambda: text.load(f"pe-av-video:{saved('pe-av')}"),
    ):
        with pytest.raises(ConfigError, match=r"needs timm, which is not installed; .*avgzsl\[pe-av\]"):
            load_it()


@torch.inference_mode()
@pytest.mark.parametrize("of", ["clip", "clap"])
def test_sentence_is_the_mean_of_encode(saved, of):
    library = pytest.importorskip("sentence_transformers")
    folder = saved("sentence" if of == "clip" else "sentence of sound")
    modality = "video" if of == "clip" else "audio"
    backbone = backbones.load(f"sentence:{folder}", modality, device="cpu")
    model = library.SentenceTransformer(str(folder), device="cpu")
    if of == "clip":
        assert backbone.needs == FrameNeeds(36, count=8, short_side=36)
        clip = frames(8, size=36)
        items = [Image.fromarray(picture) for picture in clip]
    else:
        assert backbone.needs == SoundNeeds(8000)
        clip = noise(16_000)  # two windows, for the model's own extractor takes one second
        items = [{"array": part, "sampling_rate": 8000} for part in (clip[:8000], clip[8000:])]
    direct = normalize(torch.stack([torch.from_numpy(model.encode([item])[0]) for item in items]).mean(0), dim=0)
    torch.testing.assert_close(backbone.embed([clip])[0], direct, rtol=1e-5, atol=1e-5)
    words = text.load(f"sentence:{folder}").encode(["a dog"])
    assert words.shape == (1, backbone.dimension)
    with pytest.raises(ModalityError, match=r"takes text and .*expected"):
        backbones.load(f"sentence:{folder}", "audio" if of == "clip" else "video", device="cpu")


def test_what_a_model_wants_besides_is_named(saved, monkeypatch):
    pytest.importorskip("sentence_transformers")

    def load_it(*_, **__):
        raise ImportError("This video processor requires torchvision")

    folder = saved("sentence")
    monkeypatch.setattr("sentence_transformers.SentenceTransformer", load_it)
    with pytest.raises(ConfigError, match=r"wants torchvision, which is not installed .*pip install torchvision"):
        backbones.load(f"sentence:{folder}", "video", device="cpu")
    with pytest.raises(ConfigError, match="sentence needs a model"):
        backbones.load("sentence", "video", device="cpu")


@torch.inference_mode()
def test_x_clip_is_a_direct_call(saved):
    backbone = load("x-clip", saved("x-clip"))
    assert backbone.needs == FrameNeeds(32, count=4, short_side=32)
    model = transformers.XCLIPModel.from_pretrained(saved("x-clip"))
    direct = model.get_video_features(normalised(frames(4), (0.5,) * 3, (0.5,) * 3)[None]).pooler_output
    torch.testing.assert_close(backbone.embed([frames(4)]), normalize(direct, dim=1), rtol=1e-5, atol=1e-5)


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
    assert {"model.safetensors", "config.json"} <= set(recorded)
    assert ("preprocessor_config.json" in recorded) == (name != "videoprism")  # which has none that can be read here
    with pytest.raises(DataError, match="clip 0 of 1"):
        backbone.embed([np.zeros((2, 31, 32, 3))])


@pytest.mark.parametrize("name", MODALITY)
def test_clips_that_go_through_the_model_together(saved, name):
    """As on a GPU: inputs of several clips in one batch, whose last bits alone may differ."""
    backbone = load(name, saved(name))
    clips = clips_for(backbone)
    apart = backbone.embed(clips)
    sizes, inner = [], backbone.rows
    backbone.rows = lambda inputs: sizes.append(len(inputs)) or inner(inputs)
    backbone.embed(clips)
    alone = len(sizes)
    sizes.clear()
    backbone._groups = lambda clips: by_shape(clips)
    torch.testing.assert_close(backbone.embed(clips), apart, rtol=1e-4, atol=1e-5)
    shapes = {backbone.prepare(clip).shape[1:] for clip in clips}
    assert len(sizes) == len(shapes) < alone or len(shapes) == len(clips) == alone


@pytest.mark.parametrize("name", MODALITY)
def test_half_precision_is_near_and_said(saved, name):
    backbone, half = load(name, saved(name)), load(name, saved(name), precision="bf16")
    clips = clips_for(backbone)
    rows, near = backbone.embed(clips), half.embed(clips)
    assert (backbone.precision, half.precision) == ("float32", "bf16")
    assert near.dtype == torch.float32 and not torch.equal(rows, near)
    assert torch.nn.functional.cosine_similarity(rows, near).min() > 0.98


def test_half_precision_is_refused_by_others():
    with pytest.raises(ConfigError, match="descriptors: works in float32 alone, and bf16 was asked for"):
        backbones.load("descriptors", "audio", precision="bf16")


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
@pytest.mark.parametrize("name", TOWERS)
def test_text_towers_are_direct_calls(saved, name):
    encoder = text.load(f"{name}:{saved(name)}")
    rows = encoder.encode(NAMES)
    direct = direct_text(name, saved(name))
    torch.testing.assert_close(rows, direct / direct.norm(dim=1, keepdim=True), rtol=1e-4, atol=1e-5)
    assert encoder.open_vocabulary and rows.shape == (4, encoder.dimension)
    assert torch.equal(encoder.encode(NAMES[::-1]), rows.flip(0))
    assert {"model.safetensors", "tokenizer.json"} <= {file.name for file in encoder.weights}
    assert encoder.spec == f"{name}:{saved(name)}"


def test_siglip2_reads_small_letters(saved):
    """Whether its tokenizer makes them, as here, or not, as with checkpoints that name that of Gemma."""
    tower, read = text.load(f"siglip2:{saved('siglip2')}").encoder, []
    tokenize = tower.tokenizer
    spy = replace(tower, tokenizer=lambda name, **options: read.append((name, options)) or tokenize(name, **options))
    assert torch.equal(spy.encode(["A Dog"]), tower.encode(["a dog"]))
    assert read == [("a dog", {"return_tensors": "pt", "padding": "max_length", "max_length": 40})]


@pytest.mark.parametrize("name", TOWERS)
def test_names_longer_than_the_tower_reads(saved, name):
    encoder = text.load(f"{name}:{saved(name)}")
    # letters beside the marks; RoBERTa's places start at 2
    most = {"clip": 28, "x-clip": 28, "clap": 26, "pe-av": 38, "siglip2": 40, "videoprism": 39}[name]
    assert encoder.encode(["a" * most]).isfinite().all()
    with pytest.raises(DataError, match="fewer than are in 'aaaa"):
        encoder.encode(["dog", "a" * (most + 1)])


def direct_text(name, folder):
    """The vectors of NAMES by the library alone: a padded batch, where we go one by one."""
    if name == "siglip2":
        model, tokenizer = transformers.SiglipModel, "Siglip2Tokenizer"
        given = {"padding": "max_length", "max_length": 40}
    elif name == "videoprism":
        model, tokenizer = transformers.VideoPrismClipModel, "VideoPrismTokenizer"
        given = {"padding": "max_length", "max_length": 40}
    else:
        of = {"clip": transformers.CLIPModel, "x-clip": transformers.XCLIPModel, "clap": transformers.ClapModel}
        model, given = of.get(name), {"padding": True}
        tokenizer = "CLIPTokenizer" if "clip" in name else "RobertaTokenizer"
    batch = getattr(transformers, tokenizer).from_pretrained(folder)(NAMES, return_tensors="pt", **given)
    if name == "pe-av":
        wave = torch.zeros(len(NAMES), 1, 80)
        return pe_audio()(batch["input_ids"], wave, attention_mask=batch["attention_mask"]).text_audio_embeds
    mask = {} if name == "siglip2" else {"attention_mask": batch["attention_mask"]}  # which SigLIP was trained without
    return model.from_pretrained(folder).get_text_features(batch["input_ids"], **mask).pooler_output


@pytest.mark.parametrize(
    ("spec", "modality", "encoder"),
    [
        ("clip", "video", "clip"),
        ("x-clip:microsoft/xclip-base-patch16", "video", "x-clip:microsoft/xclip-base-patch16"),
        ("siglip2:/a/folder", "video", "siglip2:/a/folder"),
        ("pe-av:NAME", "audio", "pe-av:NAME"),
        ("pe-av:NAME", "video", "pe-av-video:NAME"),
        ("sentence:NAME", "audio", "sentence:NAME"),
        ("videomae", "video", None),
        ("yamnet", "audio", None),
        ("yamnet:other.tflite", "audio", None),
    ],
)
def test_the_text_encoder_of_a_space(spec, modality, encoder):
    assert backbones.text_encoder_of(spec, modality) == encoder


def test_what_a_backbone_was_trained_on():
    unknown = {name for name in backbones.backbones() if backbones.trained_on(name) is None}
    assert unknown == {"descriptors", "handcrafted", "sentence"}
    assert "AudioSet" in backbones.trained_on("yamnet:other.tflite")
    with pytest.raises(UnknownNameError):
        backbones.trained_on("nothing")
