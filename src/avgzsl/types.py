"""Names that every module shares: the modalities of a clip and of a test."""

from typing import Literal, get_args

Modality = Literal["audio", "video"]
TestModality = Literal["audio", "video", "both"]
Fusion = Literal["equal", "attention"]

MODALITIES: tuple[Modality, ...] = get_args(Modality)
TEST_MODALITIES: tuple[TestModality, ...] = get_args(TestModality)
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)
