"""How near each clip can be at most in mode `both`, by the products with its sound and with its picture.

Several questions are asked at once, and answered a block of clips at a time.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from avgzsl.archive import clip_table
from avgzsl.archive.asked import Asked, video_weight_of
from avgzsl.archive.bounds import limits
from avgzsl.archive.collection import View
from avgzsl.archive.embeddings import addends
from avgzsl.archive.engines import BatchScanner, Scan, Scanner
from avgzsl.archive.fused import Question, question
from avgzsl.errors import ConfigError
from avgzsl.experiments.protocol import Mode
from avgzsl.scores.largest import block_rows
from avgzsl.types import MODALITIES

ALONE = [Mode(modality, "equal") for modality in MODALITIES]


class _Alone(NamedTuple):
    """The questions to the vectors of one modality, the greatest length of these, and the products of a block."""

    questions: list[Question]
    largest: float
    scan: Scan


def scanned(seen: View, asked: Sequence[Asked]) -> Iterator[Float32[np.ndarray, "q _n"]]:
    """Of the clips that the engine has, in blocks of `block_rows`: the highest score of each that is possible.

    -inf stands for clips that have none. All questions are of one mode.
    """
    audio, video = (_alone(seen, asked, mode) for mode in ALONE)
    record, step = seen.collection.record, block_rows(len(asked))
    shares = [video_weight_of(record, one.point) if one.mode.fusion == "weighted" else 0.5 for one in asked]
    for start in range(0, seen.state.applied, step):
        end = min(start + step, seen.state.applied)
        by_clip = np.nan_to_num(seen.rows[start:end, -1], nan=0.5) if asked[0].mode.fusion == "attention" else None
        sound, picture = (_by_question(alone.scan(start, end)) for alone in (audio, video))
        lone = np.flatnonzero(np.isinf(sound[0]) | np.isinf(picture[0]))
        found = np.empty_like(sound)
        for i, one in enumerate(asked):
            near = limits(sound[i], audio.largest, audio.questions[i])
            far = limits(picture[i], video.largest, video.questions[i])
            share = shares[i] if by_clip is None else by_clip
            with np.errstate(invalid="ignore"):  # no sound, no picture: infinitely far
                found[i] = (1 - share) * near + share * far  # of distances, a sum of one sign keeps its digits
            found[i, lone] = np.maximum(near[lone], far[lone])
            if one.corrected:
                found[i] += addends(seen.rows[start:end], record, one.mode)
                found[i] = np.where(np.isinf(found[i]), -np.inf, np.nextafter(found[i], np.float32(np.inf)))
        yield found


def _by_question(products: Float32[np.ndarray, "n q"]) -> Float32[np.ndarray, "q n"]:
    turned: np.ndarray = torch.from_numpy(products).T.contiguous().numpy()
    return turned


def _alone(seen: View, asked: Sequence[Asked], mode: Mode) -> _Alone:
    """Raises ConfigError for an engine that does not scan, ModalityError for a point without the modality."""
    space = seen.collection.space(mode)
    questions = [question(one.point, space) for one in asked]
    vectors = np.stack([one.vector for one in questions])
    return _Alone(questions, clip_table.longest(seen.db, str(mode)), _scan(seen, mode, vectors))


def _scan(seen: View, mode: Mode, vectors: Float32[np.ndarray, "q e"]) -> Scan:
    """The products of any block; -inf behind the last vector of the engine."""
    engine = seen.collection.engine(mode)
    if isinstance(engine, BatchScanner):
        return engine.scan(vectors)
    if not isinstance(engine, Scanner):
        kind = seen.collection.record.engine
        raise ConfigError(f"the engine {kind} says that it scans, and has no `products`; mend SCANS in its module")
    products = np.stack([engine.products(vector) for vector in vectors], 1)

    def block(start: int, end: int) -> Float32[np.ndarray, "n q"]:
        part = products[start:end]
        return np.pad(part, ((0, end - start - len(part)), (0, 0)), constant_values=-np.inf)

    return block
