"""Which clips there are and what is known of them: a csv file, or a folder, whose subfolders are classes if asked."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError, DataError
from avgzsl.features.clip_paths import Listed, path_from_root
from avgzsl.features.feature_store import COLUMNS
from avgzsl.features.folder_kinds import SUFFIXES, kind_of_folder, what_it_is
from avgzsl.media.needs import Span
from avgzsl.support.trust import read_text
from avgzsl.text.spellings import usual_spellings

GIVEN = ("path", "label", "split", "seen", "start", "end", "id")
SPLITS = {"train": "train", "trn": "train", "val": "val", "test": "test", "tst": "test"}
YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Row:
    """A clip: a span of a file, whose path counts from the root of the clips. `more` are further columns, as text."""

    id: str
    path: str
    label: str | None = None
    split: str | None = None
    seen: bool | None = None
    start: float = 0.0
    end: float | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


def clip_id(path: str, span: Span) -> str:
    """The id of a clip that has none in the manifest: its path, and `@START-END` if it is not the whole file."""
    if span == Span():
        return path
    return f"{path}@{span.start:.10g}-{'' if span.end is None else format(span.end, '.10g')}"


def read_clips(
    root: Path, manifest: Path | None = None, merge_spellings: bool = False, labels_from_folders: bool = False
) -> list[Row]:
    """The clips of a manifest, or all in the folder `root` where there is none (see `list_folder`). Raises DataError.

    With `merge_spellings`, labels that are one class written differently become the most usual of them. Raises
    ConfigError for labels from folders beside a manifest, which has its own.
    """
    if manifest is not None and labels_from_folders:
        raise ConfigError(f"{manifest}: is where labels come from, so that folders give none; leave one of the two out")
    if not is_text(str(root.resolve())):
        raise DataError(
            f"{printable(root.resolve())}: its name is not UTF-8, and no record can hold it; rename the folder"
        )
    if manifest is None:
        return list_folder(root, merge_spellings, labels_from_folders)
    return read_manifest(manifest, root, merge_spellings)


def list_folder(root: Path, merge_spellings: bool = False, labels_from_folders: bool = False) -> list[Row]:
    """Every media file below `root` (by its suffix), in order of path, without a label.

    With `labels_from_folders`, its label is the subfolder of `root` it is in; files in `root` itself have none. Hidden
    files and folders are left out. As in a manifest, links to files are followed within `root`. Raises DataError when
    there is none, and for links to media files or folders outside it.
    """
    if not root.is_dir():
        raise DataError(f"{root}: {'a file' if root.exists() else 'not there'}; expected a folder of clips")
    if kind_of_folder(root) in ("run", "index", "store"):  # whose pictures are no clips
        raise DataError(f"{root}: is not a folder of clips{what_it_is(root, 'clips')}")
    outside: list[Path] = []
    paths = sorted(path.relative_to(root) for path in _media(root, root.resolve(), outside))
    if outside:
        raise DataError(
            f"{root}: {len(outside)} links lead out of the folder of the clips, as {outside[0]} to "
            f"{outside[0].resolve()}; give the folder in which the files are, or put copies in the place of the links"
        )
    if not paths:
        raise DataError(
            f"{root}: no clips; expected media files (such as .mp4, .mkv, .wav), in it or in its subfolders"
        )
    labels = [printable(Path(path.parts[0])) if labels_from_folders and len(path.parts) > 1 else None for path in paths]
    rows = [Row(printable(path), path.as_posix(), label) for path, label in zip(paths, labels, strict=True)]
    return _merged(rows) if merge_spellings else rows


def printable(path: Path) -> str:
    """A path as text; bytes of a name that is no UTF-8 are escaped, as in `caf\\xe9.mp4`."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_text(path: str) -> bool:
    """Whether a path can be written down as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


def read_manifest(path: Path, root: Path, merge_spellings: bool = False) -> list[Row]:
    """The clips that a csv file lists, in its order. Its first line names the columns; only `path` has to be there.

    `path` counts from `root`, which it must not leave. `label` is a class name; `split` one of train (trn), val, test
    (tst); `seen` yes or no, the same for every clip of a class; `start` and `end` seconds; `id` unique. Any of these
    may be empty. Further columns are carried along as text. Raises DataError with every line that is wrong.
    """
    header, lines = _read_csv(path)
    if not root.is_dir():
        raise DataError(f"{root}: {'a file' if root.exists() else 'not there'}; expected the folder of the clips")
    if strange := sorted(set(header) & (set(COLUMNS) - set(GIVEN))):
        raise DataError(f"{path}: the columns {', '.join(strange)} are written by extraction; rename them")
    problems: list[str] = []
    rows: dict[int, Row] = {}
    inside = root.resolve()
    listed: Listed = {}
    for number, values in lines:
        if len(values) != len(header):
            problems.append(f"line {number}: {len(values)} values; expected {len(header)}, one a column")
            continue
        cells = {name: value.strip() for name, value in zip(header, values, strict=True)}
        faults: list[str] = []
        row = _row(cells, root, inside, listed, faults)
        problems += [f"line {number}: {fault}" for fault in faults]
        if row is not None:
            rows[number] = row
    if merge_spellings:
        rows = dict(zip(rows, _merged(rows.values()), strict=True))
    problems += [*_repeated(rows), *_contradictions(rows.values())]
    if problems:
        raise DataError(f"{path}: {len(problems)} things to mend:\n  " + "\n  ".join(problems))
    if not rows:
        raise DataError(f"{path}: lists no clip; expected a line a clip below the names of the columns")
    return list(rows.values())


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns; the other lines that are not empty, with their numbers."""
    try:
        reader = csv.reader(io.StringIO(read_text(path, DataError), newline=""), strict=True)
        lines = [(reader.line_num, values) for values in reader if any(value.strip() for value in values)]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path}: not readable as a csv file in UTF-8 ({problem})") from problem
    header = [name.strip() for name in lines[0][1]] if lines else []
    if "path" not in header:
        columns = ", ".join(header) or "nothing"
        raise DataError(f"{path}: its first line names {columns}; expected the columns, of which one is called path")
    if twice := sorted({name for name in header if header.count(name) > 1 or not name}):
        raise DataError(f"{path}: columns {', '.join(map(repr, twice))} named twice or not at all; name each once")
    return header, lines[1:]


