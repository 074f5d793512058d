"""The energy term of the clips of an index: what is added to all scores of each, by mode (`scores.energy`).

It is computed when clips come in, from the text of the run's seen classes, and kept: a search adds it where corrected
scores are asked for. In mode `both`, a clip that lacks a modality has the numbers of the one it has.
"""

import numpy as np
import torch
from jaxtyping import Float32

from avgzsl.archive.index_record import EnergyRecord, IndexRecord
from avgzsl.errors import ConfigError
from avgzsl.experiments.protocol import Mode, served_modes
from avgzsl.experiments.run import Run, read_classes
from avgzsl.methods import Embeddings, Method, TextEmbeddings
from avgzsl.scores.energy import addend
from avgzsl.types import MODALITIES, RetrievalKind

_NONE = EnergyRecord(share=0.0, temperature=1.0)


def seen_text(run: Run) -> TextEmbeddings:
    """The text of the run's seen classes. Raises RunError where the run does not tell them."""
    classes = read_classes(run)
    return run.method.embed_text(classes.text[classes.seen])


def addends_of(
    method: Method, clips: Embeddings, text: TextEmbeddings, record: IndexRecord
) -> Float32[np.ndarray, "n _k"]:
    """One column a mode with an energy term, in the order of their names; 0 where a clip cannot be scored."""
    modes = {str(mode): mode for mode in served_modes(method)}
    columns = np.zeros((len(clips), len(record.energy)), np.float32)
    for column, name in enumerate(sorted(record.energy)):
        keep = clips.scorable(modes[name].modality)
        if bool(keep.any()):
            columns[keep.numpy(), column] = _addends(method, clips.where(keep), text, modes[name], record)
    return columns


def _addends(
    method: Method, clips: Embeddings, text: TextEmbeddings, mode: Mode, record: IndexRecord
) -> Float32[np.ndarray, " n"]:
    numbers = record.energy[str(mode)]
    share, warmth = (torch.full((len(clips),), x, dtype=torch.float64) for x in (numbers.share, numbers.temperature))
    if mode.modality == "both":
        for modality in MODALITIES:
            lone = clips.has(modality) & ~clips.has("both")
            own = record.energy.get(modality, _NONE)
            share[lone], warmth[lone] = own.share, own.temperature
    scores = method.compare(clips, text, *mode, record.weight)
    return addend(scores, share, warmth).float().numpy()


def is_corrected(record: IndexRecord, retrieval: RetrievalKind | None, source: object, by_words: bool = True) -> bool:
    """Whether addends count: as asked for, by default where the index has them and the question is `by_words`.

    They were chosen for names that find clips; a clip that asks is to be nearest to itself. Raises ConfigError where
    they are asked for and the index has none.
    """
    if retrieval == "corrected" and not record.energy:
        raise ConfigError(
            f"{source}: has no energy term: it was made without a run, or its run's calibration found none of use, or "
            "it was made by an older version, and then anew by `avgzsl index RUN SOURCE --out NEW`; else ask with "
            "retrieval plain"
        )
    return bool(record.energy) and (by_words if retrieval is None else retrieval == "corrected")
