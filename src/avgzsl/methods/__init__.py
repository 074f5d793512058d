"""The methods, one a file: a file here is a method, found by listing the folder."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avgzsl.methods._base import (
    Method,
    check_settings,
    check_training,
    clip_features,
    dimensions,
    fitted,
    parse_override,
)
from avgzsl.methods._embeddings import Embeddings, late
from avgzsl.support import registry

__all__ = [
    "Embeddings",
    "Method",
    "build",
    "check_settings",
    "check_training",
    "clip_features",
    "dimensions",
    "fitted",
    "late",
    "method_class",
    "methods",
    "parse_override",
]


def methods() -> list[str]:
    """Names of all methods."""
    return registry.available(sys.modules[__name__])


def method_class(name: str) -> type[Method]:
    """The class of a method. Raises UnknownNameError with near matches."""
    module = registry.load(sys.modules[__name__], "method", name)
    return Method.registered[module.__name__]


def build(name: str, preset: str | Path | None = None, settings: Mapping[str, Any] | None = None) -> Method:
    """A method that is not fitted yet: its defaults, then the preset (a name or a YAML file), then `settings`.

    Raises UnknownNameError for the method or preset, ConfigError listing every bad key and value at once.
    """
    cls = method_class(name)
    return check_settings(cls, {**cls.preset(preset), **(settings or {})})
