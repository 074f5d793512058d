"""Folders that commands are given: a run, an index or a store is found in the folder that `avgzsl demo` makes, too."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avgzsl.features.folder_kinds import Kind


def run_folder(folder: Path) -> Path:
    """The folder of a run, or the one in it."""
    return _found(folder, "run")


def index_folder(folder: Path) -> Path:
    """The folder of an index, or the one in it."""
    return _found(folder, "index")


def store_folder(folder: Path) -> Path:
    """A store or a folder of features, or the store in it."""
    return _found(folder, "store")


def _found(folder: Path, kind: "Kind") -> Path:
    """Says where it is taken from, if that is not what was given."""
    from avgzsl.features.folder_kinds import found_inside

    inside = found_inside(folder, kind)
    if inside is None:
        return folder
    print(f"note: {folder} holds {inside}, which is taken", file=sys.stderr)
    return inside
