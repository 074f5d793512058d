"""VideoMAE (Tong et al., NeurIPS 2022): the encoder's last layer, averaged over its patches.

The features are better from a checkpoint that was fine-tuned, such as the default; its classifier is left out.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avgzsl.backbones._transformers import TransformerBackbone, evenly, frame_needs, pixels
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "videomae:FOLDER_OR_NAME: VideoMAE's encoder, averaged over its patches (transformers)"
MODALITIES: tuple[Modality, ...] = ("video",)
BRINGS_WEIGHTS = False
DEFAULT = "MCG-NJU/videomae-base-finetuned-kinetics"


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("videomae", weights or DEFAULT, models)
    processor = checkpoint.part("AutoImageProcessor", backend="pil")
    model = checkpoint.model("VideoMAEModel", device)
    config = model.config

    def inputs(frames: np.ndarray) -> Tensor:
        return pixels(processor, evenly(frames, config.num_frames))[None]

    def rows(videos: Tensor) -> Tensor:
        row: Tensor = model(pixel_values=videos).last_hidden_state.mean(1)
        return row

    return TransformerBackbone(
        spec="videomae" if weights is None else f"videomae:{weights}",
        modality=modality,
        dimension=config.hidden_size,
        needs=frame_needs(processor, config.image_size, config.num_frames, checkpoint.folder),
        weights=checkpoint.files,
        device=device,
        inputs=inputs,
        rows=rows,
    )
