"""What the public calls are given, looked at before any work: a parameter of one name takes the same in every call."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

from avgzsl.errors import ConfigError
from avgzsl.types import DataChoice, EncoderChoice


class _Kind(NamedTuple):
    fits: Callable[[Any], bool]
    expected: str


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


_WHOLE = _Kind(_is_whole, "a whole number, as in {name}=3")
_MAPPING = _Kind(lambda value: isinstance(value, Mapping), "a mapping of names to values, as in {name}={{'epochs': 3}}")
_KINDS = {
    "encoders": _Kind(lambda value: isinstance(value, EncoderChoice), "EncoderChoice(audio=…, video=…, text=…)"),
    "choice": _Kind(lambda value: isinstance(value, DataChoice), "DataChoice(class_split=…)"),
    "settings": _MAPPING,
    "fixed": _MAPPING,
    "progress": _Kind(  # a class can be called, too, and would only make an object of the first step
        lambda value: callable(value) and not isinstance(value, type),
        "something to call with a Step, as in progress=ProgressBar()",
    ),
    **dict.fromkeys(("seed", "top", "trials", "folds", "processes", "workers", "batch", "validate_every"), _WHOLE),
}


def check_arguments(**arguments: object) -> None:
    """Raises ConfigError for an argument that is not what the parameter of its name takes; None is always right."""
    for name, value in arguments.items():
        kind = _KINDS[name]
        if value is not None and not kind.fits(value):
            raise ConfigError(f"{name} is {_shown(value)}; expected {kind.expected.format(name=name)}")


def check_list(name: str, values: object) -> None:
    """Raises ConfigError for one value where a list of them should be; a text would be taken letter by letter."""
    if isinstance(values, str | bytes | Path) or not isinstance(values, Iterable):
        raise ConfigError(f"one value, {_shown(values)}, where a list should be; give {name}=[…]")


def as_path(value: str | Path | None) -> Path | None:
    """The path that was given, as text or as a path, or none."""
    return None if value is None else Path(value)


def seeds_of(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """The seeds themselves: those that are given, or 0 to n - 1. Raises ConfigError for none, and for what is none."""
    values: Any = range(seeds) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ConfigError(f"seeds is {_shown(seeds)}; expected how many, as in seeds=5, or a list, as in seeds=[0, 1]")
    chosen = tuple(values)
    if wrong := [seed for seed in chosen if not _is_whole(seed)]:
        raise ConfigError(f"{_shown(wrong[0])} is among the seeds; expected whole numbers, as in seeds=[0, 1]")
    if not chosen:
        raise ConfigError(f"seeds is {_shown(seeds)}, and nothing would be computed; give one seed at least")
    return tuple(int(seed) for seed in chosen)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
