"""A table of sentences for the classes of a data set, to be filled by hand or by a model.

The table is a csv `label,description`. Cells that hold something are never written over. With the address, the key and
the name of a model behind the OpenAI chat protocol in the environment, empty ones are filled by it, one question a
class; `FILE.prompt.json` beside it says which model was asked what, for which classes.
"""

import csv
import io
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import as_dataset
from avgzsl.errors import ConfigError, DataError
from avgzsl.features.feature_store import is_store, open_store
from avgzsl.support.arguments import check_arguments
from avgzsl.support.chat import ChatModel, Unanswered
from avgzsl.support.confidential import Address, key_from
from avgzsl.support.files import write_json, write_text
from avgzsl.support.progress import Progress, Step
from avgzsl.support.showing import Shown
from avgzsl.support.spreadsheet import escaped
from avgzsl.support.trust import read_json
from avgzsl.text.descriptions import DescriptionTable, plain, read_rows
from avgzsl.text.part_record import Descriptions
from avgzsl.types import DataChoice

LOG = logging.getLogger("avgzsl")
URL, KEY, MODEL = "AVGZSL_DESCRIBE_URL", "AVGZSL_DESCRIBE_KEY", "AVGZSL_DESCRIBE_MODEL"
PROMPT = (
    'Describe the class "{}" of a collection of video clips in one sentence of at most 30 words: what it looks like '
    'and what it sounds like, as in "church bell: a large bronze bell in a tower, giving deep long strokes". Answer '
    "with that sentence alone."
)
COLUMN = "description"
_LONGEST = 1000  # characters of an answer that is taken for a sentence


