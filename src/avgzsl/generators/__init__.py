"""Generated data with the counts and difficulties of the real thing: one kind a file, found by listing this folder.

A generator module has DESCRIPTION and write(out, scale, seed, written, *, its options), which fills an existing empty
folder and calls written(done, total) as parts of the data are written.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError, DataError
from avgzsl.support import registry
from avgzsl.support.files import whole_folder
from avgzsl.support.progress import Progress, Step

REPORT = "generated.txt"  # in the folder, where a kind has something to say about what it made


def generators() -> dict[str, str]:
    """Names of what can be generated, each with one line about it."""
    package = sys.modules[__name__]
    names = registry.available(package)
    return {name: str(registry.load(package, "generator", name).DESCRIPTION) for name in names}


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
    module = registry.load(sys.modules[__name__], "generator", kind)
    _check_options(kind, module.write, options)
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is not an empty folder, and nothing is overwritten; choose another place or remove it")

    def written(done: int, total: int) -> None:
        if progress is not None:
            progress(Step(f"generate {kind}", done, total))

    with whole_folder(out) as temporary:
        module.write(temporary, scale, seed, written, **options)
    return out


def _check_options(kind: str, write: Callable[..., None], options: Mapping[str, Any]) -> None:
    known = {
        name: option
        for name, option in inspect.signature(write).parameters.items()
        if option.kind is inspect.Parameter.KEYWORD_ONLY
    }
    if strange := [name for name in options if name not in known]:
        raise ConfigError(f"{kind} takes no option {', '.join(strange)}; it takes {', '.join(known)}")
    needed = [name for name, option in known.items() if option.default is option.empty and name not in options]
    if needed:
        raise ConfigError(f"{kind} needs the options {', '.join(needed)}; give them too")
