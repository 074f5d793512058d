"""Which methods, with which settings, the paper's tables and figures need."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError
from avgzsl.experiments.benchmark import Entry
from avgzsl.experiments.tuning import PRESET
from avgzsl.methods import method_class, variants
from avgzsl.reports.published import COMPARED, TABLES


def needed(what: Iterable[str]) -> list[str]:
    """Names of the entries that tables and figures are made of, each once."""
    entries: dict[str, None] = {}
    for name in what:
        entries |= dict.fromkeys([line.entry for line in TABLES[name].lines] if name in TABLES else COMPARED)
    return list(entries)


def paper_entry(name: str, class_splits: Iterable[str], preset: str | Path | None) -> Entry:
    """An entry with its settings for each class split: those of the preset if there is one for its method, else none.

    `preset` is the name of one, or a folder of tuned ones as `avgzsl tune` writes them:
    `METHOD/CLASS-SPLIT/preset.yaml`, or `METHOD/preset.yaml` for every class split. Raises ConfigError for a file that
    is no preset of the method.
    """
    method, special = variants().get(name, (name, {}))
    settings = {split: {**_preset(method, split, preset), **special} for split in class_splits}
    return Entry(name, method, settings)


def check_preset(preset: str | Path | None, names: Iterable[str]) -> None:
    """Raises ConfigError when none of the entries has the preset, and there is no such folder of presets."""
    lines = variants()
    methods = {lines.get(name, (name, {}))[0] for name in names}
    if preset is None or Path(preset).is_dir() or any(preset in method_class(method).presets for method in methods):
        return
    raise ConfigError(
        f"no method among {', '.join(sorted(methods))} has a preset {str(preset)!r}, and it is no folder of presets; "
        "see `avgzsl methods`, or give the folder in which `avgzsl tune` wrote METHOD/CLASS-SPLIT/preset.yaml"
    )


def _preset(method: str, class_split: str, preset: str | Path | None) -> Mapping[str, Any]:
    kind = method_class(method)
    if preset is None:
        return {}
    if isinstance(preset, str) and preset in kind.presets:
        return kind.presets[preset]
    files = [Path(preset) / method / class_split / PRESET, Path(preset) / method / PRESET]
    file = next((file for file in files if file.is_file()), None)
    return {} if file is None else kind.preset(file)
