"""Audio-video concatenation, a baseline of the paper (section 4.2.2): one network on [x^a; x^v].

Each modality is scaled to length 1 before they are joined (`normalise`), so that neither drowns the other. The paper
names no hidden size for it; the default is that of F_A and F_V, and tuning tries twice as many.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.data.clips import ClipSet
from avgzsl.learning.training import SETTINGS
from avgzsl.methods._base import fitted
from avgzsl.methods._embeddings import Embeddings
from avgzsl.methods._one_projection import OneProjection
from avgzsl.methods._projections import Encoders, ProjectionMethod
from avgzsl.types import MODALITIES, Modality


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Concat(OneProjection, name="concat"):
    """Text-anchored triplets on both modalities joined; a clip that lacks one is neither learned from nor scored."""

    citation: ClassVar[str] = "avgzslnet"
    modalities = ("both",)
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {**ProjectionMethod.ranges, "hidden": (256, 512)}

    def input_sizes(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Both features end to end."""
        return {"joint": sum(sizes[modality] for modality in self.learns_from)}

    def inputs(self, features: Mapping[Modality, Float[Tensor, "n _d"]]) -> dict[str, Float[Tensor, "n _e"]]:
        """Both features end to end."""
        return {"joint": torch.cat([features[modality] for modality in self.learns_from], 1)}

    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """One embedding a clip; a clip counts as having audio and video only if it has both."""
        networks: Encoders = fitted(self.networks_, self)
        blank: dict[str, Any] = {  # no clip can be scored then, which is for `compare` to say
            modality: torch.zeros(len(clips), networks.sizes[modality], device=clips.labels.device)
            for modality in MODALITIES
            if clips.feature(modality) is None
        }
        both = clips.has_audio & clips.has_video
        return replace(super().embed_chunk(replace(clips, **blank)), has_audio=both, has_video=both)
