"""VideoMAE (Tong et al., NeurIPS 2022): the encoder's last layer, averaged over its patches.

The features are better from a checkpoint that was fine-tuned, such as the default; its classifier is left out.
"""

from pathlib import Path

import torch
from torch import Tensor

from avgzsl.backbones._transformers import PICTURES_AT_ONCE, TransformerBackbone, colours_of, frame_needs
from avgzsl.media.prepared import OneVideo
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "videomae:FOLDER_OR_NAME: VideoMAE's encoder, averaged over its patches (transformers)"
MODALITIES: tuple[Modality, ...] = ("video",)
BRINGS_WEIGHTS = False
TRAINED_ON = "the videos of Kinetics-400, then the names of its 400 classes"
DEFAULT = "MCG-NJU/videomae-base-finetuned-kinetics"


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("videomae", weights or DEFAULT, models)
    processor = checkpoint.part("AutoImageProcessor", backend="pil")
    model = checkpoint.model("VideoMAEModel", device)
    config, colours = model.config, colours_of(processor, device)

    def rows(videos: Tensor) -> Tensor:
        row: Tensor = model(pixel_values=colours(videos)).last_hidden_state.mean(1)
        return row

    return TransformerBackbone(
        spec="videomae" if weights is None else f"videomae:{weights}",
        modality=modality,
        dimension=config.hidden_size,
        needs=frame_needs(processor, config.image_size, config.num_frames, checkpoint.folder),
        weights=checkpoint.files,
        device=device,
        prepare=OneVideo(config.num_frames),
        rows=rows,
        at_once=max(1, PICTURES_AT_ONCE // config.num_frames),
    )
