"""Records on disk: JSON with a format version, read back and validated, with one set of messages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from avgzsl.errors import AvgzslError
from avgzsl.support.trust import read_json

_MOST, _SHOWN = 10, 300  # faults that are told, and letters of each

Record = TypeVar("Record", bound=BaseModel)


def reason(error: Mapping[str, Any]) -> str:
    """The message of one of pydantic's errors, without the words that it puts before those of our own checks."""
    return str(error["msg"]).removeprefix("Value error, ")


def read_record(
    path: Path, model: type[Record], what: str, remedy: str, error: type[AvgzslError], newest: int | None = None
) -> Record:
    """The record in `path`, which is `what` (as in "a run's config").

    Raises `error`, with the remedy, for a file that is damaged, of a format newer than `newest`, or no such record; and
    FileNotFoundError or NotADirectoryError, for the caller knows what should have made it.
    """
    try:
        content = read_json(path, error)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError) as problem:
        raise error(f"{path}: cannot be read ({problem}); {remedy}") from problem
    version = content.get("format") if isinstance(content, dict) else None
    if newest is not None and isinstance(version, int) and version > newest:
        raise error(f"{path}: format {version} is newer than {newest}, which this avgzsl reads; upgrade avgzsl")
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {reason(fault)}" for fault in problem.errors()]
        described = "; ".join(" ".join(fault.split())[:_SHOWN] for fault in faults[:_MOST])
        further = f" and {len(faults) - _MOST} more" if len(faults) > _MOST else ""
        raise error(f"{path}: not {what} ({described}{further}); {remedy}") from problem