def _row(cells: dict[str, str], root: Path, inside: Path, listed: Listed, faults: list[str]) -> Row | None:
    """The clip of one line, from its `cells` by column; None for a wrong line, whose faults are added to `faults`."""
    path = path_from_root(cells["path"], root, inside, listed, faults)
    split = _choice("split", cells, SPLITS, faults)
    seen = _choice("seen", cells, YES_NO, faults)
    start, end = _seconds("start", cells, faults), _seconds("end", cells, faults)
    if end is not None and end <= (start or 0.0):
        faults.append(f"end {end:g} is not after start {start or 0.0:g}")
    if cells.get("seen") and not cells.get("label"):
        faults.append("seen says something of a class, but there is no label")
    if faults or path is None:
        return None
    further = {name: value for name, value in cells.items() if name not in GIVEN}
    name = cells.get("id") or clip_id(path, Span(start or 0.0, end))
    return Row(name, path, cells.get("label") or None, split, seen, start or 0.0, end, further)


def _merged(rows: Iterable[Row]) -> list[Row]:
    rows = list(rows)
    usual = usual_spellings(row.label for row in rows if row.label is not None)
    return [row if row.label is None else replace(row, label=usual[row.label]) for row in rows]


def _choice(name: str, cells: dict[str, str], values: Mapping[str, Any], faults: list[str]) -> Any:
    value = cells.get(name, "")
    if value and value.lower() not in values:
        faults.append(f"{name} is {value!r}; expected {', '.join(values)}, or nothing")
    return values.get(value.lower())


def _seconds(name: str, cells: dict[str, str], faults: list[str]) -> float | None:
    value = cells.get(name, "")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        faults.append(f"{name} is {value!r}; expected seconds, 0 or more")
        return None
    return seconds


def _repeated(rows: Mapping[int, Row]) -> Iterator[str]:
    """A sentence for each clip, and each id, that stands on a second line."""
    clips: dict[tuple[str, Span], int] = {}
    ids: dict[str, int] = {}
    for number, row in rows.items():
        first = clips.setdefault((row.path, row.span), number)
        if first != number:
            yield f"line {number}: {clip_id(row.path, row.span)} stands on line {first} already; keep one"
        elif (first := ids.setdefault(row.id, number)) != number:
            yield f"line {number}: the id {row.id!r} is that of line {first}; ids must differ"


def _contradictions(rows: Iterable[Row]) -> Iterator[str]:
    """A sentence for each class that is seen and unseen, or of which only others' lines say whether it is seen."""
    seen: dict[str, set[bool]] = {}
    for row in rows:
        if row.label is not None:
            marks = seen.setdefault(row.label, set())
            if row.seen is not None:
                marks.add(row.seen)
    if both := [label for label, values in seen.items() if len(values) > 1]:
        yield f"seen is yes and no for the same class: {', '.join(both)}; each class is either seen or unseen"
    if any(seen.values()) and (unmarked := [label for label, values in seen.items() if not values]):
        yield f"seen is given for some classes, but not for {', '.join(unmarked)}"


def _media(folder: Path, inside: Path, outside: list[Path]) -> Iterator[Path]:
    """The media files below a folder; links that lead out of the real folder `inside` are noted in `outside`.

    What a link to a folder leads to is listed where it is, not twice.
    """
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except PermissionError:
        return
    for entry in entries:
        is_folder, is_link = entry.is_dir(), entry.is_symlink()
        is_media = entry.suffix.lower() in SUFFIXES and entry.is_file()
        if is_link and (is_folder or is_media) and not entry.resolve().is_relative_to(inside):
            outside.append(entry)
        elif is_media:
            yield entry
        elif is_folder and not is_link:
            yield from _media(entry, inside, outside)
