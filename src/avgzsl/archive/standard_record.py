"""`standard.json`: mean and deviation of the scores of an index's own clips, by modality (`archive.standard`)."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from avgzsl.errors import DataError
from avgzsl.experiments.run import Run
from avgzsl.methods import Standard, UntrainedMethod
from avgzsl.support.files import write_json
from avgzsl.support.records import read_record
from avgzsl.types import Modality

STANDARD = "standard.json"
FORMAT = 1


class ModalityStandard(BaseModel):
    """What is taken off the scores of a modality, and what they are then divided by."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mean: FiniteFloat
    deviation: Annotated[FiniteFloat, Field(gt=0)]


class StandardRecord(BaseModel):
    """Of so many `clips`, held against the bank of everyday phrases."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = FORMAT
    clips: int = Field(ge=1)
    modalities: dict[Modality, ModalityStandard]


def read_standard(folder: Path) -> StandardRecord | None:
    """The record of an index, None where it has none. Raises DataError for one that is damaged."""
    remedy = "remove it, and make it anew with `avgzsl index-rebuild`"
    try:
        return read_record(folder / STANDARD, StandardRecord, "the standard of an index", remedy, DataError, FORMAT)
    except FileNotFoundError:
        return None


def write_standard(folder: Path, clips: int, method: UntrainedMethod) -> None:
    """Note how a method standardises."""
    modalities = {m: ModalityStandard(mean=s.mean, deviation=s.deviation) for m, s in method.standards.items()}
    write_json(folder / STANDARD, StandardRecord(clips=clips, modalities=modalities).model_dump(mode="json"))


def apply_standard(folder: Path, run: Run) -> None:
    """Let the run of an index, as it was read, score by the index's own standard. Raises DataError."""
    method = run.method
    if isinstance(method, UntrainedMethod) and method.awaits_standard and (record := read_standard(folder)) is not None:
        method.take_standards({m: Standard(own.mean, own.deviation) for m, own in record.modalities.items()})
