"""The score of clips of an index by the run's own method: what every ranking is by."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from avgzsl.archive.collection import View
from avgzsl.archive.index_record import IndexRecord
from avgzsl.errors import DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import TextEmbeddings


class Asked(NamedTuple):
    """A point, by what clips are compared with it, and whether `corrected` scores are asked for."""

    point: TextEmbeddings
    mode: Mode
    corrected: bool = False


def score(
    seen: View, positions: Int64[np.ndarray, " n"], asked: Asked
) -> tuple[Int64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
    """Those of the clips that can be scored in the mode, and their scores, by the method, with the addend if asked."""
    point, mode, corrected = asked
    clips, collection = seen.embeddings(positions), seen.collection
    keep = clips.scorable(mode.modality)
    if not bool(keep.any()):
        return positions[:0], np.zeros(0)
    scores = collection.run.method.compare(clips.where(keep), point, *mode, collection.record.weight)[:, 0]
    if not bool(scores.isfinite().all()):
        raise DataError(f"{collection.folder}: has embeddings too large to compare; see `avgzsl index-verify`")
    kept, values = positions[keep.numpy()], scores.double().numpy()
    return kept, values + seen.addends(kept, mode) if corrected else values


def video_weight_of(record: IndexRecord, point: TextEmbeddings) -> float:
    """How much video counts in the fusion `weighted`: as the text of the point says, else as the index does."""
    return record.weight if point.video_weight is None else float(point.video_weight[0])
