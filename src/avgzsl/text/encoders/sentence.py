"""Sentence encoders in the format of sentence-transformers (Reimers and Gurevych 2019): a folder or a name on the hub.

The models among them that take sound or pictures too share their space with the backbone `sentence`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.sentence_models import find_sentence_model, open_sentence_model
from avgzsl.support.weights import WeightFile
from avgzsl.text.names import shown

DESCRIPTION = "sentence:FOLDER_OR_NAME: a sentence-transformers model, from a folder or the hub"
BRINGS_WEIGHTS = False

_BATCH = 64


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
    return load_folder(f"sentence:{argument}", find_sentence_model(argument, models), device)


def load_folder(spec: str, folder: Path, device: torch.device) -> SentenceEncoder:
    """The model in a folder; the last one stays loaded while its files are as they were, for several ask for it.

    Raises WeightsError for one that is not whole, ConfigError where a library is missing.
    """
    states = ((file, file.stat()) for file in sorted(Path(folder).rglob("*")) if file.is_file())
    files = tuple((str(file), state.st_size, state.st_mtime_ns, state.st_ino) for file, state in states)
    return _load(spec, Path(folder), device, files)


@lru_cache(maxsize=1)
def _load(spec: str, folder: Path, device: torch.device, _: tuple[tuple[str, int, int, int], ...]) -> SentenceEncoder:
    loaded = open_sentence_model(folder, device)
    return SentenceEncoder(spec, loaded.dimension, loaded.files, loaded.model)
