"""Names that every module shares: the modalities of a clip and of a test."""

from typing import Literal, get_args

Modality = Literal["audio", "video"]
TestModality = Literal["audio", "video", "both"]
Fusion = Literal["equal", "attention"]
Calibration = Literal["val", "pseudo-unseen", "none", "oracle"]

MODALITIES: tuple[Modality, ...] = get_args(Modality)
TEST_MODALITIES: tuple[TestModality, ...] = get_args(TestModality)
CALIBRATIONS: tuple[Calibration, ...] = get_args(Calibration)
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)
