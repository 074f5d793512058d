"""`recall.json`: how many of the nearest clips an approximate engine finds, measured on an index's own questions.

`archive.recall` measures and writes it. An approximate engine whose recall is not noted here is not asked.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from avgzsl.archive.collection import Collection
from avgzsl.errors import DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.support.files import write_json
from avgzsl.support.records import read_record

RECALL = "recall.json"
FORMAT = 1
TOP = 10  # of the nearest clips, the share of so many that are found


class ModeRecall(BaseModel):
    """`recall`: the share of the nearest that is found; `candidates`: clips that are ranked for each that is asked
    for; `questions`: on so many it was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    recall: Annotated[float, Field(ge=0, le=1)]
    candidates: Annotated[int, Field(ge=1, le=1 << 20)]
    questions: Annotated[int, Field(ge=1)]


class RecallRecord(BaseModel):
    """By mode, of so many `clips`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = FORMAT
    clips: Annotated[int, Field(ge=0)]
    modes: dict[str, ModeRecall]


def measured(collection: Collection, mode: Mode) -> ModeRecall | None:
    """What is noted of the engine in a mode; None where it is exact, or nothing is noted. Raises DataError."""
    return measured_modes(collection).get(str(mode))


def measured_modes(collection: Collection) -> dict[str, ModeRecall]:
    """What is noted of an approximate engine, by mode; nothing of an exact one. Raises DataError for a damaged file."""
    remedy = "remove it, and measure anew with `avgzsl index-rebuild`"
    try:
        path = collection.folder / RECALL
        return read_record(path, RecallRecord, "the recall of an index", remedy, DataError, FORMAT).modes
    except FileNotFoundError:
        return {}


def write_recall(collection: Collection, clips: int, modes: dict[str, ModeRecall]) -> None:
    """Note what was measured."""
    write_json(collection.folder / RECALL, RecallRecord(clips=clips, modes=modes).model_dump(mode="json"))
