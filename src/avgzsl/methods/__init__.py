"""The methods: those of this folder, one a file, and those of installed packages.

A file here is a method; another package announces its own as entry points of the group `avgzsl.methods`, each
`name = "package.module:Class"`. What a method is written with is imported from here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import Method, fitted
from avgzsl.methods._choice import MethodChoice, chosen_class, plugin_class
from avgzsl.methods._class_vectors import DAGGER, FOOTNOTE, marked_label
from avgzsl.methods._embeddings import Embeddings, TextEmbeddings, late, present, video_weight
from avgzsl.methods._examples import Examples
from avgzsl.methods._inputs import by_modality, check_training, clip_features, dimensions
from avgzsl.methods._references import bibtex, citation_keys, references
from avgzsl.methods._settings import check_settings, parse_override, settings_of
from avgzsl.methods._single import SingleFeature
from avgzsl.methods._untrained import Standard, UntrainedMethod
from avgzsl.scores.similarity import Name as SimilarityName
from avgzsl.support.registry import Plugins

__all__ = [
    "DAGGER",
    "FOOTNOTE",
    "PLUGINS",
    "SETTINGS",
    "Embeddings",
    "Examples",
    "Job",
    "Method",
    "MethodChoice",
    "SimilarityName",
    "SingleFeature",
    "Standard",
    "TextEmbeddings",
    "UntrainedMethod",
    "bibtex",
    "build",
    "by_modality",
    "check_settings",
    "check_training",
    "citation_keys",
    "clip_features",
    "dimensions",
    "find_method",
    "fitted",
    "late",
    "marked",
    "marked_label",
    "method_class",
    "methods",
    "parse_override",
    "present",
    "references",
    "settings_of",
    "untrained",
    "variants",
    "video_weight",
]

PLUGINS = Plugins[type[Method]](__name__, "method", plugin_class, "avgzsl.methods")
_OWN = Plugins[type[Method]](__name__, "method", plugin_class)


def methods() -> list[str]:
    """Names of all methods, those of installed packages among them."""
    return PLUGINS.names()


def method_class(name: str) -> type[Method]:
    """The class of a method by its name alone: no file is imported, whatever the name looks like.

    Raises UnknownNameError with near matches, ConfigError for a name that is taken twice or a method that is broken.
    """
    return PLUGINS.load(name)


def find_method(choice: MethodChoice | None = None) -> type[Method]:
    """The class of the method that a user chose.

    `choice` is its name; or `path/to/file.py:Class`, split at the last colon, which runs that file; or the class, or
    an object of it; None is the default method. Raises UnknownNameError with near matches, ConfigError for what is no
    method, or for a name that another method has.
    """
    return chosen_class(marked("default")[0] if choice is None else choice, PLUGINS)


def marked(mark: Literal["default", "baseline", "control", "untrained", "yardstick"]) -> list[str]:
    """Names of the package's own methods that say so of themselves: one is the default, one the baseline.

    Only a module with the line that says it is imported: to import them all takes a third of `import torch`.
    """
    line = f"    {mark}: ClassVar[bool] = True\n"
    return [name for name in _OWN.names() if line in _OWN.source(name) and getattr(_OWN.load(name), mark)]


def untrained(settings: Mapping[str, Any] | None = None) -> UntrainedMethod:
    """The package's own method that learns nothing, neither fitted nor read. Raises ConfigError for bad settings."""
    method = build(marked("untrained")[0], settings=settings)
    assert isinstance(method, UntrainedMethod)
    return method


def variants() -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Lines that the package's own methods bring to a comparison: the method and its settings, by name of the line."""
    return {line: (name, settings) for name in _OWN.names() for line, settings in _OWN.load(name).variants.items()}


def build(
    choice: MethodChoice | None = None,
    preset: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Method:
    """A method that is not fitted yet: its defaults, then the preset (a name or a YAML file), then `settings`.

    `choice` is as in `find_method`; an object is copied, with its settings in the place of the defaults. Raises
    UnknownNameError for the method or preset, ConfigError listing every bad key and value at once.
    """
    cls = find_method(choice)
    own = settings_of(choice) if isinstance(choice, Method) else {}
    return check_settings(cls, {**own, **cls.preset(preset), **(settings or {})})
