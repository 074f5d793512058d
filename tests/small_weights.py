"""Small random weights of every network that needs some, on disk as their authors publish them."""

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from avgzsl.backbones._i3d_network import I3D
from avgzsl.backbones._kumar_network import KumarNet

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
BYTES = [chr(c) for c in range(33, 127)]


def seeded(build):
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = build()
    for parameter in model.parameters():  # biases and class tokens start at zero; here everything counts
        torch.nn.init.normal_(parameter, std=0.2)
    torch.set_rng_state(state)
    return model.eval()


CLIP_WORDS = [*BYTES, *(f"{c}</w>" for c in BYTES), "<|startoftext|>", "<|endoftext|>"]
CLIP_TEXT = {
    **SMALL,
    **{"vocab_size": len(CLIP_WORDS), "max_position_embeddings": 30, "bos_token_id": len(CLIP_WORDS) - 2},
    **{"eos_token_id": len(CLIP_WORDS) - 1, "pad_token_id": len(CLIP_WORDS) - 1},
}


def save_clip_tokenizer(folder):
    ids = {token: i for i, token in enumerate(CLIP_WORDS)}
    transformers.CLIPTokenizer(vocab=ids, merges=[]).save_pretrained(folder)


def save_clip(folder, processor=None, longest=30):
    config = transformers.CLIPConfig(
        text_config=CLIP_TEXT | {"max_position_embeddings": longest},
        vision_config={**SMALL, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    seeded(lambda: transformers.CLIPModel(config)).save_pretrained(folder)
    save_clip_tokenizer(folder)
    small = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    transformers.CLIPImageProcessorPil(**(small | (processor or {}))).save_pretrained(folder)
    return folder


def save_xclip(folder):
    config = transformers.XCLIPConfig(
        text_config=CLIP_TEXT,
        vision_config={
            **{**SMALL, "image_size": 32, "patch_size": 8, "num_frames": 4},
            **{"mit_hidden_size": 24, "mit_intermediate_size": 40, "mit_num_hidden_layers": 1},
            **{"mit_num_attention_heads": 4},
        },
        projection_dim=24,
        prompt_num_attention_heads=4,
    )
    seeded(lambda: transformers.XCLIPModel(config)).save_pretrained(folder)
    save_clip_tokenizer(folder)
    small = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    transformers.VideoMAEImageProcessorPil(**small).save_pretrained(folder)
    return folder


def save_videomae(folder):
    config = transformers.VideoMAEConfig(
        **SMALL, image_size=32, patch_size=8, num_frames=4, tubelet_size=2, num_labels=3, use_mean_pooling=True
    )
    seeded(lambda: transformers.VideoMAEForVideoClassification(config)).save_pretrained(folder)
    small = {"size": {"height": 32, "width": 32}, "do_center_crop": False, "image_mean": [0.4, 0.5, 0.6]}
    transformers.VideoMAEImageProcessorPil(**small).save_pretrained(folder)
    return folder


CLAP_WORDS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *BYTES, "Ġ"]


def save_clap_tokenizer(folder):
    ids = {token: i for i, token in enumerate(CLAP_WORDS)}
    transformers.RobertaTokenizer(vocab=ids, merges=[]).save_pretrained(folder)


def save_clap(folder, fused=False, longest=30):
    sound = {
        **{"spec_size": 64, "num_mel_bins": 16, "patch_size": 4, "patch_stride": [4, 4], "patch_embeds_hidden_size": 8},
        **{"depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 16, "window_size": 4, "num_classes": 3},
        **{"enable_fusion": fused, "enable_patch_layer_norm": True, "fusion_type": None},
    }
    read = {"vocab_size": len(CLAP_WORDS), "max_position_embeddings": longest, "pad_token_id": 1}
    config = transformers.ClapConfig(text_config={**SMALL, **read}, audio_config=sound, projection_dim=24)
    seeded(lambda: transformers.ClapModel(config)).save_pretrained(folder)
    save_clap_tokenizer(folder)
    transformers.ClapFeatureExtractor(
        feature_size=16, sampling_rate=8000, hop_length=80, max_length_s=1, fft_window_size=256, frequency_max=4000
    ).save_pretrained(folder)
    return folder


def save_ast(folder):
    config = transformers.ASTConfig(
        **SMALL, patch_size=8, frequency_stride=8, time_stride=8, max_length=40, num_mel_bins=16
    )
    seeded(lambda: transformers.ASTForAudioClassification(config)).save_pretrained(folder)
    transformers.ASTFeatureExtractor(num_mel_bins=16, max_length=40, mean=-3.0, std=3.0).save_pretrained(folder)
    return folder


SIGLIP_WORDS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *BYTES, "▁"]


def save_siglip2(folder, any_shape=False):
    """Of a fixed size, as most are: then the checkpoint says that it is a siglip. Or of any shape, NaFlex."""
    text = {**SMALL, "vocab_size": len(SIGLIP_WORDS), "max_position_embeddings": 40, "projection_size": 32}
    marks = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    seen = {"num_patches": 16} if any_shape else {"image_size": 32}
    kind = "Siglip2" if any_shape else "Siglip"
    config = getattr(transformers, f"{kind}Config")(
        text_config={**text, **marks}, vision_config={**SMALL, **seen, "patch_size": 8}
    )
    seeded(lambda: getattr(transformers, f"{kind}Model")(config)).save_pretrained(folder)
    ids = {token: i for i, token in enumerate(SIGLIP_WORDS)}
    transformers.Siglip2Tokenizer(vocab=ids, merges=[]).save_pretrained(folder)
    if any_shape:
        processor = transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=20)
    else:
        processor = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}, resample=2)
    processor.save_pretrained(folder)
    return folder


