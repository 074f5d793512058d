"""What made the rows of a store: a backbone or text encoder, as the store and its journal record it."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_serializer

from avgzsl.backbones import Backbone
from avgzsl.support.weights import WeightFile
from avgzsl.text.base import TextEncoder
from avgzsl.types import Precision

_USUAL = (("precision", "float32"), ("unit", False))


class EncoderRecord(BaseModel):
    """A backbone or text encoder: its spec, as `load` takes it, and what that was loaded from.

    `unit`: a backbone gives rows of unit length; those of a shared space did not in older stores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    spec: str
    dimension: int = Field(gt=0)
    weights: tuple[WeightFile, ...] = ()
    precision: Precision = "float32"
    unit: bool = False

    @model_serializer(mode="wrap")
    def _brief(self, write: Callable[["EncoderRecord"], dict[str, Any]]) -> dict[str, Any]:
        """What older stores did not say is written only where it differs: records of the same encoders stay equal."""
        fields: dict[str, Any] = write(self)
        return {name: value for name, value in fields.items() if (name, value) not in _USUAL}


def record(encoder: Backbone | TextEncoder) -> EncoderRecord:
    """The record of a loaded encoder."""
    return EncoderRecord(
        spec=encoder.spec,
        dimension=encoder.dimension,
        weights=encoder.weights,
        precision=getattr(encoder, "precision", "float32"),
        unit=getattr(encoder, "unit", False),
    )
