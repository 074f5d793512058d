"""Which methods, with which settings, the paper's tables and figures need."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError
from avgzsl.experiments.benchmark import Entry
from avgzsl.experiments.tuning import PRESET
from avgzsl.methods import method_class
from avgzsl.methods.avgzslnet import ALL_TERMS
from avgzsl.reports.published import TABLES

# entries that are a method under another name, or with a setting of their own
_SPECIAL: dict[str, tuple[str, dict[str, Any]]] = {
    "cjme": ("cjme", {"attention": "none"}),
    "cjme-attention": ("cjme", {"attention": "joint"}),
    "pretrained-audio": ("pretrained", {"input": "audio"}),
    "pretrained-video": ("pretrained", {"input": "video"}),
    **{
        f"without-{term}": ("avgzslnet", {"attention": "none", "terms": tuple(t for t in ALL_TERMS if t != term)})
        for term in ALL_TERMS
    },
}
FIGURES: dict[str, tuple[str, ...]] = {
    "figure5": ("avgzslnet", "cjme"),
    "figure6": ("avgzslnet", "cjme"),
    "figure7": ("avgzslnet", "cjme"),
}


def needed(what: Iterable[str]) -> list[str]:
    """Names of the entries that tables and figures are made of, each once."""
    names: dict[str, None] = {}
    for name in what:
        entries = [line.entry for line in TABLES[name].lines] if name in TABLES else FIGURES[name]
        names |= dict.fromkeys(entries)
    return list(names)


def paper_entry(name: str, class_splits: Iterable[str], preset: str | Path | None) -> Entry:
    """An entry with its settings for each class split: those of the preset if there is one for its method, else none.

    `preset` is the name of one, or a folder of tuned ones as `avgzsl tune` writes them:
    `METHOD/CLASS-SPLIT/preset.yaml`, or `METHOD/preset.yaml` for every class split. Raises ConfigError for a file that
    is no preset of the method.
    """
    method, special = _SPECIAL.get(name, (name, {}))
    settings = {split: {**_preset(method, split, preset), **special} for split in class_splits}
    return Entry(name, method, settings)


def check_preset(preset: str | Path | None, names: Iterable[str]) -> None:
    """Raises ConfigError when none of the entries has the preset, and there is no such folder of presets."""
    methods = {_SPECIAL.get(name, (name, {}))[0] for name in names}
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
