"""Which methods, with which settings, the paper's tables and figures need."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError
from avgzsl.experiments.benchmark import Entry
from avgzsl.experiments.tuning import PRESET
from avgzsl.methods import Method, find_method, marked, variants
from avgzsl.reports.published import COMPARED, TABLES


def needed(what: Iterable[str]) -> list[str]:
    """Names of the entries that tables and figures are made of, each once."""
    entries: dict[str, None] = {}
    for name in what:
        entries |= dict.fromkeys([line.entry for line in TABLES[name].lines] if name in TABLES else COMPARED)
    return list(entries)


def paper_entry(name: str, class_splits: Iterable[str], preset: str | None, tuned: Path | None) -> Entry:
    """An entry with its settings for each class split: the tuned ones, else the preset if the method has it, else none.

    `name` is a line of a table, or a method: its name or `path/to/file.py:Class`. `tuned` holds
    `METHOD/CLASS-SPLIT/preset.yaml` or `METHOD/preset.yaml`, as `avgzsl tune` writes them. Raises UnknownNameError, and
    ConfigError for a file that is no preset of the method.
    """
    lines = variants()
    method, special = lines.get(name, (name, {}))
    kind = find_method(method)
    settings = {split: {**_chosen_settings(kind, split, preset, tuned), **special} for split in class_splits}
    return Entry(name if name in lines else kind.name, method, settings)


def check_preset(preset: str | None, names: Iterable[str]) -> None:
    """Raises ConfigError when none of the entries has the preset."""
    lines = variants()
    kinds = {find_method(lines.get(name, (name, {}))[0]) for name in names}
    if preset is not None and not any(preset in kind.presets for kind in kinds):
        names_of_kinds = ", ".join(sorted(kind.name for kind in kinds))
        raise ConfigError(f"no method among {names_of_kinds} has a preset {preset!r}; see `avgzsl methods`")


def default_opponent(labels: Sequence[str]) -> str:
    """What the others are paired with where nothing is said: the default method, or the first where it is not there."""
    default = marked("default")[0]
    return default if default in labels else labels[0]


def _chosen_settings(kind: type[Method], class_split: str, preset: str | None, tuned: Path | None) -> Mapping[str, Any]:
    files = [] if tuned is None else [tuned / kind.name / class_split / PRESET, tuned / kind.name / PRESET]
    file = next((file for file in files if file.is_file()), None)
    return kind.presets.get(preset or "", {}) if file is None else kind.preset(file)
