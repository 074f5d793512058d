"""What a folder is that was given where another kind of folder belongs, and the command that leads on from there."""

import os
import shlex
from itertools import islice
from pathlib import Path
from typing import Literal

SUFFIXES = (  # of media files
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"),
    *(".webm", ".wmv", ".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"),
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".webp"),
)

Kind = Literal["run", "index", "store", "features", "clips"]
_FILES: dict[Kind, tuple[str, ...]] = {  # what one of a kind has, whatever else is in it
    "index": ("index.json", "clips.sqlite"),
    "store": ("store.json",),
    "run": ("config.json", "classes.safetensors"),
    "features": ("features", "class-split"),
}
_INSIDE: dict[Kind, str] = {"run": "run", "index": "index", "store": "store"}  # their names in a folder of `demo`
_LOOKED_AT = 10_000  # files, until one is a clip

_TO_RUN = "`avgzsl train {folder} --out RUN` makes a run of it"
_TO_INDEX = "`avgzsl index RUN {folder} --out INDEX` makes an index of it with a run"
_SEARCHED = "`avgzsl search {folder} WORDS` searches it, `avgzsl serve {folder}` in the browser"
_FROZEN = "`avgzsl open {folder}` searches it as it is, `avgzsl index {folder} --frozen --out INDEX` makes an index"
_USED = "`avgzsl predict {folder} CLIPS` recognises clips, `avgzsl index {folder} CLIPS --out INDEX` makes an index"
_NEXT: dict[tuple[Kind, Kind], str] = {  # by what was expected and what was given
    ("run", "index"): "the run that made it is {folder}/run",
    ("run", "store"): _TO_RUN,
    ("run", "features"): _TO_RUN,
    ("run", "clips"): "extract features first, {extract}, then train",
    ("index", "run"): "`avgzsl index {folder} CLIPS --out INDEX` makes an index of clips with it",
    ("index", "store"): _TO_INDEX,
    ("index", "features"): _TO_INDEX,
    ("index", "clips"): _FROZEN,
    ("features", "run"): _USED,
    ("features", "index"): _SEARCHED,
    ("features", "clips"): "extract features first: {extract}",
    ("store", "run"): _USED,
    ("store", "index"): _SEARCHED,
    ("store", "features"): "what it holds is divided by its class-split; `avgzsl train {folder} --out RUN` takes it",
    ("store", "clips"): "extract features first: {extract}",
    ("clips", "run"): _USED,
    ("clips", "index"): _SEARCHED,
    ("clips", "store"): f"its clips are extracted already; {_TO_RUN}",
}
_CALLED = {"run": "a run", "index": "an index", "store": "a store of features", "features": "a folder of features"}


def kind_of_folder(folder: Path) -> Kind | None:
    """What a folder is, by the names of its files; None for one that is none of these, or not there."""
    for kind, names in _FILES.items():
        if all((folder / name).exists() for name in names):
            return kind
    return "clips" if _has_clips(folder) else None


def found_inside(folder: Path, kind: Kind) -> Path | None:
    """The run, index or store in a folder that is none itself, as `avgzsl demo` makes one."""
    inside = folder / _INSIDE.get(kind, kind)
    there = all((inside / name).exists() for name in _FILES[kind])
    return inside if there and not any((folder / names[0]).exists() for names in _FILES.values()) else None


def what_it_is(folder: Path, expected: Kind) -> str:
    """` but …`: what the folder is instead of what was expected, and what to do; empty where nothing is known."""
    if (inside := found_inside(folder, expected) if expected in _FILES else None) is not None:
        return f", but holds one: {inside}"
    found = kind_of_folder(folder)
    if found is None or (told := _NEXT.get((expected, found))) is None:
        return ""
    called = _CALLED.get(found, "a folder of clips")
    quoted = shlex.quote(os.fspath(folder))
    return f" but {called}; {told.format(folder=quoted, extract=_extract(folder) if found == 'clips' else '')}"


def _extract(folder: Path) -> str:
    """The command that extracts a folder of clips; any encoders, and labels from where they seem to be."""
    quoted = shlex.quote(os.fspath(folder))
    labels = " --labels-from-folders"
    if (folder / "manifest.csv").is_file():
        labels = f" --manifest {shlex.quote(os.fspath(folder / 'manifest.csv'))}"
    chosen = "--audio descriptors --video descriptors --text hashed-words"
    return f"`avgzsl extract {quoted} --out STORE {chosen}{labels}`"


def _has_clips(folder: Path) -> bool:
    """Whether there is a media file among the first files in it and its subfolders."""
    files = (name for _, _, names in os.walk(folder) for name in names)
    return any(name.lower().endswith(SUFFIXES) for name in islice(files, _LOOKED_AT))
