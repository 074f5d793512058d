"""X-CLIP (Ni et al., ECCV 2022): the projected video embedding of as many frames as the checkpoint was trained with.

Text of the same space: the text encoder `x-clip`.
"""

from pathlib import Path

import torch
from torch import Tensor

from avgzsl.backbones._transformers import PICTURES_AT_ONCE, TransformerBackbone, colours_of, frame_needs
from avgzsl.media.prepared import OneVideo
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "x-clip:FOLDER_OR_NAME: X-CLIP's video embedding (transformers)"
MODALITIES: tuple[Modality, ...] = ("video",)
BRINGS_WEIGHTS = False
TEXT = "x-clip"
TRAINED_ON = "CLIP's 400 million pictures with captions, then the videos of Kinetics-400 with the names of its classes"
DEFAULT = "microsoft/xclip-base-patch32"


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("xclip", weights or DEFAULT, models)
    processor = checkpoint.part("AutoImageProcessor", backend="pil")
    model = checkpoint.model("XCLIPModel", device)
    vision, colours = model.config.vision_config, colours_of(processor, device)

    def rows(videos: Tensor) -> Tensor:
        row: Tensor = model.get_video_features(pixel_values=colours(videos)).pooler_output
        return row

    return TransformerBackbone(
        spec="x-clip" if weights is None else f"x-clip:{weights}",
        modality=modality,
        dimension=model.config.projection_dim,
        needs=frame_needs(processor, vision.image_size, vision.num_frames, checkpoint.folder),
        weights=checkpoint.files,
        device=device,
        prepare=OneVideo(vision.num_frames),
        rows=rows,
        unit=True,
        at_once=max(1, PICTURES_AT_ONCE // vision.num_frames),
    )
