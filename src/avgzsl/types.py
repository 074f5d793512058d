"""Names that every module shares: the modalities of a clip and of a test."""

from typing import Literal, get_args

Modality = Literal["audio", "video"]
TestModality = Literal["audio", "video", "both"]
Fusion = Literal["equal", "attention"]
Calibration = Literal["val", "pseudo-unseen", "none", "oracle"]
TextOrder = Literal["right", "avca-published"]  # which text vector a class gets; docs/data.md says why there are two

MODALITIES: tuple[Modality, ...] = get_args(Modality)
TEST_MODALITIES: tuple[TestModality, ...] = get_args(TestModality)
CALIBRATIONS: tuple[Calibration, ...] = get_args(Calibration)
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)
TEXT_ORDERS: tuple[TextOrder, ...] = get_args(TextOrder)
