"""Which clips there are and what is known of them: a csv file, or a folder with one subfolder a class."""

import csv
import io
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from avgzsl.errors import DataError
from avgzsl.features.feature_store import COLUMNS
from avgzsl.media.needs import Span
from avgzsl.support.trust import read_text
from avgzsl.text.spellings import usual_spellings

Listed = dict[tuple[Path, Callable[[str], str]], dict[str, list[Path]]]
GIVEN = ("path", "label", "split", "seen", "start", "end", "id")
SPLITS = {"train": "train", "trn": "train", "val": "val", "test": "test", "tst": "test"}
YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"),
    *(".webm", ".wmv", ".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"),
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".webp"),
)


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
    """What a clip is called that was given no id: its file, and its span if that is not the whole file."""
    if span == Span():
        return path
    return f"{path}@{span.start:.10g}-{'' if span.end is None else format(span.end, '.10g')}"


def read_clips(root: Path, manifest: Path | None = None, merge_spellings: bool = False) -> list[Row]:
    """The clips of a manifest, or all in the folder `root` where there is none. Raises DataError.

    With `merge_spellings`, labels that are one class written differently become the most usual of them.
    """
    if not is_text(str(root.resolve())):
        raise DataError(
            f"{printable(root.resolve())}: its name is not UTF-8, and no record can hold it; rename the folder"
        )
    return list_folder(root, merge_spellings) if manifest is None else read_manifest(manifest, root, merge_spellings)


def list_folder(root: Path, merge_spellings: bool = False) -> list[Row]:
    """Every media file below `root` (by its suffix), in order of path; its label is the subfolder of `root` it is in.

    Files in `root` itself have no label. Hidden files and folders are left out. As in a manifest, links to files are
    followed within `root`. Raises DataError when there is none, and for links to media files or folders outside it.
    """
    if not root.is_dir():
        raise DataError(f"{root}: {'a file' if root.exists() else 'not there'}; expected a folder of clips")
    outside: list[Path] = []
    paths = sorted(path.relative_to(root) for path in _media(root, root.resolve(), outside))
    if outside:
        raise DataError(
            f"{root}: {len(outside)} links lead out of the folder of the clips, as {outside[0]} to "
            f"{outside[0].resolve()}; give the folder in which the files are, or put copies in the place of the links"
        )
    if not paths:
        raise DataError(f"{root}: no clips; expected media files (such as .mp4, .mkv, .wav), one subfolder a class")
    rows = [
        Row(printable(path), path.as_posix(), label=printable(Path(path.parts[0])) if len(path.parts) > 1 else None)
        for path in paths
    ]
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
        given = {name: value.strip() for name, value in zip(header, values, strict=True)}
        wrong: list[str] = []
        row = _row(given, root, inside, listed, wrong)
        problems += [f"line {number}: {one}" for one in wrong]
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
        named = ", ".join(header) or "nothing"
        raise DataError(f"{path}: its first line names {named}; expected the columns, of which one is called path")
    if twice := sorted({name for name in header if header.count(name) > 1 or not name}):
        raise DataError(f"{path}: columns {', '.join(map(repr, twice))} named twice or not at all; name each once")
    return header, lines[1:]


def _row(given: dict[str, str], root: Path, inside: Path, listed: Listed, wrong: list[str]) -> Row | None:
    """The clip of one line; None, and the reasons in `wrong`, for a line that is not right."""
    path = _path(given["path"], root, inside, listed, wrong)
    split = _choice("split", given, SPLITS, wrong)
    seen = _choice("seen", given, YES_NO, wrong)
    start, end = _seconds("start", given, wrong), _seconds("end", given, wrong)
    if end is not None and end <= (start or 0.0):
        wrong.append(f"end {end:g} is not after start {start or 0.0:g}")
    if given.get("seen") and not given.get("label"):
        wrong.append("seen says something of a class, but there is no label")
    if wrong or path is None:
        return None
    more = {name: value for name, value in given.items() if name not in GIVEN}
    name = given.get("id") or clip_id(path, Span(start or 0.0, end))
    return Row(name, path, given.get("label") or None, split, seen, start or 0.0, end, more)


