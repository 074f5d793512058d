"""Searches of an index as the API asks them: by words or by a clip of it, one or many at once."""

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Int64

from avgzsl.archive import clip_selection
from avgzsl.archive.addends import is_corrected
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import View, view
from avgzsl.archive.hits import Hits as ArchiveHits
from avgzsl.archive.nearest import NearestClips, Sought, nearest_many
from avgzsl.archive.readers import Known
from avgzsl.archive.search import Searcher, mode_for, mode_of, point_of, words_point
from avgzsl.archive.where import parse
from avgzsl.errors import AvgzslError, DataError, RunError
from avgzsl.methods import TextEmbeddings
from avgzsl.server.contract import HitChoice, NoSuchClip, Search, Unanswerable
from avgzsl.server.problems import LOG
from avgzsl.server.rows import hit_row
from avgzsl.server.schema import ClipRow, Hits

HIDDEN = {"path"}  # where clips lie is the server's own affair; their ids tell them apart
_WINDOWS, _MOST = 4, 20_000  # clips of a file that are looked for at first, and clips that are grouped by file at most
T = TypeVar("T")


class Question(NamedTuple):
    """A search as the index takes it: what is sought, of that which hits are given, whether by words, `notes` on them,
    or the clip asked with."""

    sought: Sought
    choice: HitChoice
    by_words: bool
    notes: Sequence[str] = ()
    like: str | None = None


class Searching:
    """Searches by the encoder of words, which works for one at a time.

    `rows` makes the rows of clips, `hide` takes the places of the run and its encoders out of messages; `encoding` is
    held while the encoder works.
    """

    def __init__(
        self,
        searcher: Searcher,
        rows: Callable[[Sequence[IndexedClip]], list[ClipRow]],
        hide: Callable[[Iterable[str]], list[str]],
        encoding: Lock,
    ) -> None:
        self.searcher, self.collection = searcher, searcher.collection
        self._rows, self._hide, self._encoding = rows, hide, encoding
        self._points = Known()

    def search(self, asked: Search) -> Hits:
        """As `contract.Archive`."""
        return self._only(self._question(asked))

    def find(self, point: TextEmbeddings, choice: HitChoice) -> Hits:
        """The clips nearest to a point that is no point of words."""
        return self._only(self.at(point, choice))

    def _only(self, question: Question) -> Hits:
        (clips,) = self._nearest([question])
        if isinstance(clips, Exception):
            raise clips
        return self.answer(question, clips)

    def search_many(self, asked: Sequence[Search]) -> list[Hits | Exception]:
        """As `contract.Archive`."""
        questions = [_or_error(self._question, one) for one in asked]
        understood = [one for one in questions if isinstance(one, Question)]
        found = iter(self._nearest(understood))
        answers: list[Hits | Exception] = []
        for one in questions:
            clips = next(found) if isinstance(one, Question) else one
            if isinstance(one, Exception):
                answers.append(one)
            elif isinstance(clips, Exception):
                answers.append(clips)
            else:
                answers.append(_or_error(self.answer, one, clips))
        return answers

    def _nearest(self, questions: Sequence[Question]) -> list[NearestClips | AvgzslError]:
        """What each finds, in their order; where hits are grouped, as many clips as make the files asked for."""
        found: dict[int, NearestClips | AvgzslError] = {}
        waiting = dict(enumerate(questions))
        while waiting:
            outcomes = nearest_many(self.collection, [one.sought for one in waiting.values()])
            found |= zip(waiting, outcomes, strict=True)
            waiting = {i: _more(one) for i, one in waiting.items() if not _is_enough(one, found[i])}
        return [found[i] for i in range(len(questions))]

    def _question(self, asked: Search) -> Question:
        """Raises Unanswerable for words that say nothing here, and what a wrong choice raises."""
        if asked.like is None:
            point, notes = self._words(asked.words, asked.without)
            question = self.at(point, asked.choice, True)
            return question._replace(notes=[*self._hide(notes), *question.notes])
        with view(self.collection) as seen:
            clip = seen.embeddings(position_of(seen, asked.like))
        point = point_of(self.collection, clip, asked.by, asked.like)
        question = self.at(point, asked.choice)
        sought = question.sought._replace(top=question.sought.top + 1)  # itself is among them
        return question._replace(sought=sought, like=asked.like)

    def _words(self, text: str, without: str | None) -> tuple[TextEmbeddings, tuple[str, ...]]:
        """Where words stand, and notes on how they were encoded. Raises Unanswerable."""

        def encode() -> tuple[TextEmbeddings, tuple[str, ...]]:
            with self._encoding:
                try:
                    point = words_point(self.searcher, [text], [] if without is None else [without])
                    _ = self.searcher.bank  # encoded once
                except (DataError, RunError) as problem:
                    raise Unanswerable(self._hide([str(problem)])[0]) from problem
            return point

        return self._points.of((text, without), encode)

    def at(self, point: TextEmbeddings, choice: HitChoice, by_words: bool = False) -> Question:
        """The question for the clips nearest to a point of the run's space."""
        mode, notes = mode_for(self.collection, point, mode_of(self.collection, choice.modality, None))
        corrected = is_corrected(self.collection.record, choice.retrieval, "this archive", by_words)
        condition = None if choice.where is None else parse(choice.where, HIDDEN)
        top = choice.offset + choice.top + 1  # one more tells whether there are further ones
        if choice.group is not None:
            top = min(_WINDOWS * top, _MOST)
        return Question(Sought(point, top, mode, condition, corrected), choice, by_words, notes)

    def answer(self, question: Question, clips: NearestClips) -> Hits:
        """The clips that were found, as hits."""
        sought, choice, by_words = question.sought, question.choice, question.by_words
        if clips.absent:
            LOG.warning("a part of the index does not answer", extra={"about": {"absent": list(clips.absent)}})
        found = self.searcher.found(clips, sought.point, sought.mode, by_words, look=False)  # rows do
        files = _by_file(question, clips.clips)
        end = choice.offset + choice.top
        shown = files[choice.offset : end]
        rows = self._rows([clips.clips[places[0]] for places in shown])
        return Hits(
            modality=sought.mode.modality,
            hits=[
                hit_row(row, found[places[0]], [found[place] for place in places] if choice.group else ())
                for row, places in zip(rows, shown, strict=True)
            ],
            more=len(files) > end,
            corrected=sought.corrected,
            line=ArchiveHits(tuple(found[places[0]] for places in files[:end])).line if by_words else None,
            notes=[*question.notes, *found.notes],
            recall=found.recall,
            partial=found.partial,
        )


