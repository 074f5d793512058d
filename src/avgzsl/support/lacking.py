"""Which files are not on this machine: asked of other machines, so it imports nothing that takes time to load."""

from collections.abc import Sequence
from pathlib import Path


def lacking_files(files: Sequence[Path]) -> list[Path]:
    """Those of the files that are not there."""
    return [file for file in files if not file.exists()]
