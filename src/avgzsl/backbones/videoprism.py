"""VideoPrism (Zhao et al., ICML 2024), video-text models: the video embedding of as many frames as the model takes.

The whole picture, stretched, with values in [0, 1] and nothing else done to them; the checkpoint's own processor does
the same and needs torchvision. Text of the same space: the text encoder `videoprism`.
"""

from pathlib import Path

import torch
from torch import Tensor

from avgzsl.backbones._transformers import PICTURES_AT_ONCE, TransformerBackbone
from avgzsl.errors import WeightsError
from avgzsl.media.needs import FrameNeeds
from avgzsl.media.prepared import OneVideo
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "videoprism:FOLDER_OR_NAME: VideoPrism's video embedding (transformers)"
MODALITIES: tuple[Modality, ...] = ("video",)
BRINGS_WEIGHTS = False
TEXT = "videoprism"
TRAINED_ON = "36 million videos with captions and 582 million clips with the texts beside them, from the web"
DEFAULT = "google/videoprism-lvt-base-f16r288"


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("videoprism", weights or DEFAULT, models)
    model = checkpoint.model("VideoPrismClipModel", device)
    vision = model.config.vision_config
    sides = {vision.image_size} if isinstance(vision.image_size, int) else set(vision.image_size)
    if len(sides) != 1:
        raise WeightsError(f"{checkpoint.folder}: takes pictures of {vision.image_size}; expected squares")

    def rows(videos: Tensor) -> Tensor:
        pixels = videos.movedim(-1, -3).float() / 255
        row: Tensor = model.get_video_features(pixel_values_videos=pixels).pooler_output
        return row[:, 0]  # of one query of the pooling head

    return TransformerBackbone(
        spec="videoprism" if weights is None else f"videoprism:{weights}",
        modality=modality,
        dimension=vision.hidden_size,
        needs=FrameNeeds(sides.pop(), count=vision.num_frames),
        weights=checkpoint.files,
        device=device,
        prepare=OneVideo(vision.num_frames),
        rows=rows,
        unit=True,
        at_once=max(1, PICTURES_AT_ONCE // vision.num_frames),
    )
