"""Written sentences a class: a csv with a column `label` or `name` and one or more columns of text."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.registry import unknown
from avgzsl.support.spreadsheet import escaped, unescaped
from avgzsl.support.trust import read_regular
from avgzsl.support.weights import models_folder
from avgzsl.text.names import LONGEST_NAME, check_names, shown, spellings, tokens
from avgzsl.text.part_record import Descriptions

KEYS = ("label", "name")
LONGEST_SENTENCE = 10_000  # characters
_MOST_NAMED = 10  # of the classes without a sentence
_LARGEST = 256 << 20  # bytes
_EXPECTED = "expected a column label or name, and columns of text"


@dataclass(frozen=True, eq=False)
class DescriptionTable:
    """`sentences[name]` are those of a class, one a column, no blank ones; `record` is what is kept of the table."""

    path: Path
    record: Descriptions
    sentences: Mapping[str, tuple[str, ...]]

    def find(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The sentences of each name that has some, under its own or another spelling."""
        index: dict[str, str | None] = {}
        for written in self.sentences:
            key = _key(written)
            index[key] = None if key in index else written  # two rows of one key: only their own spellings tell them
        found: dict[str, tuple[str, ...]] = {}
        for name in names:
            same = next((one for one in spellings(name) if one in self.sentences), None)
            row = same if same is not None else index.get(_key(name))
            if row is not None and self.sentences[row]:
                found[name] = self.sentences[row]
        return found

    def of(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The sentences of each name. Raises DataError that says how many have none, and names some of them."""
        found = self.find(names)
        if lacking := [name for name in names if name not in found]:
            raise DataError(
                f"{self.path}: no sentence for {len(lacking)} of {len(names)} classes: {shown(lacking, _MOST_NAMED)}. "
                "Write one into "
                f"{' or '.join(self.record.columns)} for each (`avgzsl describe DATA --out {self.path.name}` adds the "
                "lines that lack)"
            )
        return found

    def known_as(self, others: Mapping[str, Sequence[str]]) -> "DescriptionTable":
        """The table in which a name without sentences also has those of the other names that are given for it."""
        found = self.find(list(others))
        more = {
            name: sentences
            for name, called in others.items()
            if name not in found
            for sentences in list(self.find(called).values())[:1]
        }
        return replace(self, sentences={**self.sentences, **more})


def read_descriptions(file: str | Path, columns: Sequence[str] = (), models: Path | None = None) -> DescriptionTable:
    """The table in a file, or in one of that name in the models folder; `columns` none: all that hold text.

    The column of names may be among the columns: then the name itself counts as one of the sentences. A name that has
    two lines must have the same sentences in both. Raises DataError, naming file and line, and
    ConfigError for a column that is not there.
    """
    path = _find(str(file), models)
    header, rows, place, content = read_rows(path)
    key = header[place]
    texts = [column for column in header if column not in KEYS and _holds_text(rows, header.index(column))]
    if strange := [column for column in columns if column not in header]:
        raise ConfigError(f"{path}: {unknown('column', strange[0], texts)}")
    chosen = tuple(columns) or tuple(texts)
    if set(chosen) <= {key}:
        raise DataError(f"{path}: no column of text beside {key}; {_EXPECTED}")
    places = [header.index(column) for column in chosen]
    sentences: dict[str, tuple[str, ...]] = {}
    for number, row in rows.items():
        name = _checked(path, number, row[place])
        own = tuple(_sentence(path, number, row[one]) for one in places if row[one].strip())
        own = own if any(row[one].strip() for one in places if one != place) else ()  # a name alone says nothing more
        if sentences.setdefault(name, own) != own:
            raise DataError(f"{path}: line {number}: {name!r} has other sentences already; keep one of the two")
    return DescriptionTable(path, Descriptions(path.name, sha256(content).hexdigest(), chosen), sentences)


def _find(file: str, models: Path | None) -> Path:
    places = [Path(file), models_folder(models) / file]
    for place in places:
        if place.exists() and not place.is_dir():
            return place
    searched = " or ".join(str(place.absolute()) for place in dict.fromkeys(places))
    raise DataError(
        f"no descriptions {file} (looked for {searched}); {_EXPECTED} (`avgzsl describe DATA --out {Path(file).name}` "
        "writes one to be filled)"
    )


def read_rows(path: Path) -> tuple[list[str], dict[int, list[str]], int, bytes]:
    """The names of the columns, the rows by the number of their (last) line, where names stand, and the file's bytes.

    Raises DataError, naming file and line.
    """
    try:
        content = read_regular(path, DataError, _LARGEST)
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path}: not readable as csv ({problem}); {_EXPECTED}") from problem
    if not lines:
        raise DataError(f"{path}: is empty; {_EXPECTED}")
    header, rows = [cell.strip() for cell in lines[0][1]], dict(lines[1:])
    if len(set(header)) != len(header):
        raise DataError(f"{path}: its columns are {', '.join(header)}; expected names that differ")
    for number, row in rows.items():
        if len(row) != len(header):
            raise DataError(
                f"{path}: line {number}: {len(row)} cells; expected {len(header)} ({', '.join(header)}); put text "
                "with commas into quotation marks"
            )
    key = next((one for one in KEYS if one in header), None)
    if key is None:
        raise DataError(f"{path}: its columns are {', '.join(header) or 'none'}; {_EXPECTED}")
    return header, rows, header.index(key), content


def plain(cell: str) -> str:
    """A cell that was marked for spreadsheets (`support.spreadsheet`) without its mark; any other as it is."""
    text = unescaped(cell)
    return text if escaped(text) == cell else cell


def _holds_text(rows: Mapping[int, list[str]], place: int) -> bool:
    cells = [row[place].strip() for row in rows.values() if row[place].strip()]
    return not cells or not all(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _checked(path: Path, number: int, name: str) -> str:
    name = plain(name)
    try:
        check_names([name])
    except DataError as problem:
        raise DataError(f"{path}: line {number}: {problem}") from problem
    return name.strip()


def _sentence(path: Path, number: int, cell: str) -> str:
    """A cell on one line. Raises DataError for one that is too long, or holds what is no text."""
    sentence = " ".join(plain(cell).split())
    if len(sentence) > LONGEST_SENTENCE:
        raise DataError(
            f"{path}: line {number}: a text of {len(sentence):,} characters; expected a sentence or a few, at most "
            f"{LONGEST_SENTENCE:,} characters"
        )
    if any(not char.isprintable() for char in sentence):
        raise DataError(f"{path}: line {number}: {sentence[:60]!r} holds what is no text; write it again")
    return sentence


def _key(name: str) -> str:
    """What `Apply Eye Makeup`, `apply_eye_makeup` and `ApplyEyeMakeup` share."""
    return "".join(tokens(name[:LONGEST_NAME])).casefold()
