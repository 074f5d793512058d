"""The path that a manifest gives for a clip, found below the root of the clips; else why not, and what is similar."""

import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

# the entries of folders by name, once for each form in which names are compared
Listed = dict[tuple[Path, Callable[[str], str]], dict[str, list[Path]]]


def path_from_root(text: str, root: Path, inside: Path, listed: Listed, faults: list[str]) -> str | None:
    """The path, from `root`, of a file that exists and lies inside the root; else None, and why in `faults`.

    `text` is the path as the manifest gives it, `inside` the resolved root; `listed` keeps the entries of folders that
    were read.
    """
    if not text or "\0" in text:
        faults.append(f"{text!r} is no path of a file")
        return None
    if ".." in PurePosixPath(text).parts or ".." in PureWindowsPath(text).parts:
        faults.append(f"{text}: leaves the folder of the clips; expected a path inside {root}")
        return None
    place = root / text
    try:
        resolved, is_file = place.resolve(), place.is_file()
    except (OSError, RuntimeError) as problem:  # a name that is too long; links in a circle
        faults.append(f"{text}: {getattr(problem, 'strerror', None) or problem}")
        return None
    if not resolved.is_relative_to(inside):
        faults.append(f"{text}: lies outside the folder of the clips ({resolved}); expected a path inside {root}")
    elif not is_file:
        similar = None if place.exists() else _similar_path(root, text, listed)
        if similar is not None and _composed(similar) == _composed(text):
            return similar  # the same name, composed otherwise
        hint = "" if similar is None else f"; there is {similar}"
        faults.append(f"{text}: {'not a file' if place.exists() else 'not there'} (looked for {place}){hint}")
    elif Path(text).is_absolute():
        return _from_root(place, root, inside).as_posix()
    else:
        return PurePosixPath(text).as_posix()
    return None


def _similar_path(root: Path, text: str, listed: Listed) -> str | None:
    """The path of the one file whose name differs in nothing but the composition of accents, else in case."""
    if PurePosixPath(text).is_absolute():
        return None
    for form in (_composed, _caseless):
        matches = [root]
        for part in PurePosixPath(text).parts:
            by_folder = [_entries_by_name(folder, form, listed) for folder in matches]
            matches = [entry for entries in by_folder for entry in entries.get(form(part), [])]
        if len(matches) == 1 and matches[0].is_file() and matches[0].resolve().is_relative_to(root.resolve()):
            return matches[0].relative_to(root).as_posix()
    return None


def _entries_by_name(folder: Path, form: Callable[[str], str], listed: Listed) -> dict[str, list[Path]]:
    """The entries of a folder by the given form of their names; each folder is read once, however many clips miss."""
    if (folder, form) not in listed:
        names: dict[str, list[Path]] = {}
        if folder.is_dir():
            for entry in folder.iterdir():
                names.setdefault(form(entry.name), []).append(entry)
        listed[folder, form] = names
    return listed[folder, form]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _caseless(name: str) -> str:
    return _composed(_composed(name).casefold())


def _from_root(place: Path, root: Path, inside: Path) -> Path:
    return place.relative_to(root) if place.is_relative_to(root) else place.resolve().relative_to(inside)
