"""How many of the nearest clips an approximate engine finds, measured on an index's own questions.

Questions are class names that the run knows and clips of the index themselves; the truth is a comparison with every
clip. Every second question tunes the engine (`engines.Tuned`) and says how many candidates are ranked, such that the
share that was asked for is found; the others, which nothing was chosen on, say how large it is: of names and of clips
the lower of the two. A clip that is asked for is not counted among those that it finds.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64

from avgzsl.archive import clip_selection
from avgzsl.archive.approximation import approximately
from avgzsl.archive.asked import Asked
from avgzsl.archive.clip_database import Connection
from avgzsl.archive.collection import Collection, View, view_of
from avgzsl.archive.engines import Tuned
from avgzsl.archive.fused import question
from avgzsl.archive.recall_record import TOP, ModeRecall, write_recall
from avgzsl.archive.search import point_of
from avgzsl.errors import AvgzslError
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import read_classes
from avgzsl.methods import TextEmbeddings

TARGET = 0.99  # of the nearest, where no other share is asked for
_QUESTIONS = 128  # of each kind, at most
_COMPARISONS = 1 << 31  # of a question with a clip: of a larger archive fewer questions are asked
_BLOCK = 1 << 14  # clips that are compared at a time
_CANDIDATES = (4, 16, 64, 256)  # for each clip that is asked for
_ROUNDING = 1e-5  # of a score, by the shape of a product


class Questions(NamedTuple):
    """Points that clips are asked for; `own` are the positions of the clips that are these points, -1 of names."""

    points: list[TextEmbeddings]
    own: Int64[np.ndarray, " q"]
    corrected: bool


def renew(collection: Collection, db: Connection) -> None:
    """Tune an approximate engine, measure what it finds, and note it. Of an exact one there is nothing to do.

    Raises AvgzslError where the engine refuses.
    """
    if not collection.approximate:
        return
    seen = view_of(collection, db)
    target = TARGET if collection.record.wanted_recall is None else collection.record.wanted_recall
    found = {str(mode): measure(seen, mode, target) for mode in collection.stored}
    noted = {mode: recall for mode, recall in found.items() if recall is not None}
    write_recall(collection, clip_selection.count(db, ()), noted)


def measure(seen: View, mode: Mode, target: float) -> ModeRecall | None:
    """The recall in a mode with as few candidates as reach the target; None where there is nothing to be asked for."""
    asked = [some for some in (_names(seen, mode), _clips(seen, mode)) if some.points]
    if not asked or not seen.state.applied:
        return None
    tuning = [_every_second(some, 0) for some in asked]
    engine = seen.collection.engine(mode)
    if isinstance(engine, Tuned):
        space = seen.collection.space(mode)
        vectors = [question(point, space, some.corrected).vector for some in tuning for point in some.points]
        engine.tune(np.stack(vectors), 1 - (1 - target) / 2)  # of others it finds less than of those it is tuned on
    least = [_least(seen, mode, some) for some in tuning]
    for candidates in _CANDIDATES:
        pairs = zip(tuning, least, strict=True)
        if min(_share(seen, mode, some, enough, candidates) for some, enough in pairs) >= target:
            break
    judged = [some for some in (_every_second(some, 1) for some in asked) if some.points] or tuning
    shares = [_share(seen, mode, some, _least(seen, mode, some), candidates) for some in judged]
    return ModeRecall(recall=min(shares), candidates=candidates, questions=sum(len(some.points) for some in judged))


def _names(seen: View, mode: Mode) -> Questions:
    """Names of classes of the run, where it tells them."""
    collection = seen.collection
    try:
        text = collection.run.method.embed_text(read_classes(collection.run).text)
    except AvgzslError:  # a run of an older version
        return Questions([], np.zeros(0, np.int64), False)
    chosen = _spread(np.arange(len(text)), seen)
    points = [text.take(torch.tensor([row])) for row in chosen.tolist()]
    return Questions(points, np.full(len(points), -1), str(mode) in collection.record.energy)


def _clips(seen: View, mode: Mode) -> Questions:
    """Clips that have all that the mode compares."""
    chosen = _spread(seen.positions(), seen)
    has = seen.embeddings(chosen).has(mode.modality).numpy()
    points = [
        point_of(seen.collection, seen.embeddings(chosen[row : row + 1]), mode.modality, "a clip of the index")
        for row in np.flatnonzero(has)
    ]
    return Questions(points, chosen[has], False)


def _spread(of: Int64[np.ndarray, " n"], seen: View) -> Int64[np.ndarray, " k"]:
    """So many as a comparison with all clips allows, evenly over all of them."""
    most = int(np.clip(_COMPARISONS // max(seen.state.end, 1), 8, _QUESTIONS))
    return of[np.unique(np.linspace(0, len(of) - 1, min(most, len(of))).round().astype(np.int64))]


def _every_second(some: Questions, first: int) -> Questions:
    return Questions(some.points[first::2], some.own[first::2], some.corrected)


def _share(seen: View, mode: Mode, some: Questions, least: Float64[np.ndarray, " q"], candidates: int) -> float:
    """Of all that are the nearest to the questions, how many are found."""
    found = wanted = 0
    for point, own, enough in zip(some.points, some.own.tolist(), least.tolist(), strict=True):
        ranked = approximately(seen, Asked(point, mode, some.corrected), TOP + 1, candidates)
        scores = ranked.scores[ranked.positions != own][:TOP]
        wanted += TOP if enough > -np.inf else len(scores)
        found += int((scores >= enough - _ROUNDING * (1 + abs(enough))).sum()) if enough > -np.inf else len(scores)
    return found / max(wanted, 1)


def _least(seen: View, mode: Mode, some: Questions) -> Float64[np.ndarray, " q"]:
    """The score of the last of the nearest to each question, by a comparison with every clip; -inf for fewer clips."""
    collection, points = seen.collection, _together(some.points)
    top = torch.full((TOP, len(some.points)), -torch.inf, dtype=torch.float64)
    for start in range(0, seen.state.end, _BLOCK):
        here = clip_selection.positions_within(seen.db, start, min(start + _BLOCK, seen.state.end))
        clips = seen.embeddings(here)
        keep = clips.scorable(mode.modality)
        here = here[keep.numpy()]
        scores = collection.run.method.compare(clips.where(keep), points, *mode, collection.record.weight).double()
        if some.corrected:
            scores += torch.from_numpy(seen.addends(here, mode))[:, None]
        scores[torch.from_numpy(here[:, None] == some.own)] = -torch.inf
        top = torch.cat([top, scores]).topk(TOP, dim=0).values
    least: np.ndarray = top[-1].numpy()
    return least


def _together(points: list[TextEmbeddings]) -> TextEmbeddings:
    """Several points as one table of texts."""
    parts = {name: [getattr(point, name) for point in points] for name in vars(points[0])}
    return TextEmbeddings(**{name: None if some[0] is None else torch.cat(some) for name, some in parts.items()})
