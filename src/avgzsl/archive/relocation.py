"""An archive that was moved: its index, told where the files lie now."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avgzsl.archive import clip_database, clip_table, file_table
from avgzsl.archive.changing import writing
from avgzsl.archive.collection import STORES, Collection, open_index
from avgzsl.archive.extraction import store_name
from avgzsl.archive.file_check import CheckedFile, CheckedFiles, check
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.errors import DataError
from avgzsl.features.feature_store import RECORD, is_store, read_record
from avgzsl.features.journal import JOURNAL, open_journal
from avgzsl.features.manifest import is_text, printable
from avgzsl.support import own_folders
from avgzsl.support.files import write_json
from avgzsl.support.own_folders import folder_at
from avgzsl.support.progress import Progress
from avgzsl.support.showing import Shown
from avgzsl.types import MODALITIES


@dataclass(frozen=True)
class Moved(Shown):
    """How many clips have another path now, and what was found at the new paths of their files."""

    clips: int
    files: CheckedFiles

    def rows(self) -> list[dict[str, Any]]:
        """One row a file."""
        return self.files.rows()

    def json(self) -> dict[str, Any]:
        """The number of clips, and the files."""
        return {"clips": self.clips, "files": self.files.json()}


def index_move(
    index: str | Path | Collection,
    old: str | Path,
    new: str | Path,
    *,
    url: str | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Say that what lay in the folder `old` lies in `new`: all clips of it get their new paths at once, or none does.

    Each file is looked for there and compared with what was indexed (`file_check`); one that is gone or another keeps
    its clips, and is told. `old` need not be there any more. Raises DataError when `new` is no folder, when no clip
    lies in `old`, and when none of the files is in `new`: then nothing is changed.
    """
    collection, folder = open_index(index, url), folder_at(new)
    if folder is None:
        raise DataError(f"{new}: is no folder that can be looked into; expected the folder of the moved files")
    if not is_text(str(folder)):
        raise DataError(f"{printable(folder)}: its name is not UTF-8, and no record can hold it; rename the folder")
    with writing(collection) as db:
        files = file_table.files_of_clips(db)
        inside = _inside(old, [path for path, _ in files], collection)
        names = {path: str(folder / path[len(inside) :]) for path, _ in files if path.startswith(inside)}
        moved = ((names[path], names[path], file) for path, file in files if path in names)
        checked = check(moved, len(names), progress=progress)
        if all(file.state == "gone" for file in checked):
            raise DataError(
                f"{folder}: none of the {len(checked)} files that lay in {inside} is there; nothing was changed. Give "
                f"the folder in which {checked[0].path[len(str(folder)) :].lstrip(os.sep)!r} lies"
            )
        _move_stores(collection, Path(inside), folder)
        with clip_database.transaction(db, write=True):
            count = clip_table.move_folder(db, inside, str(folder).rstrip(os.sep) + os.sep)
            file_table.forget(db, names)
            noted = ((file.path, _as_now(file)) for file in checked)
            file_table.note(db, ((path, file) for path, file in noted if file is not None))
    collection.close()
    own_folders.remember(folder)
    return Moved(count, checked)


def _inside(old: str | Path, paths: list[str], collection: Collection) -> str:
    """How the paths of the files in `old` begin, as it is spelled, absolute or without links. Raises DataError."""
    spelled = [os.path.normpath(old), os.path.abspath(old), os.path.realpath(old)]  # noqa: PTH100  (as it is spelled)
    for folder in spelled:
        begin = folder.rstrip(os.sep) + os.sep
        if any(path.startswith(begin) for path in paths):
            return begin
    example = f"its files lie elsewhere, as {paths[0]}" if paths else "its clips have no files"
    raise DataError(f"{collection.folder}: no clip of this index lies in {spelled[-1]}; {example}")


def _as_now(checked: CheckedFile) -> IndexedFile | None:
    """What to note of a file: what it was, and the time that it has now, where its hash says that it is the same."""
    if checked.file is None or checked.state != "same":
        return checked.file
    return checked.file._replace(mtime_ns=Path(checked.path).stat().st_mtime_ns)


def _move_stores(collection: Collection, old: Path, new: Path) -> None:
    """Features of files in `old` are those of files in `new`: they are not extracted again when these are added to."""
    for folder in sorted((collection.folder / STORES).glob("*")):
        if not is_store(folder) or not (folder / JOURNAL).is_file():
            continue
        record = read_record(folder)
        if not Path(record.root).is_relative_to(old):
            continue
        root = new / Path(record.root).relative_to(old)
        specs = {modality: record.encoders[modality].spec for modality in MODALITIES if modality in record.encoders}
        place = folder.with_name(store_name(collection.run, root, specs))
        if place.exists():
            continue
        with open_journal(folder / JOURNAL):  # nobody is extracting into it
            write_json(folder / RECORD, record.model_copy(update={"root": str(root)}).model_dump(mode="json"))
        folder.rename(place)
