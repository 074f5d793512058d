"""Video only, a baseline of the paper (section 4.2.2): F_V and F_T under the triplet L_TV (eq. 9) alone."""

from typing import ClassVar

from pydantic.dataclasses import dataclass

from avgzsl.learning.training import SETTINGS
from avgzsl.methods._one_projection import OneProjection


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class VideoOnly(OneProjection, name="video-only"):
    """Text-anchored triplets on video; audio is not looked at."""

    citation: ClassVar[str] = "avgzslnet"
    learns_from = ("video",)
    modalities = ("video",)
