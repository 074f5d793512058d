"""The vectors that an engine gets of the clips of an index, from their rows, and what the table keeps of them."""

import numpy as np
from jaxtyping import Bool, Float32

from avgzsl.archive import embeddings
from avgzsl.archive.fused import Space, fused
from avgzsl.archive.index_record import IndexRecord
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import Embeddings


def vectors_of(
    record: IndexRecord, space: Space, clips: Embeddings, rows: Float32[np.ndarray, "n _w"]
) -> tuple[Bool[np.ndarray, " n"], Float32[np.ndarray, "m _e"], dict[str, float]]:
    """Which of the clips can be scored in the mode of a space, their vectors, and the extremes of these.

    `rows` are those that `clips` were unpacked from.
    """
    keep = clips.scorable(space.mode.modality).numpy()
    addends = embeddings.addends(rows, record, space.mode)[keep]
    vectors = fused(clips.where(clips.scorable(space.mode.modality)), space, addends)
    extremes = {str(space.mode): longest(vectors)}
    if space.energy and len(addends):
        extremes[addend_name(space.mode)] = float(addends.max())
    return keep, vectors, extremes


def addend_name(mode: Mode) -> str:
    """What the table calls the largest addend of a mode."""
    return f"{mode} addend"


def longest(vectors: Float32[np.ndarray, "_n _e"]) -> float:
    """The greatest length of a vector."""
    return float(np.linalg.norm(vectors.astype(np.float64), axis=1).max(initial=0))
