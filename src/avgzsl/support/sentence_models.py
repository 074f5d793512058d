"""Models of the sentence-transformers library: a folder, local or copied from the hub, and the model loaded from it.

Weights are safetensors, and no code that comes with them is run.
"""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.errors import ConfigError, WeightsError
from avgzsl.support.checkpoints import quiet
from avgzsl.support.registry import require
from avgzsl.support.weights import WeightFile, find_folder, identify, reason

_PATTERNS = ["*.json", "*.txt", "*.safetensors", "*.model"]
_OTHERS = ("torchvision", "torchcodec", "torchaudio", "timm", "librosa")  # that a model for sound or pictures may want


@dataclass(frozen=True)
class SentenceModel:
    """A loaded SentenceTransformer, how many numbers its rows have, and the files that it was loaded from."""

    model: Any
    dimension: int
    files: tuple[WeightFile, ...]


def find_sentence_model(name: str, models: Path | None) -> Path:
    """The folder `name`, that in the models folder, or of the hub. Raises WeightsError, ConfigError."""
    return find_folder("sentence encoder", name, models, _PATTERNS, "sentences")


def open_sentence_model(folder: Path, device: torch.device) -> SentenceModel:
    """The model in a folder.

    Raises WeightsError for one that is not whole, ConfigError where the extra, or what this model wants besides, is
    not installed.
    """
    pickled = [file for file in folder.rglob("pytorch_model.bin") if not any(file.parent.glob("*.safetensors"))]
    if not (folder / "modules.json").is_file() or not any(folder.rglob("*.safetensors")) or pickled:
        fault = f"{pickled[0]} without safetensors beside it" if pickled else "no such model"
        raise WeightsError(f"{folder}: {fault}; expected modules.json and safetensors of sentence-transformers")
    library = require("sentence_transformers", "sentences")
    try:
        model, row = _load_seeded(library, folder, 0)
        _, second_row = _load_seeded(library, folder, 1)
    except Exception as problem:  # a damaged folder can fail in many ways
        require_wanted(folder, problem)
        raise WeightsError(
            f"{folder}: not a whole model of sentence-transformers ({reason(problem)}); get it again"
        ) from problem
    if not torch.equal(row, second_row):
        raise WeightsError(f"{folder}: the weights of some layers are not there; get the model again")
    return SentenceModel(model.to(device), row.shape[1], _identify(folder))


def require_wanted(folder: object, problem: Exception) -> None:
    """Raises ConfigError where a model failed because it wants a library that is not installed."""
    for library in _OTHERS:
        if library in str(problem) and find_spec(library) is None:
            raise ConfigError(
                f"{folder}: this model wants {library}, which is not installed ({reason(problem)}); install it with: "
                f"pip install {library}"
            ) from problem


def _identify(folder: Path) -> tuple[WeightFile, ...]:
    """The files that the model is loaded from, settings included: a row depends on them as much as on the weights."""
    files = sorted(file for pattern in _PATTERNS for depth in ("", "*/") for file in folder.glob(depth + pattern))
    return tuple(replace(identify(file), name=file.relative_to(folder).as_posix()) for file in files)


def _load_seeded(library: Any, folder: Path, seed: int) -> tuple[Any, Float[Tensor, "1 t"]]:
    """The model, and its row of a word. Weights that its files lack are drawn at random, from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        with quiet(require("transformers", "sentences")):
            model = library.SentenceTransformer(
                str(folder), device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
            )
    return model, model.encode(["a"], convert_to_tensor=True, show_progress_bar=False)