def _by_file(question: Question, clips: Sequence[IndexedClip]) -> list[list[int]]:
    """The places of the clips that were found, best first: those of a file together, if hits are grouped by it.

    The clip asked with is none of them."""
    files: dict[object, list[int]] = {}
    for place, clip in enumerate(clips):
        if clip.id != question.like:
            key = clip.path if question.choice.group is not None and clip.path is not None else place
            files.setdefault(key, []).append(place)
    return list(files.values())


def _is_enough(question: Question, found: NearestClips | AvgzslError) -> bool:
    """Whether the clips that were found make as many hits as are asked for, or no more can be found."""
    top, choice = question.sought.top, question.choice
    if choice.group is None or isinstance(found, AvgzslError) or len(found.clips) < top or top >= _MOST:
        return True
    return len(_by_file(question, found.clips)) > choice.offset + choice.top


def _more(question: Question) -> Question:
    """The same question, for more clips."""
    return question._replace(sought=question.sought._replace(top=min(_WINDOWS * question.sought.top, _MOST)))


def position_of(seen: View, id: str) -> Int64[np.ndarray, " 1"]:
    """Where the clip of this id stands, as one position of several. Raises NoSuchClip."""
    position = clip_selection.position_of(seen.db, id)
    if position is None:
        raise NoSuchClip(f"{id!r}: no clip of this archive has this id")
    return np.array([position], np.int64)


def _or_error(make: Callable[..., T], *given: Any) -> T | Exception:
    """What a call gives, or raises: of many, each has its own."""
    try:
        return make(*given)
    except Exception as problem:
        return problem
