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
from avgzsl.archive.nearest import NearestClips, Sought, nearest, nearest_many
from avgzsl.archive.readers import Known
from avgzsl.archive.search import Searcher, mode_for, mode_of, point_of, words_point
from avgzsl.archive.where import parse
from avgzsl.errors import DataError, RunError
from avgzsl.methods import TextEmbeddings
from avgzsl.server.contract import HitChoice, NoSuchClip, Search, Unanswerable
from avgzsl.server.problems import LOG
from avgzsl.server.rows import hit_row
from avgzsl.server.schema import ClipRow, Hits

HIDDEN = {"path"}  # where clips lie is the server's own affair; their ids tell them apart
T = TypeVar("T")


class Question(NamedTuple):
    """A search as the index takes it: what is sought, whether by words, `notes` on them, or the clip asked with."""

    sought: Sought
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
        question = self._question(asked)
        return self.answer(question, nearest(self.collection, *question.sought))

    def find(self, point: TextEmbeddings, choice: HitChoice) -> Hits:
        """The clips nearest to a point that is no point of words."""
        question = self.at(point, choice)
        return self.answer(question, nearest(self.collection, *question.sought))

    def search_many(self, asked: Sequence[Search]) -> list[Hits | Exception]:
        """As `contract.Archive`."""
        questions = [_or_error(self._question, one) for one in asked]
        understood = [one for one in questions if isinstance(one, Question)]
        found = iter(nearest_many(self.collection, [one.sought for one in understood]))
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

    def _question(self, asked: Search) -> Question:
        """Raises Unanswerable for words that say nothing here, and what a wrong choice raises."""
        if asked.like is None:
            point, notes = self._words(asked.words, asked.without)
            return self.at(point, asked.choice, True)._replace(notes=self._hide(notes))
        with view(self.collection) as seen:
            clip = seen.embeddings(position_of(seen, asked.like))
        point = point_of(self.collection, clip, asked.by, asked.like)
        more = asked.choice._replace(top=asked.choice.top + 1)  # itself is among them
        return self.at(point, more)._replace(like=asked.like)

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
        mode = mode_for(
            self.collection, point, mode_of(self.collection, choice.modality, None), choice.modality is not None
        )
        corrected = is_corrected(self.collection.record, choice.retrieval, "this archive", by_words)
        condition = None if choice.where is None else parse(choice.where, HIDDEN)
        return Question(Sought(point, choice.top, mode, condition, corrected), by_words)

    def answer(self, question: Question, clips: NearestClips) -> Hits:
        """The clips that were found, as hits."""
        sought, by_words = question.sought, question.by_words
        if clips.absent:
            LOG.warning("a part of the index does not answer", extra={"about": {"absent": list(clips.absent)}})
        found = self.searcher.found(clips, sought.point, sought.mode, by_words, look=False)  # rows do
        rows = zip(self._rows(clips.clips), found, strict=True)
        hits = [hit_row(clip, hit) for clip, hit in rows if clip.id != question.like]
        return Hits(
            modality=sought.mode.modality,
            hits=hits[: sought.top - (question.like is not None)],
            corrected=sought.corrected,
            line=found.line if by_words else None,
            notes=[*question.notes, *found.notes],
            recall=found.recall,
            partial=found.partial,
        )


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
