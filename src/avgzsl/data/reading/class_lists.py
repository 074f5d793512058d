"""Class lists in the quoted format of the field: one `'dog',` a line."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avgzsl.errors import DataError
from avgzsl.support.registry import unknown
from avgzsl.support.trust import read_text, require_no_way_out

PAIRS = (("seen_class.txt", "unseen_class.txt"), ("train_class.txt", "test_class.txt"))
_HINTS = 10  # near matches take time


@dataclass(frozen=True)
class ClassLists:
    """The classes of a class split, in order, and which of them training may see.

    `plan` says of which stages a split is made, and of which classes each has clips; if it is empty, every stage is a
    split with all classes. `called` is what a class is called in the files of text vectors, where that differs.
    """

    folder: Path
    names: tuple[str, ...]
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    plan: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    called: Mapping[str, str] = field(default_factory=dict)


def read_class_lists(folder: Path) -> ClassLists:
    """Read {all,seen,unseen}_class.txt, or {all,train,test}_class.txt. Raises DataError with everything wrong."""
    pair = next((pair for pair in PAIRS if (folder / pair[0]).is_file()), None)
    if pair is None:
        raise DataError(f"{folder}: neither seen_class.txt nor train_class.txt; expected the list of the seen classes")
    # data without unseen classes may do without the second list
    unseen = read_names(folder / pair[1]) if (folder / pair[1]).is_file() else ()
    lists = ClassLists(folder, read_names(folder / "all_class.txt"), read_names(folder / pair[0]), unseen)
    if problems := list(_problems(lists)):
        raise DataError(f"{folder}: {'; '.join(problems)}. Mend the lists: each class is either seen or unseen.")
    return lists


def write_class_lists(folder: Path, seen: Mapping[str, bool]) -> None:
    """Write the three lists into a new folder, the classes in their order."""
    folder.mkdir(parents=True)
    lists = {"all": [*seen], "seen": [n for n in seen if seen[n]], "unseen": [n for n in seen if not seen[n]]}
    for kind, names in lists.items():
        (folder / f"{kind}_class.txt").write_text(",\n".join(f"'{name}'" for name in names), encoding="utf-8")


def read_names(path: Path) -> tuple[str, ...]:
    """The names in one list, unquoted. Raises DataError for a repeated name or one that cannot name a file."""
    require_no_way_out(path, DataError)
    try:
        lines = read_text(path, DataError).splitlines()
    except FileNotFoundError as problem:
        raise DataError(
            f"{path}: no such file; expected one class name a line: mend the path, or write it"
        ) from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{path}: not readable as UTF-8 text ({problem}); expected one class name a line") from problem
    names = tuple(name for name in map(_unquote, lines) if name)
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"{path}: listed more than once: {', '.join(twice)}; keep one line each")
    if wrong := [name for name in names if "/" in name or "\\" in name or "\0" in name or name in (".", "..")]:
        raise DataError(f"{path}: {', '.join(map(repr, wrong))} cannot name a file of features; rename the class")
    return names


def _unquote(line: str) -> str:
    name = line.strip().removesuffix(",").strip()
    for quote in "'\"":
        if len(name) >= 2 and name[0] == name[-1] == quote:
            return name[1:-1].strip()
    return name


def _problems(lists: ClassLists) -> Iterable[str]:
    every, seen, unseen = set(lists.names), set(lists.seen), set(lists.unseen)
    if both := [name for name in lists.seen if name in unseen]:
        yield f"both seen and unseen: {', '.join(both)}"
    strange = [name for name in [*lists.seen, *lists.unseen] if name not in every]
    for name in strange[:_HINTS]:
        yield f"seen or unseen, but not in all_class.txt: {unknown('class', name, lists.names)}"
    if len(strange) > _HINTS:
        yield f"and {len(strange) - _HINTS} more that are not in all_class.txt"
    if neither := [name for name in lists.names if name not in seen and name not in unseen]:
        yield f"in all_class.txt, but neither seen nor unseen: {', '.join(neither)}"
    if not lists.seen:
        yield "no class is seen; expected at least one"