def _path(given: str, root: Path, inside: Path, listed: Listed, wrong: list[str]) -> str | None:
    """The path from the root, of a file that is there and inside it."""
    if not given or "\0" in given:
        wrong.append(f"{given!r} is no path of a file")
        return None
    if ".." in PurePosixPath(given).parts or ".." in PureWindowsPath(given).parts:
        wrong.append(f"{given}: leaves the folder of the clips; expected a path inside {root}")
        return None
    place = root / given
    try:
        resolved, there = place.resolve(), place.is_file()
    except (OSError, RuntimeError) as problem:  # a name that is too long; links in a circle
        wrong.append(f"{given}: {getattr(problem, 'strerror', None) or problem}")
        return None
    if not resolved.is_relative_to(inside):
        wrong.append(f"{given}: lies outside the folder of the clips ({resolved}); expected a path inside {root}")
    elif not there:
        like = None if place.exists() else _like(root, given, listed)
        if like is not None and _composed(like) == _composed(given):
            return like  # the same name, composed otherwise
        near = "" if like is None else f"; there is {like}"
        wrong.append(f"{given}: {'not a file' if place.exists() else 'not there'} (looked for {place}){near}")
    elif Path(given).is_absolute():
        return _from_root(place, root, inside).as_posix()
    else:
        return PurePosixPath(given).as_posix()
    return None


def _like(root: Path, given: str, listed: Listed) -> str | None:
    """The path of the one file whose name differs in nothing but the composition of accents, else in case."""
    if PurePosixPath(given).is_absolute():
        return None
    for form in (_composed, _caseless):
        here = [root]
        for part in PurePosixPath(given).parts:
            here = [entry for folder in here for entry in _named(folder, form, listed).get(form(part), [])]
        if len(here) == 1 and here[0].is_file() and here[0].resolve().is_relative_to(root.resolve()):
            return here[0].relative_to(root).as_posix()
    return None


def _named(folder: Path, form: Callable[[str], str], listed: Listed) -> dict[str, list[Path]]:
    """What is in a folder, by name in one form. A list of clips may miss thousands: each folder is read once."""
    if (folder, form) not in listed:
        names = listed[folder, form] = {}
        for entry in folder.iterdir() if folder.is_dir() else ():
            names.setdefault(form(entry.name), []).append(entry)
    return listed[folder, form]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _caseless(name: str) -> str:
    return _composed(_composed(name).casefold())


def _merged(rows: Iterable[Row]) -> list[Row]:
    rows = list(rows)
    usual = usual_spellings(row.label for row in rows if row.label is not None)
    return [row if row.label is None else replace(row, label=usual[row.label]) for row in rows]


def _from_root(place: Path, root: Path, inside: Path) -> Path:
    return place.relative_to(root) if place.is_relative_to(root) else place.resolve().relative_to(inside)


def _choice(name: str, given: dict[str, str], known: Mapping[str, Any], wrong: list[str]) -> Any:
    value = given.get(name, "")
    if value and value.lower() not in known:
        wrong.append(f"{name} is {value!r}; expected {', '.join(known)}, or nothing")
    return known.get(value.lower())


def _seconds(name: str, given: dict[str, str], wrong: list[str]) -> float | None:
    value = given.get(name, "")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        wrong.append(f"{name} is {value!r}; expected seconds, 0 or more")
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
            seen.setdefault(row.label, set()).update(() if row.seen is None else (row.seen,))
    if both := [label for label, values in seen.items() if len(values) > 1]:
        yield f"seen is yes and no for the same class: {', '.join(both)}; each class is either seen or unseen"
    if any(seen.values()) and (silent := [label for label, values in seen.items() if not values]):
        yield f"seen is given for some classes, but not for {', '.join(silent)}"


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
