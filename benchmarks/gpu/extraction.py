"""Extraction rates of CLIP (ViT-B/32) and CLAP with random weights: clips a second, over the peak of a product.

Frames and log-mels are drawn at random and prepared beforehand: what is timed is what the device does, and the way to
it.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.part import Row, Where, apart, near

NEEDS = ("transformers",)
SECONDS = 90
SMALL = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL_SOUND = {
    "spec_size": 64, "num_mel_bins": 16, "patch_size": 4, "patch_stride": [4, 4], "patch_embeds_hidden_size": 8,
    "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 16, "window_size": 4, "num_classes": 3,
}  # fmt: skip


def save_clip(folder: Path, small: bool) -> None:
    """A CLIP with random weights, as its authors publish theirs, but for the tokenizer."""
    import transformers

    parts: dict[str, Any] = {}
    crop: dict[str, Any] = {}
    if small:
        parts = {"text_config": SMALL, "vision_config": {**SMALL, "image_size": 32, "patch_size": 8}}
        crop = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    transformers.CLIPModel(transformers.CLIPConfig(**parts, projection_dim=512)).eval().save_pretrained(folder)
    transformers.CLIPImageProcessorPil(**crop).save_pretrained(folder)


def save_clap(folder: Path, small: bool) -> None:
    """A CLAP with random weights, likewise."""
    import transformers

    parts: dict[str, Any] = {"text_config": SMALL, "audio_config": SMALL_SOUND} if small else {}
    sound: dict[str, Any] = {}
    if small:
        sound = {"feature_size": 16, "sampling_rate": 8000, "hop_length": 80, "max_length_s": 1,
                 "fft_window_size": 256, "frequency_max": 4000}  # fmt: skip
    transformers.ClapModel(transformers.ClapConfig(**parts, projection_dim=512)).eval().save_pretrained(folder)
    transformers.ClapFeatureExtractor(**sound).save_pretrained(folder)


def clips_for(modality: str, backbone: Any, count: int) -> list[np.ndarray]:
    """Random clips as the backbone asks for them: eight frames, or ten seconds of sound."""
    draw = np.random.default_rng(0)
    if modality == "video":
        size = backbone.needs.size
        return [draw.integers(0, 256, (8, size, size, 3), dtype=np.uint8) for _ in range(count)]
    rate = backbone.needs.rate
    return [draw.uniform(-1, 1, 10 * rate).astype(np.float32) for _ in range(count)]


def backbone_rows(where: Where, name: str, modality: str, folder: Path) -> list[Row]:
    """One backbone in both precisions, against the CPU's rows and against the peak."""
    from avgzsl import backbones

    spec, found = f"{name}:{folder}", []
    load: Any = backbones.load
    here = load(spec, modality, device="cpu")
    prepared = [here.prepare(clip) for clip in clips_for(modality, here, where.size(128, 4))]
    expected = here.embed_prepared(prepared[:2])
    with FlopCounterMode(display=False) as counter:
        here.embed_prepared(prepared[:1])
    own = counter.get_total_flops()
    for precision, dtype, limit in (("float32", torch.float32, 1e-2), ("bf16", torch.bfloat16, 1e-1)):
        there = load(spec, modality, device=where.device, precision=precision)
        gap = apart(there.embed_prepared(prepared[:2]), expected)
        found.append(near(f"{name}, {precision}: rows against the CPU's in float32", gap, limit))
        spent = where.seconds(lambda there=there: there.embed_prepared(prepared), 3, 1) / len(prepared)
        peak = where.peak(dtype)
        found.append(where.timed(f"{name}, {precision}: clips/s ({own / 1e9:.1f} GFLOP a clip)", f"{1 / spent:,.0f}"))
        share = f"{own / spent / peak:.2f} (of {peak / 1e12:,.0f} TFLOP/s)"
        found.append(where.timed(f"{name}, {precision}: its operations over the rate of a product", share))
    return found


def rows(where: Where) -> list[Row]:
    """Both backbones."""
    found = []
    for name, modality, save in (("clip", "video", save_clip), ("clap", "audio", save_clap)):
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)  # the library draws its weights from the global state
            save(Path(folder), where.small)
            found += backbone_rows(where, name, modality, Path(folder))
    return found
