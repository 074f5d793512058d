"""X-CLIP (Ni et al., ECCV 2022): the projected video embedding of as many frames as the checkpoint was trained with."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avgzsl.backbones._transformers import TransformerBackbone, evenly, frame_needs, pixels
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "x-clip:FOLDER_OR_NAME: X-CLIP's video embedding (transformers)"
MODALITIES: tuple[Modality, ...] = ("video",)
BRINGS_WEIGHTS = False
DEFAULT = "microsoft/xclip-base-patch32"


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("xclip", weights or DEFAULT, models)
    processor = checkpoint.part("AutoImageProcessor", backend="pil")
    model = checkpoint.model("XCLIPModel", device)
    vision = model.config.vision_config

    def inputs(frames: np.ndarray) -> Tensor:
        return pixels(processor, evenly(frames, vision.num_frames))[None]

    def rows(videos: Tensor) -> Tensor:
        row: Tensor = model.get_video_features(pixel_values=videos).pooler_output
        return row

    return TransformerBackbone(
        spec="x-clip" if weights is None else f"x-clip:{weights}",
        modality=modality,
        dimension=model.config.projection_dim,
        needs=frame_needs(processor, vision.image_size, vision.num_frames, checkpoint.folder),
        weights=checkpoint.files,
        device=device,
        inputs=inputs,
        rows=rows,
    )