def save_videoprism(folder):
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((c, -3.0) for c in [*BYTES, "▁"])]
    both = {"hidden_size": 32, "intermediate_size": 40, "num_attention_heads": 4}
    config = transformers.VideoPrismConfig(
        text_config={**both, "num_hidden_layers": 2, "vocab_size": len(words), "max_position_embeddings": 40},
        vision_config={
            **both,
            **{"image_size": 36, "num_frames": 4, "tubelet_size": [1, 18, 18], "num_spatial_layers": 2},
            **{"num_temporal_layers": 1, "num_auxiliary_layers": 1},
        },
    )
    seeded(lambda: transformers.VideoPrismClipModel(config)).save_pretrained(folder)
    transformers.VideoPrismTokenizer(vocab=words, extra_ids=0, additional_special_tokens=[]).save_pretrained(folder)
    return folder


def pe_audio():
    """The sound and text of PE-AV."""
    marks = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
    read = {"model_type": "modernbert", "vocab_size": len(CLAP_WORDS), "max_position_embeddings": 40}
    coder = {"model_type": "dac", "encoder_hidden_size": 4, "downsampling_ratios": [2, 4], "codebook_dim": 8}
    config = transformers.PeAudioConfig(
        text_config={**SMALL, **read, **marks, "global_attn_every_n_layers": 1},
        audio_config={**SMALL, "num_hidden_layers": 1, "head_dim": 8, "dac_config": coder},
    )
    return seeded(lambda: transformers.PeAudioModel(config))


def save_pe_av(folder):
    """As it is published: a checkpoint of sound, picture and text, in which the text tower is shared."""
    model, config = pe_audio(), pe_audio().config
    folder.mkdir()
    state = {
        name if name.startswith("text_model.") else f"audio_model.{name}": value.contiguous().clone()
        for name, value in model.state_dict().items()
    }
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    seen = {"model_type": "pe_video_encoder", "vision_config": {"model_type": "timm_wrapper"}}
    both = {"model_type": "pe_audio_video_encoder", "audio_config": config.audio_config.to_dict(), "video_config": seen}
    whole = {"model_type": "pe_audio_video", "text_config": config.text_config.to_dict(), "audio_video_config": both}
    (folder / "config.json").write_text(json.dumps(whole))
    save_clap_tokenizer(folder)
    transformers.PeAudioFeatureExtractor(sampling_rate=8000, hop_length=8).save_pretrained(folder)
    return folder


def save_sentence(folder, of="clip"):
    """A model of sentence-transformers around that of another folder."""
    library = pytest.importorskip("sentence_transformers")
    within = library.sentence_transformer.modules.Transformer(str(SAVE[of](folder.parent / f"of-{of}")))
    model = library.SentenceTransformer(modules=[within], device="cpu")
    if of == "clap":
        model[0].processor.feature_extractor.truncation = "rand_trunc"  # else for fused weights alone
    model.save(str(folder), create_model_card=False)
    return folder


def save_network(network, folder):
    folder.mkdir()
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder / "weights.safetensors"


def save_kumar(folder):
    return save_network(seeded(lambda: KumarNet(8)), folder)


def save_i3d(folder):
    return save_network(seeded(lambda: I3D(8)), folder)


SAVE = {
    "clip": save_clip,
    "x-clip": save_xclip,
    "videomae": save_videomae,
    "clap": save_clap,
    "siglip2": save_siglip2,
    "videoprism": save_videoprism,
    "pe-av": save_pe_av,
    "sentence": save_sentence,
    "sentence of sound": lambda folder: save_sentence(folder, "clap"),
    "ast": save_ast,
    "kumar": save_kumar,
    "i3d": save_i3d,
}


@cache
def weights(name: str) -> Path:
    """Weights for the backbone or text encoder `name`: made once a process, and gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="avgzsl-test-weights-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return SAVE[name](folder / name)
