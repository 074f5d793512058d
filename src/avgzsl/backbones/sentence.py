"""Models of sentence-transformers that take sound or pictures: their `encode`, averaged over windows or frames.

Sound in windows of ten seconds, eight pictures of a clip. Text of the same space: the text encoder `sentence`.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avgzsl.backbones._transformers import TransformerBackbone
from avgzsl.errors import ConfigError, ModalityError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.media.prepared import Pictures, Prepare, SoundWindows
from avgzsl.support.registry import require
from avgzsl.support.sentence_models import SentenceModel, find_sentence_model, open_sentence_model, require_wanted
from avgzsl.types import Modality

DESCRIPTION = "sentence:FOLDER_OR_NAME: a sentence-transformers model for sound or pictures, from a folder or the hub"
MODALITIES: tuple[Modality, ...] = ("audio", "video")
BRINGS_WEIGHTS = False
TEXT = "sentence"

_SECONDS, _FRAMES = 10, 8
_SIZE = 384  # pixels a side, for models that take any
_KINDS = {"audio": "audio", "video": "image"}  # as the library calls them


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model in a folder, or of a name on the hub.

    Raises ConfigError for a spec without one and for what the model wants and is not installed, WeightsError,
    ModalityError for a model that does not take the modality.
    """
    if weights is None:
        raise ConfigError("sentence needs a model: sentence:FOLDER, or sentence:NAME of one on the hub")
    folder = find_sentence_model(weights, models)
    loaded = open_sentence_model(folder, device)
    if not loaded.model.supports(_KINDS[modality]):
        takes = " and ".join(map(str, loaded.model.modalities))
        raise ModalityError(f"sentence:{weights}: takes {takes}; expected {_KINDS[modality]} among them")
    needs, prepare = _sound(loaded) if modality == "audio" else _pictures(loaded)

    def rows(inputs: Tensor) -> Tensor:
        items = _items(inputs, needs)
        try:
            row: Tensor = loaded.model.encode(
                items, batch_size=len(items), convert_to_tensor=True, show_progress_bar=False
            )
        except ImportError as problem:  # some libraries are asked for with the first clip
            require_wanted(folder, problem)
            raise
        return row

    return TransformerBackbone(
        spec=f"sentence:{weights}",
        modality=modality,
        dimension=loaded.dimension,
        needs=needs,
        weights=loaded.files,
        device=device,
        prepare=prepare,
        rows=rows,
        unit=True,
    )


def _sound(loaded: SentenceModel) -> tuple[SoundNeeds, Prepare]:
    """Windows no longer than the model's extractor takes: some cut a piece out of longer ones at random."""
    processor = loaded.model[0].processor
    extractor = getattr(processor, "feature_extractor", processor)
    rate = int(extractor.sampling_rate)
    most = [int(getattr(extractor, name, _SECONDS * rate)) for name in ("nb_max_samples", "n_samples")]
    return SoundNeeds(rate), SoundWindows(min(_SECONDS * rate, *most), multiple=1)


def _pictures(loaded: SentenceModel) -> tuple[FrameNeeds, Prepare]:
    """The centre square, as large as the model's image processor makes it; the processor does the rest."""
    processor = loaded.model[0].processor
    box = getattr(getattr(processor, "image_processor", processor), "size", None) or {}
    size = next((int(box[side]) for side in ("shortest_edge", "height") if box.get(side)), _SIZE)
    size = size if size <= 1024 else _SIZE  # of some it is a number of pixels
    return FrameNeeds(size, count=_FRAMES, short_side=size), Pictures()


def _items(inputs: Tensor, needs: SoundNeeds | FrameNeeds) -> list[Any]:
    if isinstance(needs, SoundNeeds):
        return [{"array": window, "sampling_rate": needs.rate} for window in inputs.cpu().numpy()]
    image = require("PIL.Image", "sentences")
    return [image.fromarray(picture) for picture in inputs.cpu().numpy()]
