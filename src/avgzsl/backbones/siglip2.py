"""SigLIP 2 (Tschannen et al. 2025): the picture embedding, averaged over eight frames of the clip.

Checkpoints of a fixed size take the whole picture, stretched; those of any shape (NaFlex) its centre square here, cut
into as many patches as they take. Text of the same space: the text encoder `siglip2`.
"""

from collections.abc import Callable
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones._transformers import PICTURES_AT_ONCE, TransformerBackbone, colours_of, filter_of, frame_needs
from avgzsl.media.needs import FrameNeeds
from avgzsl.media.prepared import Pictures
from avgzsl.support.checkpoints import ModelFolder, find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "siglip2:FOLDER_OR_NAME: SigLIP 2's picture embedding, averaged over eight frames (transformers)"
MODALITIES: tuple[Modality, ...] = ("video",)
BRINGS_WEIGHTS = False
TEXT = "siglip2"
TRAINED_ON = "10 billion pictures and 12 billion texts beside them from the web (WebLI)"
DEFAULT = "google/siglip2-base-patch16-224"

_FRAMES = 8


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint(("siglip", "siglip2"), weights or DEFAULT, models)
    processor = checkpoint.part("AutoImageProcessor", backend="pil")
    of_kind = _any_shape if checkpoint.type == "siglip2" else _fixed_size
    model, needs, embed = of_kind(checkpoint, processor, device)
    colours = colours_of(processor, device)

    def rows(pictures: Tensor) -> Tensor:
        return embed(colours(pictures))

    return TransformerBackbone(
        spec="siglip2" if weights is None else f"siglip2:{weights}",
        modality=modality,
        dimension=model.config.vision_config.hidden_size,
        needs=needs,
        weights=checkpoint.files,
        device=device,
        prepare=Pictures(),
        rows=rows,
        unit=True,
        at_once=PICTURES_AT_ONCE,
    )


_Loaded = tuple[Any, FrameNeeds, Callable[[Tensor], Tensor]]


def _fixed_size(checkpoint: ModelFolder, processor: Any, device: torch.device) -> _Loaded:
    model = checkpoint.model("SiglipModel", device)  # which a checkpoint of SigLIP 2 says that it is

    def embed(pictures: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        row: Tensor = model.get_image_features(pixel_values=pictures).pooler_output
        return row

    return model, frame_needs(processor, model.config.vision_config.image_size, _FRAMES, checkpoint.folder), embed


def _any_shape(checkpoint: ModelFolder, processor: Any, device: torch.device) -> _Loaded:
    model = checkpoint.model("Siglip2Model", device)
    patch, most = processor.patch_size, processor.max_num_patches
    side = isqrt(most)  # patches

    def embed(pictures: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        count = len(pictures)
        cut = pictures.unfold(2, patch, patch).unfold(3, patch, patch)  # n x 3 x side x side x patch x patch
        patches = cut.permute(0, 2, 3, 4, 5, 1).reshape(count, side * side, -1)
        row: Tensor = model.get_image_features(
            pixel_values=torch.nn.functional.pad(patches, (0, 0, 0, most - side * side)),
            pixel_attention_mask=(torch.arange(most, device=device) < side * side).int().expand(count, -1),
            spatial_shapes=torch.tensor([[side, side]], device=device).expand(count, -1),
        ).pooler_output
        return row

    size = side * patch
    resize = filter_of(processor, checkpoint.folder)
    return model, FrameNeeds(size, count=_FRAMES, short_side=size, interpolation=resize), embed
