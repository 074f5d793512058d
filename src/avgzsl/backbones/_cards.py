"""Cards: a description of an exported model: its file, what goes in, which tensor is the feature, and its labels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float, Int, Shaped
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from avgzsl.errors import ConfigError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.support.records import reason
from avgzsl.support.trust import read_yaml

_Channels = Annotated[tuple[float, float, float], Strict(False)]  # YAML has lists
_CHUNK = 16
_MOST_ERRORS = 20  # errors that are told


class _CardModel(BaseModel):
    """A card or a part of one: unknown fields and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SoundInput(_CardModel):
    """Windows of a waveform. A sound shorter than one is padded with zeros; a rest shorter than one is left out."""

    rate: int = Field(ge=1000, le=384_000)
    """Samples a second."""
    window: int = Field(ge=1)
    """Samples the model takes."""
    hop: int = Field(ge=1)
    """Samples from one window to the next."""
    quiet: float = Field(default=0.0, ge=0)
    """Windows with an RMS under this are left out, unless all are; a sound of full scale has peaks of 1."""
    seconds: float | None = Field(default=None, gt=0)
    """Only so much of the beginning."""
    full_scale: float = Field(default=1.0, gt=0)
    """The value that the model takes for a peak of 1."""

    @property
    def needs(self) -> SoundNeeds:
        return SoundNeeds(self.rate, self.seconds)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.window,)

    @property
    def dtype(self) -> str:
        return "float32"

    def examples(self, sound: Float[np.ndarray, " n"]) -> Iterator[Float[np.ndarray, "w s"]]:
        """The windows that the model is given, w at a time of s samples each."""
        windows, chosen = self._windows(sound)
        for start in range(0, len(chosen), _CHUNK):
            yield windows[chosen[start : start + _CHUNK]] * np.float32(self.full_scale)

    def places(self, sound: Float[np.ndarray, " n"]) -> Int[np.ndarray, "w 2"]:
        """The samples of each of these windows: the first, and one behind the last."""
        _, chosen = self._windows(sound)
        return np.stack([chosen * self.hop, np.minimum(chosen * self.hop + self.window, len(sound))], axis=1)

    def _windows(self, sound: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, "_w s"], Int[np.ndarray, " _k"]]:
        """All windows, and which of them are loud enough."""
        end = None if self.seconds is None else max(1, round(self.seconds * self.rate))
        sound_used = sound[:end]
        padded = np.pad(sound_used, (0, max(0, self.window - len(sound_used))))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.window)[:: self.hop]
        rms = np.array([np.sqrt(np.square(window, dtype=np.float64).mean()) for window in windows])
        loud = np.flatnonzero(rms >= self.quiet)
        return windows, loud if len(loud) else np.arange(len(windows))


