"""Presets: settings of a method under a name of its own, or in a YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError, UnknownNameError
from avgzsl.support.registry import unknown
from avgzsl.support.trust import read_yaml


def read_preset(method: str, presets: Mapping[str, Mapping[str, Any]], preset: str | Path | None) -> dict[str, Any]:
    """The settings of one of `presets`, or of a YAML file; none for None. Raises UnknownNameError or ConfigError."""
    if preset is None:
        return {}
    if str(preset) in presets:
        return dict(presets[str(preset)])
    path = Path(preset)
    if path.suffix not in {".yaml", ".yml"}:
        raise UnknownNameError(unknown(f"preset of {method}", str(preset), presets) + " Or give a YAML file.")
    try:
        settings = read_yaml(path, ConfigError)
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path}: cannot be read as a preset ({problem})") from problem
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise ConfigError(f"{path}: a preset is a mapping of hyper-parameters, found {type(settings).__name__}")
    return settings
