"""What a search found as files: a table, a playlist, and the clips themselves, cut out."""

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from avgzsl.archive.hits import Hit, Hits
from avgzsl.archive.playlist import Played, playlist
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.media.cut import Cut, cut
from avgzsl.media.needs import Span
from avgzsl.media.workers import Decoders, Limits
from avgzsl.support import own_folders
from avgzsl.support.arguments import check_list
from avgzsl.support.files import whole_folder, write_text
from avgzsl.support.progress import Progress, Step
from avgzsl.support.showing import Shown
from avgzsl.support.spreadsheet import write_table

TABLE = "clips.csv"
_COLUMNS = (
    *("id", "path", "start", "end", "label", "seen", "split", "licence", "source", "score", "distance"),
    *("audio", "video", "evidence", "likely"),
)
_CUT = ("rank", "cut", "clip", "start", "end", "problem")
_LIMITS = Limits(seconds=1800.0)  # encoding ten minutes of a large film takes longer than decoding them
_LONGEST = 40  # characters of a name; with four bytes each, and the times, it fits any file system
_FILES = {
    "gone": "its file is gone",
    "changed": "its file has changed since it was indexed; `avgzsl index-add` takes it in anew",
    "touched": "its file may have changed since it was indexed; `avgzsl index-add` compares it and notes its time",
}


