"""Which methods, with which settings, the paper's tables and figures need."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError
from avgzsl.experiments.benchmark import Entry
from avgzsl.experiments.tuning import PRESET
from avgzsl.methods import method_class
from avgzsl.reports.published import COMPARED, TABLES, entry_of


def needed(what: Iterable[str]) -> list[str]:
    """Names of the entries that tables and figures are made of, each once."""
    entries: dict[str, None] = {}
    for name in what:
        lines = [line.entry for line in TABLES[name].lines] if name in TABLES else COMPARED
        entries |= dict.fromkeys(lines)
    return list(entries)


def paper_entry(name: str, class_splits: Iterable[str], preset: str | None, tuned: Path | None) -> Entry:
    """An entry with its settings for each class split: the tuned ones, else the preset if the method has it, else none.

    `tuned` holds `METHOD/CLASS-SPLIT/preset.yaml` or `METHOD/preset.yaml`, as `avgzsl tune` writes them. Raises
    ConfigError for a preset that no method has.
    """
    entry = entry_of(name)
    cls = method_class(entry.method)
    settings: dict[str, Mapping[str, Any]] = {}
    for split in class_splits:
        files = [] if tuned is None else [tuned / entry.method / split / PRESET, tuned / entry.method / PRESET]
        file = next((file for file in files if file.is_file()), None)
        base = cls.preset(file) if file is not None else cls.presets.get(preset or "", {})
        settings[split] = {**base, **entry.settings}
    return Entry(name, entry.method, settings)


def check_preset(preset: str | None, names: Iterable[str]) -> None:
    """Raises ConfigError when none of the entries has the preset."""
    methods = {entry_of(name).method for name in names}
    if preset is not None and not any(preset in method_class(method).presets for method in methods):
        raise ConfigError(f"no method among {', '.join(sorted(methods))} has a preset {preset!r}; see `avgzsl methods`")