class PictureInput(_CardModel):
    """Frames: how many, how large, and as which numbers."""

    size: int = Field(ge=1, le=4096)
    """Pixels a side."""
    short_side: int | None = Field(default=None, ge=1, le=4096)
    """Resize the shorter side to this and cut the centre square out; left out, the whole picture is stretched."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    count: int | None = Field(default=None, ge=1)
    """So many frames, from the middles of equal parts of a clip."""
    fps: float | None = Field(default=None, gt=0)
    """Or so many frames a second."""
    dtype: Literal["float32", "uint8", "int8"] = "float32"
    """uint8: the pixels; int8: the pixels less 128; float32: (pixel / 255 - mean) / std."""
    layout: Literal["NHWC", "NCHW"]
    """Channels last or first."""
    mean: _Channels | None = None
    std: _Channels | None = None

    @field_validator("std")
    @classmethod
    def _positive(cls, std: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if std is not None and min(std) <= 0:
            raise ValueError("expected three numbers above 0")
        return std

    @model_validator(mode="after")
    def _agree(self) -> "PictureInput":
        if (self.count is None) == (self.fps is None):
            raise ValueError("expected one of count and fps")
        if self.short_side is not None and self.short_side < self.size:
            raise ValueError(f"short_side {self.short_side} is smaller than size {self.size}: nothing to cut out of")
        if self.dtype != "float32" and (self.mean or self.std):
            raise ValueError(f"mean and std are of dtype float32, not of {self.dtype}")
        return self

    @property
    def needs(self) -> FrameNeeds:
        return FrameNeeds(self.size, self.fps, self.count, self.short_side, self.interpolation)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 3) if self.layout == "NHWC" else (3, self.size, self.size)

    def examples(self, frames: Shaped[np.ndarray, "t s s 3"]) -> Iterator[Shaped[np.ndarray, "k ..."]]:
        """The frames as the model takes them, k at a time: NHWC or NCHW, of `dtype`."""
        for start in range(0, len(frames), _CHUNK):
            values = self._values(frames[start : start + _CHUNK])
            yield values if self.layout == "NHWC" else np.ascontiguousarray(values.transpose(0, 3, 1, 2))

    def places(self, frames: Shaped[np.ndarray, "t s s 3"]) -> Int[np.ndarray, "t 2"]:
        """Each frame by itself."""
        return np.arange(len(frames))[:, None] + np.arange(2)

    def _values(self, frames: np.ndarray) -> np.ndarray:
        if self.dtype == "uint8":
            return frames
        if self.dtype == "int8":
            return (frames.astype(np.int16) - 128).astype(np.int8)
        mean, std = (np.array(v, dtype=np.float32) for v in (self.mean or (0, 0, 0), self.std or (1, 1, 1)))
        return (frames.astype(np.float32) / np.float32(255) - mean) / std


Activation = Literal["sigmoid", "softmax"]
"""What turns logits into probabilities: sigmoid each for itself, softmax all together."""


class Output(_CardModel):
    """The feature among a model's tensors; its value is scale * (number - zero_point)."""

    tensor: int | str | None = None
    """Index or name; left out, the first output."""
    scale: float | None = Field(default=None, gt=0)
    zero_point: int | None = None
    """Both left out: those that the model's file tells, if it does, else the numbers as they are."""
    activation: Activation | None = None
    """Applied to the values of each window or frame, before their mean; left out, the values as they are."""

    @model_validator(mode="after")
    def _both(self) -> "Output":
        if (self.scale is None) != (self.zero_point is None):
            raise ValueError("expected both of scale and zero_point, or neither")
        return self


class Head(_CardModel):
    """The last layer of the model, from the feature to the probabilities: activation(weights x feature + bias)."""

    weights: int | str
    """Index or name of the constant of labels x dimension."""
    bias: int | str
    """Index or name of the constant with a number a label."""
    activation: Activation


class Labels(_CardModel):
    """What the model is trained to tell apart. One label a line, in the order of the probabilities."""

    file: str = Field(pattern=r"^[^/\\]+$")
    """Its name: it lies beside the card or the weights, or in the models folder, or inside the file of the weights."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    published: str
    """Where its authors publish it."""
    head: Head | None = None
    """Left out: the feature itself is the probabilities."""


class _Card(_CardModel):
    description: str
    engine: str
    """A file of the folder `engines`."""
    file: str = Field(pattern=r"^[^/\\]+$")
    """Its name: it lies beside the card or in the models folder."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    published: str
    """Where its authors publish it."""
    trained_on: str | None = None
    """One line, so that reports can warn of classes that the network has seen."""
    dimension: int = Field(ge=1)
    """Numbers of the feature; a clip's is the mean over its windows or frames."""
    output: Output = Output()
    labels: Labels | None = None
    """Of a tagger alone."""


class SoundCard(_Card):
    modality: Literal["audio"]
    input: SoundInput


class PictureCard(_Card):
    modality: Literal["video"]
    input: PictureInput


Card = SoundCard | PictureCard


def read_card(path: Path) -> Card:
    """Read and check a card. Raises ConfigError that lists every error of the file."""
    try:
        content = read_yaml(path, ConfigError)
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path}: not a card of a backbone ({problem}); expected a YAML file") from problem
    try:
        card: Card = TypeAdapter(Annotated[Card, Field(discriminator="modality")]).validate_python(content)
    except ValidationError as problem:
        faults = "\n".join(f"  {_describe(dict(error))}" for error in problem.errors()[:_MOST_ERRORS])
        raise ConfigError(f"{path}: not a card of a backbone; correct these and try again:\n{faults}") from problem
    return card


def _describe(error: dict[str, Any]) -> str:
    # the first part is the modality that chose the model
    place = " ".join(".".join(str(part) for part in error["loc"][1:])[:80].split())
    value = "" if error["type"] == "missing" else f" (given: {str(error['input'])[:80]})"
    return f"{place or 'card'}: {reason(error)}{value}"
