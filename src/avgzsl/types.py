"""Names that every module shares: the modalities of a clip and of a test, and the two choices made in every call."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from avgzsl.errors import ConfigError

Modality = Literal["audio", "video"]
Precision = Literal["float32", "bf16"]  # of the sums inside a backbone; its rows are float32
TestModality = Literal["audio", "video", "both"]
Fusion = Literal["equal", "attention", "weighted"]  # attention: a weight a clip; weighted: one, from validation
RetrievalKind = Literal["plain", "corrected"]  # by the scores themselves, or with the energy term
Calibration = Literal["val", "pseudo-unseen", "none", "oracle"]
TextOrder = Literal["right", "avca-published"]  # which text vector a class gets; docs/data.md says why there are two

MODALITIES: tuple[Modality, ...] = get_args(Modality)
TEST_MODALITIES: tuple[TestModality, ...] = get_args(TestModality)
CALIBRATIONS: tuple[Calibration, ...] = get_args(Calibration)
TEXT_ORDERS: tuple[TextOrder, ...] = get_args(TextOrder)


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoders clips and names go through, and where they run.

    `audio` and `video` are specs of backbones, `text` one or several parts of the text of names (`text.part_spec`;
    kept as a tuple); `avgzsl encoders` lists what there is. None takes those that a run or an index knows of itself.
    Weights are looked for in the folder `models`; `device` is auto, cpu, cuda or cuda:N. `precision` is that of the
    backbones of the transformers library; the others have float32 alone. Without `unit`, rows of a space with words
    have the length that the network gives them, as in older stores.
    """

    audio: str | None = None
    video: str | None = None
    text: Sequence[str] | None = ()
    models: str | Path | None = None
    device: str = "auto"
    precision: Precision = "float32"
    unit: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", text_parts(self.text))

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the text, none where none were given."""
        return text_parts(self.text)


@dataclass(frozen=True)
class DataChoice:
    """How a folder of data is read.

    `layout` None is recognised; `class_split` None is the first, or only, one. With `drop_bad_rows`, clips with values
    that are not finite are left out. `text_order`: which text vector a class gets. With `merge_spellings`, classes that
    are one class written differently become one. `text` says what the text of the classes is made of, a part each
    (`text.part_spec`; kept as a tuple); none is what the data brings, as `own` is. Its encoders look for weights in the
    folder `models`.
    """

    layout: str | None = None
    class_split: str | None = None
    drop_bad_rows: bool = False
    text_order: TextOrder = "right"
    merge_spellings: bool = False
    text: Sequence[str] | None = ()
    models: str | Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", text_parts(self.text))

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the text, none where none were given."""
        return text_parts(self.text)


def text_parts(text: Sequence[str] | None) -> tuple[str, ...]:
    """One part of the text, or several, as a tuple. Raises ConfigError for what is no text."""
    given = (text,) if isinstance(text, str) else tuple(text or ())
    if strange := [part for part in given if not isinstance(part, str)]:
        raise ConfigError(f"text is {strange[0]!r}; expected parts as text, as in text=('own', 'minilm')")
    return given
