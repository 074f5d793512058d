"""The test modes of the generalized zero-shot protocol: by what clips are compared with classes, and which was chosen.

A clip that lacks a modality is compared, in mode `both`, by the one it has; in mode `audio` or `video` only the clips
that have it are tested.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from avgzsl.errors import ConfigError, ModalityError, UnknownNameError
from avgzsl.learning.attention import AttentionSettings
from avgzsl.methods import Method
from avgzsl.support.registry import unknown
from avgzsl.types import MODALITIES, TEST_MODALITIES, Fusion, Modality, TestModality


class Mode(NamedTuple):
    """How clips are tested."""

    modality: TestModality
    fusion: Fusion

    def __str__(self) -> str:
        return f"{self.modality}-{self.fusion}" if self.modality == "both" else self.modality


@dataclass(frozen=True)
class Numbers:
    """What a calibration chose for a mode; as it stands here, nothing.

    A decision takes (1 + `stretch`) score less `gamma` for seen classes; `weight` is that of video in the fusion
    `weighted` (None: equal). Retrieval by name, where it is corrected, takes off `energy_share` of a clip's energy over
    the seen classes at `energy_temperature` (`scores.energy`). Gamma and temperature are in units of score.
    """

    gamma: float = 0.0
    stretch: float = 0.0
    weight: float | None = None
    energy_share: float = 0.0
    energy_temperature: float = 0.1


ModeNumbers = Mapping[Mode, Numbers]  # of each mode that a calibration could tell something of
NOTHING = Numbers()


def served_modes(method: Method, modalities: Collection[Modality] = MODALITIES) -> list[Mode]:
    """The modes that a method serves where there are these modalities, the fullest last."""
    modes = [Mode(m, "equal") for m in MODALITIES if m in method.modalities and m in modalities]
    if "both" in method.modalities and set(MODALITIES) <= set(modalities):
        modes += [Mode("both", fusion) for fusion in method.fusions]
    return modes


def choose_modes(
    method: Method, possible: Sequence[Mode], modality: str | None, fusion: Fusion | None, source: object
) -> list[Mode]:
    """Those of the possible modes that were asked for; None stands for any.

    `source` is what has the modes, a run or the clips, and begins the message. Raises UnknownNameError, ConfigError for
    a fusion of one modality, ModalityError when the method or the source cannot serve what was asked for.
    """
    if modality is not None and modality not in TEST_MODALITIES:
        raise UnknownNameError(unknown("modality", modality, TEST_MODALITIES))
    if fusion is not None and modality not in (None, "both"):
        raise ConfigError(f"fusion={fusion} weighs audio against video; leave it out, or choose modality both")
    if fusion is not None:
        method.check_serves("both", fusion)
    elif modality is not None:
        method.check_serves(modality, method.fusions[0])
    chosen = [
        mode
        for mode in possible
        if modality in (None, mode.modality) and (mode.modality != "both" or fusion in (None, mode.fusion))
    ]
    if not chosen:
        raise ModalityError(
            f"{source}: has no features to test {method.name} on {modality or ' or '.join(method.modalities)}; "
            f"it can be tested on {', '.join(map(str, possible)) or 'nothing'}"
        )
    return chosen


def main_fusion(method: Method) -> Fusion:
    """The fusion by which a training is looked at: attention where the method takes one modality by it, else equal.

    For a method whose attention is trained along and hard, as the AVCA benchmark's CJME, `both` is what that picks.
    """
    hard = isinstance(method, AttentionSettings) and (method.attention, method.attention_mode) == ("joint", "hard")
    return "attention" if hard and "attention" in method.fusions else "equal"


def choose_mode(
    method: Method, possible: Sequence[Mode], modality: str | None, fusion: Fusion | None, source: object
) -> Mode:
    """The fullest mode of those asked for: both modalities before one, attention before equal weights.

    Raises as `choose_modes`.
    """
    if modality is None and fusion is not None:
        modality = "both"
    return choose_modes(method, possible, modality, fusion, source)[-1]
