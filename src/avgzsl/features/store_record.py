"""`store.json`: what a store of features is, and which networks made it."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from avgzsl.features.encoder_record import EncoderRecord
from avgzsl.support.weights import Encoder
from avgzsl.text.part_record import TextPart
from avgzsl.types import Modality

Part = Literal["audio", "video", "text"]


class FileRecord(BaseModel):
    """A file of the store as it was written."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: int
    sha256: str


class StoreRecord(BaseModel):
    """The content of `store.json`: where the clips are, how many, their classes, encoders and files."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int
    root: str
    clips: int = Field(ge=0)
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    """Further columns of the manifest, behind those of COLUMNS."""
    encoders: dict[Part, EncoderRecord]
    files: dict[str, FileRecord]
    text: tuple[TextPart, ...] = ()
    """The parts of the text where there is more to say than the encoder of names, which else stands with the others."""
    decoder: int = Field(default=0, ge=0)
    """`media.version.DECODER` of the features; older stores did not say."""
    steps: dict[Modality, Annotated[int, Field(ge=0)]] = {}
    """How many steps there are in all, of each modality whose sequences are kept; written only where some are."""

    @model_validator(mode="after")
    def _steps_are_of_features(self) -> "StoreRecord":
        if strange := self.steps.keys() - self.encoders.keys():
            raise ValueError(f"steps of {', '.join(sorted(strange))}, of which there are no features")
        return self

    @model_serializer(mode="wrap")
    def _brief(self, write: Callable[["StoreRecord"], dict[str, Any]]) -> dict[str, Any]:
        """A store of means alone has the record that it always had."""
        fields: dict[str, Any] = write(self)
        return {name: value for name, value in fields.items() if name != "steps" or value}

    @property
    def text_parts(self) -> tuple[TextPart, ...]:
        """What the text of the classes is made of; empty where there is none."""
        names = self.encoders.get("text")
        if self.text or names is None:
            return self.text
        return (TextPart(names.dimension, None, Encoder(names.spec, names.weights)),)


def names_encoder(parts: tuple[TextPart, ...]) -> dict[Part, EncoderRecord]:
    """A single part that is an encoder of names and no more is recorded as stores always were."""
    if len(parts) != 1 or parts[0].encoder is None or parts[0] != TextPart(parts[0].width, None, parts[0].encoder):
        return {}
    encoder = parts[0].encoder
    return {"text": EncoderRecord(spec=encoder.spec, dimension=parts[0].width, weights=encoder.weights)}
