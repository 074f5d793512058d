"""The figures of a run as the API gives them: its results, and the course of its training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from avgzsl.errors import RunError
from avgzsl.experiments.run import HISTORY, RESULTS, Run
from avgzsl.server.schema import RunTables

_ROWS = TypeAdapter(list[dict[str, Any]])


def tables_of(run: Run) -> RunTables:
    """What the folder of a run says of it; no rows where a file is not there. Raises RunError for a damaged one."""
    config, folder = run.config, run.folder
    results = _read(folder / RESULTS, lambda text: _json(text)["results"])
    history = _read(folder / HISTORY, lambda text: [_json(line) for line in text.splitlines()])
    return RunTables(method=config.method, seed=config.seed, settings=config.settings, results=results, history=history)


def _read(path: Path, rows: Callable[[str], Any]) -> list[dict[str, Any]]:
    """The JSON objects in a file of the run; none where it is not there. Raises RunError for a damaged one."""
    try:
        return _ROWS.validate_python(rows(path.read_text()) if path.exists() else [])
    except (LookupError, TypeError, ValidationError) as problem:
        raise RunError(f"{path}: holds something else than rows of figures; restore it from the run") from problem
    except (OSError, ValueError) as problem:
        raise RunError(f"{path}: cannot be read ({problem}); restore it from the run") from problem


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=lambda _: None)  # NaN is no JSON
