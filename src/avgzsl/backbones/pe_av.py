"""PE-AV (Vyas et al. 2025), Perception Encoder Audiovisual: the sound and the picture embedding of a clip.

Sound is averaged over windows of ten seconds and needs transformers alone. Its picture needs the extra `pe-av` and was
never run here. Text of the same space has a head for each: the text encoders `pe-av` (sound) and `pe-av-video`.
"""

from pathlib import Path

import torch
from torch import Tensor

from avgzsl.backbones._transformers import TransformerBackbone, colours_of, frame_needs
from avgzsl.media.needs import SoundNeeds
from avgzsl.media.prepared import OneVideo, SoundWindows
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.support.registry import require
from avgzsl.types import Modality

DESCRIPTION = "pe-av:FOLDER_OR_NAME: PE-AV's sound embedding, and with the extra pe-av its video's (not run here)"
MODALITIES: tuple[Modality, ...] = ("audio", "video")
BRINGS_WEIGHTS = False
TEXT: dict[Modality, str] = {"audio": "pe-av", "video": "pe-av-video"}
TRAINED_ON = "about 100 million videos with sound, and captions made of them by other models"
DEFAULT = "facebook/pe-av-small"

_SECONDS, _FRAMES = 10, 16


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    return (_sound if modality == "audio" else _picture)(weights, device, models)


def _sound(weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    checkpoint = find_checkpoint(("pe_audio", "pe_audio_video"), weights or DEFAULT, models)
    part = "audio_config" if checkpoint.type == "pe_audio_video" else None
    extractor = checkpoint.part("PeAudioFeatureExtractor")
    model = checkpoint.model("PeAudioModel", device, part)
    rate = extractor.sampling_rate

    def rows(waveforms: Tensor) -> Tensor:
        row: Tensor = model.get_audio_embeds(waveforms[:, None])
        return row

    return TransformerBackbone(
        spec=_spec(weights),
        modality="audio",
        dimension=model.config.text_config.hidden_size,
        needs=SoundNeeds(rate),
        weights=checkpoint.files,
        device=device,
        prepare=SoundWindows(_SECONDS * rate, extractor.hop_length),
        rows=rows,
        unit=True,
    )


def _picture(weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    require("timm", "pe-av")
    checkpoint = find_checkpoint(("pe_video", "pe_audio_video"), weights or DEFAULT, models)
    part = "video_config" if checkpoint.type == "pe_audio_video" else None
    processor = checkpoint.part("AutoVideoProcessor")
    model = checkpoint.model("PeVideoModel", device, part)
    colours, count = colours_of(processor, device), processor.num_frames or _FRAMES
    size = processor.size.height or processor.size.shortest_edge

    def rows(videos: Tensor) -> Tensor:
        # the library's get_video_features stands within its constructor and cannot be called
        row: Tensor = model.video_head(model.video_encoder(pixel_values_videos=colours(videos)).pooler_output)
        return row

    return TransformerBackbone(
        spec=_spec(weights),
        modality="video",
        dimension=model.config.text_config.hidden_size,
        needs=frame_needs(processor, size, count, checkpoint.folder),
        weights=checkpoint.files,
        device=device,
        prepare=OneVideo(count),
        rows=rows,
        unit=True,
        at_once=4,
    )


def _spec(weights: str | None) -> str:
    return "pe-av" if weights is None else f"pe-av:{weights}"
