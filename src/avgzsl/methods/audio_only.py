"""Audio only, a baseline of the paper (section 4.2.2): F_A and F_T under the triplet L_TA (eq. 7) alone."""

from typing import ClassVar

from pydantic.dataclasses import dataclass

from avgzsl.learning.training import SETTINGS
from avgzsl.methods._one_projection import OneProjection


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class AudioOnly(OneProjection, name="audio-only"):
    """Text-anchored triplets on audio; video is not looked at."""

    citation: ClassVar[str] = "avgzslnet"
    learns_from = ("audio",)
    modalities = ("audio",)
