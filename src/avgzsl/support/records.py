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
    """What pydantic says of a value, without its own words before those of a check of ours."""
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
        found = [f"{'.'.join(map(str, one['loc']))}: {reason(one)}" for one in problem.errors()]
        wrong = "; ".join(" ".join(one.split())[:_SHOWN] for one in found[:_MOST])
        more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
        raise error(f"{path}: not {what} ({wrong}{more}); {remedy}") from problem
