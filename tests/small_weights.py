"""Small random weights of every network that needs some, on disk as their authors publish them."""

import atexit
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


def save_clip(folder, processor=None):
    vocabulary = [*BYTES, *(f"{c}</w>" for c in BYTES), "<|startoftext|>", "<|endoftext|>"]
    start, end = len(vocabulary) - 2, len(vocabulary) - 1
    read = {"vocab_size": len(vocabulary), "max_position_embeddings": 30}
    marks = {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    config = transformers.CLIPConfig(
        text_config={**SMALL, **read, **marks},
        vision_config={**SMALL, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    seeded(lambda: transformers.CLIPModel(config)).save_pretrained(folder)
    transformers.CLIPTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}, merges=[]).save_pretrained(
        folder
    )
    small = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    transformers.CLIPImageProcessorPil(**(small | (processor or {}))).save_pretrained(folder)
    return folder


def save_xclip(folder):
    config = transformers.XCLIPConfig(
        text_config={**SMALL, "vocab_size": 99},
        vision_config={
            **{**SMALL, "image_size": 32, "patch_size": 8, "num_frames": 4},
            **{"mit_hidden_size": 24, "mit_intermediate_size": 40, "mit_num_hidden_layers": 1},
            **{"mit_num_attention_heads": 4},
        },
        projection_dim=24,
        prompt_num_attention_heads=4,
    )
    seeded(lambda: transformers.XCLIPModel(config)).save_pretrained(folder)
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


def save_clap(folder, fused=False):
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *BYTES, "Ġ"]
    sound = {
        **{"spec_size": 64, "num_mel_bins": 16, "patch_size": 4, "patch_stride": [4, 4], "patch_embeds_hidden_size": 8},
        **{"depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 16, "window_size": 4, "num_classes": 3},
        **{"enable_fusion": fused, "enable_patch_layer_norm": True, "fusion_type": None},
    }
    read = {"vocab_size": len(vocabulary), "max_position_embeddings": 30, "pad_token_id": 1}
    config = transformers.ClapConfig(text_config={**SMALL, **read}, audio_config=sound, projection_dim=24)
    seeded(lambda: transformers.ClapModel(config)).save_pretrained(folder)
    ids = {token: i for i, token in enumerate(vocabulary)}
    transformers.RobertaTokenizer(vocab=ids, merges=[]).save_pretrained(folder)
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
