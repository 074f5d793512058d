"""What was fetched into a folder of models: the revision and the hash of each file, in `fetched/NAME.json` there.

Where a card has no hash, the first download is what later ones are compared with.
"""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from avgzsl.errors import WeightsError
from avgzsl.support.files import write_json
from avgzsl.support.trust import read_json

_FOLDER = "fetched"


@dataclass(frozen=True)
class Record:
    """The revision that was fetched, and the SHA-256 of each file by its name; empty before the first download."""

    revision: str | None = None
    files: dict[str, str] = field(default_factory=dict)


def read_record(models: Path, name: str) -> Record:
    """The record of weights in a folder of models. Raises WeightsError for a damaged one."""
    path = record_file(models, name)
    if not path.exists():
        return Record()
    try:
        return TypeAdapter(Record).validate_python(read_json(path, WeightsError))
    except (OSError, ValueError, ValidationError) as problem:
        raise WeightsError(
            f"{path}: not a record of fetched weights ({problem}); remove it: the files are then recorded as they are"
        ) from problem


def write_record(models: Path, name: str, record: Record) -> None:
    """Write the record, whole or not at all. Raises AvgzslError when the disk refuses."""
    write_json(record_file(models, name), {"revision": record.revision, "files": record.files})


def record_file(models: Path, name: str) -> Path:
    """Where the record of weights is."""
    return models / _FOLDER / f"{name}.json"


def waiting_folder(models: Path, name: str) -> Path:
    """Where the files of weights wait until all of them have come."""
    return models / _FOLDER / f"{name}.waiting"
