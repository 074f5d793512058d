"""The contracts of a backbone and of the plug-in that loads it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from avgzsl.backbones._last_layer import LastLayer
from avgzsl.errors import DataError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.media.prepared import Prepare
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality


@runtime_checkable
class Backbone(Protocol):
    """A loaded network, ready to embed clips of one modality.

    A backbone may have `unit`, True where its rows have length 1, and `precision`, where it can work in another than
    float32; both are recorded with its rows.
    """

    @property
    def spec(self) -> str: ...

    @property
    def modality(self) -> Modality: ...

    @property
    def dimension(self) -> int: ...

    @property
    def needs(self) -> FrameNeeds | SoundNeeds: ...

    @property
    def weights(self) -> tuple[WeightFile, ...]: ...

    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """One float32 row on the CPU a clip; a row does not hang on the other clips.

        Clips are what `needs` asks for: frames, uint8 of t x size x size x 3, t >= 1, or waveforms, float32 in [-1, 1],
        of one sample or more. Their lengths differ; windows and chunks are the backbone's affair. A GPU may add up a
        row in another order beside other clips: its last bits alone may differ.
        """
        ...


@runtime_checkable
class Tagger(Protocol):
    """What a backbone that was trained to name things makes of its features: probabilities of K labels."""

    @property
    def spec(self) -> str:
        """That of the backbone whose features it takes."""
        ...

    @property
    def modality(self) -> Modality: ...

    @property
    def dimension(self) -> int:
        """d of the features."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """K names, such as `Bird vocalization, bird call, bird song`."""
        ...

    @property
    def weights(self) -> tuple[WeightFile, ...]:
        """The file of the network, which is that of the backbone, and the list of labels."""
        ...

    @property
    def layer(self) -> LastLayer | None:
        """What makes the probabilities, so that a model can carry it; None where the features are probabilities."""
        ...

    def probabilities(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """A clip's probability of each label, 0 to 1, float32. Raises DataError for features of another dimension."""
        ...


@runtime_checkable
class PreparingBackbone(Backbone, Protocol):
    """A backbone that is fed something else than frames or a waveform, which is made where clips are decoded."""

    @property
    def prepare(self) -> Prepare:
        """What makes the inputs of a clip; it goes with each clip to the process that decodes (`media.prepared`)."""
        ...

    def embed_prepared(self, clips: Sequence[Shaped[np.ndarray, "_u ..."]]) -> Float[Tensor, "n d"]:
        """As `embed`, of what `prepare` made of each clip."""
        ...


class Steps(NamedTuple):
    """A clip window by window, or frame by frame.

    `row` is what `embed` gives for the clip, bit for bit: the mean of `vectors`, but for rounding. Step i is made of
    the frames, or samples, `places[i, 0]` to `places[i, 1]`, which say when it is.
    """

    row: Float[Tensor, " d"]
    vectors: Float[Tensor, "t d"]
    places: Int[np.ndarray, "t 2"]


@runtime_checkable
class SteppingBackbone(Backbone, Protocol):
    """A backbone whose rows are means of windows or frames, and which can give these; others have one step a clip."""

    def embed_steps(self, clips: Sequence[np.ndarray], lengths: Sequence[int]) -> list[Steps]:
        """The steps of each clip, in order of time, one or more.

        Clips are those of `embed`, of a `PreparingBackbone` those of `embed_prepared`; `lengths` are their frames or
        samples, as they were decoded. Where rows have length 1, the steps of a clip are scaled as its row is.
        """
        ...


Space = str | Mapping[Modality, str]
"""The name of a text encoder, or one a modality."""


@runtime_checkable
class BackbonePlugin(Protocol):
    """A module that loads one kind of network.

    It may have two constants more. `TEXT` says that words can be put into the space of its rows, and names the text
    encoder that does it, one for all modalities or one for each (`Space`): `clip:WEIGHTS` as a text encoder shares the
    space of the backbone `clip:WEIGHTS`. Its rows then have unit length. `TRAINED_ON`, a line, says what the
    published weights were trained on, so that reports can warn of classes that they have seen.
    """

    @property
    def DESCRIPTION(self) -> str:
        """One line: what it is, and where its weights come from."""
        ...

    @property
    def MODALITIES(self) -> tuple[Modality, ...]:
        """Those that it embeds."""
        ...

    @property
    def BRINGS_WEIGHTS(self) -> bool:
        """Whether its weights come with its own package, so that a run that is packed need not carry them."""
        ...

    def load(self, modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> Backbone:
        """The network for one of its modalities.

        `weights` is what the spec names: a file, a folder or a name on the hub; None for a spec without. Files are
        looked for as they are, then in the folder `models` (`avgzsl.support.weights.find`).

        Raises WeightsError for weights that are not there or not those of the network, ConfigError for what it cannot
        take and for a library that is not installed.
        """
        ...


def check_clips(clips: Sequence[np.ndarray], needs: FrameNeeds | SoundNeeds) -> None:
    """Raises DataError that names the first clip that is not what `needs` asks for."""
    for position, clip in enumerate(clips):
        wrong = _wrong_frames(clip, needs.size) if isinstance(needs, FrameNeeds) else _wrong_sound(clip)
        if wrong:
            raise DataError(f"clip {position} of {len(clips)}: {wrong}; decode it as the backbone's `needs` tell")


def _wrong_frames(clip: np.ndarray, size: int) -> str:
    if clip.dtype == np.uint8 and clip.ndim == 4 and len(clip) and clip.shape[1:] == (size, size, 3):
        return ""
    return f"{clip.dtype} of {_shape(clip)}, expected one frame or more, uint8 of {size} x {size} x 3"


def _wrong_sound(clip: np.ndarray) -> str:
    if clip.dtype != np.float32 or clip.ndim != 1 or not len(clip):
        return f"{clip.dtype} of {_shape(clip)}, expected one sample or more of a mono waveform, float32"
    return "" if np.isfinite(clip).all() else "its waveform has values that are not finite"


def _shape(clip: np.ndarray) -> str:
    return " x ".join(map(str, clip.shape)) or "no axis"
