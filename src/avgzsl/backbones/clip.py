"""CLIP (Radford et al., ICML 2021): the projected picture embedding, averaged over eight frames of the clip.

Text of the same space: the text encoder `clip`.
"""

from pathlib import Path

import torch
from torch import Tensor

from avgzsl.backbones._transformers import PICTURES_AT_ONCE, TransformerBackbone, colours_of, frame_needs
from avgzsl.media.prepared import Pictures
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "clip:FOLDER_OR_NAME: CLIP's picture embedding, averaged over eight frames (transformers)"
MODALITIES: tuple[Modality, ...] = ("video",)
BRINGS_WEIGHTS = False
TEXT = "clip"
TRAINED_ON = "400 million pictures with captions from the web (WIT)"
DEFAULT = "openai/clip-vit-base-patch32"

_FRAMES = 8


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("clip", weights or DEFAULT, models)
    processor = checkpoint.part("AutoImageProcessor", backend="pil")
    model = checkpoint.model("CLIPModel", device)
    colours = colours_of(processor, device)

    def rows(pictures: Tensor) -> Tensor:
        row: Tensor = model.get_image_features(pixel_values=colours(pictures)).pooler_output
        return row

    return TransformerBackbone(
        spec="clip" if weights is None else f"clip:{weights}",
        modality=modality,
        dimension=model.config.projection_dim,
        needs=frame_needs(processor, model.config.vision_config.image_size, _FRAMES, checkpoint.folder),
        weights=checkpoint.files,
        device=device,
        prepare=Pictures(),
        rows=rows,
        unit=True,
        at_once=PICTURES_AT_ONCE,
    )
