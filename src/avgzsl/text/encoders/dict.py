"""A file of class vectors, as the field publishes them: a closed list of names, each with its vector as it is there."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.weights import WeightFile, find, identify
from avgzsl.text.class_vectors import read_class_vectors
from avgzsl.text.names import shown, spellings

DESCRIPTION = "dict:FILE: vectors of a closed list of class names (.npy dict, .npz, .csv)"
BRINGS_WEIGHTS = False

_MOST_HINTS = 20
_MOST_NAMES = 30


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """Rows are the file's vectors as they are, not scaled to unit length; so they equal those of data made with it."""

    spec: str
    dimension: int
    weights: tuple[WeightFile, ...]
    vectors: Mapping[str, np.ndarray]
    open_vocabulary: bool = False

    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """The vector of each name, found under its own or another spelling (`church-bell`, `Church Bell`).

        Raises DataError that names those without a vector, with near matches.
        """
        keys = [next((spelling for spelling in spellings(name) if spelling in self.vectors), None) for name in names]
        missing = [name for name, key in zip(names, keys, strict=True) if key is None]
        if missing:
            hints = "; ".join(_with_near(name, self.vectors) for name in missing[:_MOST_HINTS])
            omitted = f"; and {len(missing) - _MOST_HINTS} more" if len(missing) > _MOST_HINTS else ""
            raise DataError(
                f"{self.spec}: no vector for {len(missing)} of {len(names)} names: {hints}{omitted}. It knows "
                f"{len(self.vectors)} names alone ({self._some()}): use one of them, give overrides, or use an encoder "
                "of words (`avgzsl encoders`)"
            )
        return torch.from_numpy(np.stack([self.vectors[key] for key in keys if key is not None]))

    def _some(self) -> str:
        names = sorted(self.vectors)
        return ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")


def load(argument: str, models: Path | None, device: torch.device) -> ClassVectors:
    """The vectors of the file `argument`. Raises ConfigError, WeightsError, DataError."""
    if not argument:
        raise ConfigError("dict needs a file of class vectors: dict:FILE.npy, .npz or .csv")
    path = find("dict", argument, models, "the pages of the data sets that come with such a file (docs of AVCA-GZSL)")
    vectors = read_class_vectors(path)
    return ClassVectors(f"dict:{argument}", len(next(iter(vectors.values()))), (identify(path),), vectors)


def _with_near(name: str, known_names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known_names, n=3)
    return shown([name]) + (f" (did you mean {' or '.join(near)}?)" if near else "")
