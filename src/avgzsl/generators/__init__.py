"""Generated data with the counts and difficulties of real data sets: one kind a file, found by listing this folder.

A generator module has DESCRIPTION and write(out, scale, seed, written, *, its options), which fills an existing empty
folder and calls written(done, total) as parts of the data are written.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.arguments import check_arguments
from avgzsl.support.files import whole_folder, write_text
from avgzsl.support.generated import MARK
from avgzsl.support.progress import Progress, Step
from avgzsl.support.registry import Plugins, keeps

REPORT = MARK
"""In every generated folder: what of it is made up."""


class Generator(Protocol):
    """A module of this folder."""

    DESCRIPTION: str
    write: Callable[..., None]


_PLUGINS = Plugins[Generator](__name__, "generator", keeps(Generator))


def generators() -> dict[str, str]:
    """Names of what can be generated, each with one line about it."""
    return {name: _PLUGINS.load(name).DESCRIPTION for name in _PLUGINS.names()}


def generate(
    kind: str,
    out: Path | str,
    scale: float = 0.05,
    seed: int = 0,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Write generated data of `kind` to the folder `out`, whole or not at all; gives the folder.

    `scale` multiplies the number of clips, `progress` hears of the parts that are written, most often classes,
    `options` are those of the kind (dimensions of audioset-zsl; splits, w2v and features of avca).
    Same kind, scale, seed and options: the same files, byte for byte.
    Raises UnknownNameError, ConfigError for a bad number or option, DataError when `out` is not empty.
    """
    check_arguments(seed=seed, progress=progress)
    module = _PLUGINS.load(kind)
    _check_options(kind, module.write, options)
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is not an empty folder, and nothing is overwritten; choose another place or remove it")

    def written(done: int, total: int) -> None:
        if progress is not None:
            progress(Step(f"generate {kind}", done, total))

    with whole_folder(out) as temporary:
        module.write(temporary, scale, seed, written, **options)
        if not (temporary / REPORT).exists():
            write_text(temporary / REPORT, f"Made up: every clip ({kind}, seed {seed}, scale {scale:g}).\n")
    return out


def _check_options(kind: str, write: Callable[..., None], options: Mapping[str, Any]) -> None:
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(write).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    if unknown := [name for name in options if name not in parameters]:
        raise ConfigError(f"{kind} takes no option {', '.join(unknown)}; it takes {', '.join(parameters)}")
    needed = [
        name for name, parameter in parameters.items() if parameter.default is parameter.empty and name not in options
    ]
    if needed:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in needed)
        raise ConfigError(f"{kind} needs {flags}; give {'it' if len(needed) == 1 else 'them'} too")
