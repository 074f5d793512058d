"""Sentence encoders in the format of sentence-transformers (Reimers and Gurevych 2019): a folder or a name on the hub.

Weights are safetensors, and no code that comes with them is run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.errors import ConfigError, DataError, WeightsError
from avgzsl.support.checkpoints import quiet
from avgzsl.support.registry import require
from avgzsl.support.weights import WeightFile, find_folder, identify, reason
from avgzsl.text.names import shown

DESCRIPTION = "sentence:FOLDER_OR_NAME: a sentence-transformers model, from a folder or the hub"
BRINGS_WEIGHTS = False

_BATCH = 64
_PATTERNS = ["*.json", "*.txt", "*.safetensors", "*.model"]


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """`model` is a SentenceTransformer; `encode` takes one name at a time, so that no row hangs on others' padding."""

    spec: str
    dimension: int
    weights: tuple[WeightFile, ...]
    model: Any
    open_vocabulary: bool = True

    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """A unit row a name. Raises DataError for names of more tokens than the model reads."""
        return self._encode(names, 1)

    def encode_many(self, phrases: Sequence[str]) -> Float[Tensor, "k t"]:
        """See `BatchingEncoder`: four times as quick for the labels of a tagger."""
        return self._encode(phrases, _BATCH)

    def _encode(self, names: Sequence[str], batch: int) -> Float[Tensor, "c t"]:
        most = self.model.max_seq_length
        long = [name for name in names if most is not None and len(self.model.tokenizer(name)["input_ids"]) > most]
        if long:
            raise DataError(f"{self.spec}: reads {most} tokens, fewer than there are in {shown(long)}; use fewer words")
        rows: Tensor = self.model.encode(
            list(names), batch_size=batch, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return rows.float().cpu()


def load(argument: str, models: Path | None, device: torch.device) -> SentenceEncoder:
    """The model in the folder, or of the name, `argument`. Raises ConfigError, WeightsError."""
    if not argument:
        raise ConfigError("sentence needs a model: sentence:FOLDER, or sentence:NAME of one on the hub")
    folder = find_folder("sentence encoder", argument, models, _PATTERNS, "sentences")
    return load_folder(f"sentence:{argument}", folder, device)


def load_folder(spec: str, folder: Path, device: torch.device) -> SentenceEncoder:
    """The model in a folder; the last one stays loaded while its files are as they were, for several ask for it.

    Raises WeightsError for one that is not whole, ConfigError where the extra is missing.
    """
    states = ((file, file.stat()) for file in sorted(Path(folder).rglob("*")) if file.is_file())
    files = tuple((str(file), state.st_size, state.st_mtime_ns, state.st_ino) for file, state in states)
    return _load(spec, Path(folder), device, files)


@lru_cache(maxsize=1)
def _load(spec: str, folder: Path, device: torch.device, _: tuple[tuple[str, int, int, int], ...]) -> SentenceEncoder:
    pickled = [file for file in folder.rglob("pytorch_model.bin") if not any(file.parent.glob("*.safetensors"))]
    if not (folder / "modules.json").is_file() or not any(folder.rglob("*.safetensors")) or pickled:
        fault = f"{pickled[0]} without safetensors beside it" if pickled else "no such model"
        raise WeightsError(f"{folder}: {fault}; expected modules.json and safetensors of sentence-transformers")
    library = require("sentence_transformers", "sentences")
    try:
        model, row = _load_seeded(library, folder, 0)
        _, second_row = _load_seeded(library, folder, 1)
    except Exception as problem:  # a damaged folder can fail in many ways
        raise WeightsError(
            f"{folder}: not a whole model of sentence-transformers ({reason(problem)}); get it again"
        ) from problem
    if not torch.equal(row, second_row):
        raise WeightsError(f"{folder}: the weights of some layers are not there; get the model again")
    return SentenceEncoder(spec, row.shape[1], _identify(folder), model.to(device))


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