@dataclass(frozen=True)
class Cuts(Shown):
    """The files that were cut, in the order of the hits, and the hits that gave none, by rank, with the reason."""

    folder: Path
    files: tuple[Path, ...]
    failures: tuple[tuple[int, str], ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a file."""
        return [{"file": file.name} for file in self.files]


def save_table(hits: Hits, file: str | Path) -> None:
    """Write hits as csv, one line a hit, safe for spreadsheets (`support.spreadsheet`).

    Raises ConfigError for a file that is there, AvgzslError where it cannot be written.
    """
    rows: list[list[object]] = []
    for rank, hit in enumerate(hits, 1):
        of_hit: dict[str, object] = vars(hit) | dict(hit.distances)
        rows.append([rank, *(of_hit[column] for column in _COLUMNS)])
    write_table(new_file(file), ("rank", *_COLUMNS), rows)


def save_playlist(hits: Hits, file: str | Path) -> None:
    """Write the hits that have a file as an extended m3u. Raises as `save_table`."""
    entries = [
        Played(f"{hit.label or hit.id} ({rank})", hit.path, hit.start or 0.0, hit.end)
        for rank, hit in enumerate(hits, 1)
        if hit.path is not None and hit.file != "gone"
    ]
    write_text(new_file(file), playlist(entries))


def cut_clips(
    hits: Hits, folder: str | Path, *, media: Sequence[str | Path] = (), progress: Progress | None = None
) -> Cuts:
    """Cut the clips out of their files into a new folder, each as `media.cut` says, and a table of them.

    A file is opened only where it lies in a folder that the user indexed on this machine, or in one of `media`, and is
    the one that was indexed. A hit without such a file is told in the table and in `failures`. Nothing is overwritten,
    and the folder is there whole or not at all. Raises ConfigError for a folder that holds something, or a folder of
    `media` that is none, DataError where no hit gives a file.
    """
    check_list("media", media)
    target = new_folder(folder)
    allowed = tuple(_folder(given) for given in media)
    names: list[str] = []
    failures: list[tuple[int, str]] = []
    with whole_folder(target) as place, Decoders(1, _LIMITS) as decoders:
        for rank, hit in enumerate(hits, 1):
            name, problem = _cut(decoders, rank, hit, place, allowed)
            names.append(name)
            failures += [(rank, problem)] if problem else []
            if progress is not None:
                progress(Step("cut", rank, len(hits), failed=len(failures), item=hit.id))
        if len(failures) == len(hits):
            raise DataError(f"{target}: no clip could be cut; {failures[0][1] if failures else 'there is no hit'}")
        why = dict(failures)
        rows = [(rank, names[rank - 1], h.id, h.start, h.end, why.get(rank)) for rank, h in enumerate(hits, 1)]
        write_table(place / TABLE, _CUT, rows)
    return Cuts(target, tuple(target / name for name in names if name), tuple(failures))


def _cut(decoders: Decoders, rank: int, hit: Hit, place: Path, allowed: tuple[Path, ...]) -> tuple[str, str]:
    """The name of the file that a hit gave, or why it gave none."""
    try:
        path = _file_of(hit, allowed)
        stem = place / cut_stem(rank, in_its_folder(hit.id, path.name), hit.start, hit.end)
        made: Cut = decoders.call(cut, path, stem, path.suffix, Span(hit.start or 0.0, hit.end))
        return made.path.name, ""
    except AvgzslError as problem:
        return "", str(problem)


def in_its_folder(id: str, name: str) -> str:
    """The name of a clip's file behind the folder that stands in the clip's id, if there is one."""
    folder = id.rpartition("/")[0]
    return f"{folder}/{name}" if folder else name


def cut_stem(number: int, name: str, start: float | None, end: float | None) -> str:
    """The name of a cut file, without its ending: no two of different numbers are the same, and none leads elsewhere.

    Folders of `name` stand flat before it. Where all is too long, the last words of the folders and the name stay.

    >>> cut_stem(3, "../birds/a b:c.mp4", 12.5, 20.0)
    '0003_birds_a-b-c_12.5-20s'
    """
    path = PurePath(unicodedata.normalize("NFC", name))
    *folders, own = [*map(_letters, path.parts[:-1]), _letters(path.stem)]
    words = "_".join(filter(None, [*folders, own[:_LONGEST]]))
    if len(words) > _LONGEST:  # from the first word that is whole
        begin = len(words) - _LONGEST
        words = words[next((i for i in range(begin, len(words)) if words[i - 1] in "-_"), begin) :]
    times = "" if not start and end is None else f"_{_seconds(start or 0.0)}-{'' if end is None else _seconds(end)}s"
    return f"{number:04d}_{words}{times}"


def _letters(part: str) -> str:
    """Letters and digits of a part of a path, joined by one sign."""
    return "-".join("".join(c if c.isalnum() else " " for c in part).split())


def _seconds(time: float) -> str:
    """To a hundredth: the number in front keeps names apart, and the table says it exactly."""
    return f"{time:.2f}".rstrip("0").rstrip(".")


def new_file(file: str | Path) -> Path:
    """Raises ConfigError where something is there."""
    if os.path.lexists(file):
        raise ConfigError(f"{file}: is there already, and nothing is overwritten; give another name, or remove it")
    return Path(file)


def new_folder(folder: str | Path) -> Path:
    """Raises ConfigError for what is no folder, or holds something."""
    path = Path(folder)
    if os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or any(path.iterdir())):
        raise ConfigError(f"{folder}: holds something already, and nothing is overwritten; give a new folder")
    return path


def _folder(given: str | Path) -> Path:
    found = own_folders.folder_at(given)
    if found is None:
        raise ConfigError(f"{given} is no folder; expected one in which the clips' files lie")
    return found


def _file_of(hit: Hit, media: tuple[Path, ...]) -> Path:
    """The file of a hit, without links. Raises DataError for one that is not to be opened."""
    if hit.path is None:
        raise DataError(f"{hit.id}: only the features of this clip were indexed, it has no file")
    real = Path(os.path.realpath(hit.path))
    named = media if hit.file == "unknown" else (*own_folders.remembered(), *media)
    if own_folders.covering(real, named) is None:
        raise DataError(f"{hit.id}: its file lies in no folder that you have indexed on this machine; name it as media")
    if hit.file in _FILES:
        raise DataError(f"{hit.id}: {_FILES[hit.file]}")
    return real
