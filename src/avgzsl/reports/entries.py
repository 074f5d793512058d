"""Which methods, with which settings, the paper's tables and figures need."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError
from avgzsl.experiments.benchmark import Entry
from avgzsl.experiments.tuning import PRESET
from avgzsl.methods import marked, method_class, variants
from avgzsl.reports.published import TABLES

FIGURES = ("figure5", "figure6", "figure7")  # of the default method beside the baseline


def needed(what: Iterable[str]) -> list[str]:
    """Names of the entries that tables and figures are made of, each once."""
    names: dict[str, None] = {}
    for name in what:
        if name in TABLES:
            names |= dict.fromkeys(line.entry for line in TABLES[name].lines)
        else:
            names |= dict.fromkeys([*marked("default"), *marked("baseline")])
    return list(names)


def paper_entry(name: str, class_splits: Iterable[str], preset: str | None, tuned: Path | None) -> Entry:
    """An entry with its settings for each class split: the tuned ones, else the preset if the method has it, else none.

    `tuned` holds `METHOD/CLASS-SPLIT/preset.yaml` or `METHOD/preset.yaml`, as `avgzsl tune` writes them. Raises
    ConfigError for a preset that no method has.
    """
    method, special = variants().get(name, (name, {}))
    cls = method_class(method)
    settings: dict[str, Mapping[str, Any]] = {}
    for split in class_splits:
        files = [] if tuned is None else [tuned / method / split / PRESET, tuned / method / PRESET]
        file = next((file for file in files if file.is_file()), None)
        base = cls.preset(file) if file is not None else cls.presets.get(preset or "", {})
        settings[split] = {**base, **special}
    return Entry(name, method, settings)


def check_preset(preset: str | None, names: Iterable[str]) -> None:
    """Raises ConfigError when none of the entries has the preset."""
    lines = variants()
    methods = {lines.get(name, (name, {}))[0] for name in names}
    if preset is not None and not any(preset in method_class(method).presets for method in methods):
        raise ConfigError(f"no method among {', '.join(sorted(methods))} has a preset {preset!r}; see `avgzsl methods`")