@dataclass(frozen=True)
class Described(Shown):
    """The table; the classes that were `filled` now, those that are `empty` still, and why asking for some failed."""

    path: Path
    filled: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row: the table, and how many classes."""
        counts = {"filled": len(self.filled), "empty": len(self.empty), "failed": len(self.failures)}
        return [{"table": str(self.path), **counts}]

    def json(self) -> dict[str, Any]:
        """The table, and the names of the classes."""
        return {
            "table": str(self.path),
            "filled": list(self.filled),
            "empty": list(self.empty),
            "failures": dict(self.failures),
        }


@dataclass
class _Table:
    """A table under way: all its cells, as they are on disk, and in which column names and sentences stand."""

    path: Path
    header: list[str]
    rows: list[list[str]]
    key: int
    column: int

    def write(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([self.header, *self.rows])
        write_text(self.path, text.getvalue())


def describe(
    data: str | Path | Dataset,
    out: str | Path,
    *,
    choice: DataChoice | None = None,
    progress: Progress | None = None,
) -> Described:
    """Write, or go on with, the table of sentences of a data set's classes in the file `out`.

    Classes that the table lacks get a line; what is filled stays as it is. Where AVGZSL_DESCRIBE_URL, _KEY and _MODEL
    are set, that model is sent the names of the classes without a sentence, each within PROMPT, and nothing else; the
    log `avgzsl` says so before. The table is written whole after every answer, so that what was interrupted goes on.
    Raises DataError for a table that cannot be read, ConfigError for an address that does not serve.
    """
    check_arguments(choice=choice, progress=progress)
    path = Path(out)
    model = model_of_environment()
    names = _class_names(data, choice)
    table = _begun(path) if path.exists() else _Table(path, ["label", COLUMN], [], 0, 1)
    places = _places(table, names)
    table.write()
    empty = [name for name in names if not table.rows[places[name]][table.column].strip()]
    if model is None or not empty:
        return Described(path, empty=tuple(empty))
    LOG.warning(
        "note: the names of %d classes are sent to %s (model %s), one question each; nothing else is", len(empty),
        model.address, model.name,
    )  # fmt: skip
    filled: list[str] = []
    failures: dict[str, str] = {}
    for done, name in enumerate(empty, 1):
        try:
            table.rows[places[name]][table.column] = escaped(_sentence(model.ask(PROMPT.replace("{}", name))))
            table.write()
            filled.append(name)
            _note_prompt(path, model, name)
        except Unanswered as problem:
            failures[name] = str(problem)
        if progress is not None:
            progress(Step("describe", done, len(empty), failed=len(failures), item=name))
    return Described(path, tuple(filled), tuple(name for name in empty if name not in filled), failures)


def _class_names(data: str | Path | Dataset, choice: DataChoice | None) -> tuple[str, ...]:
    """Those of a data set; of a store all that its clips have, for sentences are written before classes are divided.

    Raises DataError where no clip has a label, and what `as_dataset` raises.
    """
    whole = choice is None or (choice.class_split is None and not choice.merge_spellings)
    if isinstance(data, Dataset) or not whole or not is_store(Path(data)):
        return as_dataset(data, choice).classes.names
    names = open_store(data).record.classes
    if not names:
        raise DataError(
            f"{data}: no clip has a label, so there is no class to describe; extract again with --manifest or "
            "--labels-from-folders (what is extracted is kept)"
        )
    return tuple(names)


def model_of_environment() -> ChatModel | None:
    """The model that the environment names; None where it names nothing. Raises ConfigError for half of it."""
    url, key, name = os.environ.get(URL), key_from(KEY), os.environ.get(MODEL)
    if not url and key is None and not name:
        return None
    if not url or key is None or not name:
        missing = [variable for variable, value in ((URL, url), (KEY, key), (MODEL, name)) if not value]
        raise ConfigError(
            f"not set: {' and '.join(missing)}; a model is asked where {URL}, {KEY} and {MODEL} are, and none where "
            "none of them is"
        )
    return ChatModel(name, Address(url), key)


def _begun(path: Path) -> _Table:
    """The table that is there, with a column for sentences."""
    header, rows, key, _ = read_rows(path)
    if COLUMN not in header:
        header = [*header, COLUMN]
        rows = {number: [*row, ""] for number, row in rows.items()}
    return _Table(path, header, list(rows.values()), key, header.index(COLUMN))


def _places(table: _Table, names: Sequence[str]) -> dict[str, int]:
    """The row of each class, found under any spelling; classes without one get it."""
    written = {plain(row[table.key]).strip(): (str(number),) for number, row in enumerate(table.rows)}
    if len(written) != len(table.rows):
        raise DataError(f"{table.path}: a class has two lines; keep one of them")
    known = DescriptionTable(table.path, Descriptions(table.path.name, "", (COLUMN,)), written).find(names)
    places = {name: int(found[0]) for name, found in known.items()}
    for name in names:
        if name not in places:
            places[name] = len(table.rows)
            row = [""] * len(table.header)
            row[table.key] = escaped(name)
            table.rows.append(row)
    return places


def _sentence(answer: str) -> str:
    """The answer on one line. Raises Unanswered for what is no sentence."""
    sentence = " ".join(answer.split()).strip("\"'“”* ")
    if not 0 < len(sentence) <= _LONGEST or not sentence.isprintable():
        raise Unanswered(f"the answer is no sentence: {sentence[:60]!r} ({len(sentence)} characters)")
    return sentence


def _note_prompt(path: Path, model: ChatModel, name: str) -> None:
    """Keep beside the table who was asked what, and for which classes."""
    beside = path.with_name(f"{path.name}.prompt.json")
    try:
        asked = read_json(beside, DataError) if beside.exists() else []
    except (OSError, ValueError) as problem:
        raise DataError(f"{beside}: cannot be read ({problem}); move it away") from problem
    same = {"model": model.name, "address": str(model.address), "prompt": PROMPT}
    if not isinstance(asked, list) or not all(isinstance(one, dict) and "classes" in one for one in asked):
        raise DataError(f"{beside}: is no record of prompts; move it away")
    entry = next((one for one in asked if {**one, "classes": 0} == {**same, "classes": 0}), None)
    if entry is None:
        asked.append(entry := {**same, "classes": []})
    entry["classes"] = [*entry["classes"], name]
    write_json(beside, asked)
