"""An index as the API's archive."""

import json
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Int64
from pydantic import TypeAdapter, ValidationError

import avgzsl
from avgzsl.archive import clip_selection, file_table
from avgzsl.archive.addends import is_corrected
from avgzsl.archive.clip_counts import Kind
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, View, view
from avgzsl.archive.fused import points, stars
from avgzsl.archive.nearest import NearestClips, Sought, nearest, nearest_many
from avgzsl.archive.search import Searcher, mode_for, mode_of, open_searcher, point_of, words_point
from avgzsl.archive.where import parse
from avgzsl.data.clips import Encoder
from avgzsl.errors import AvgzslError, DataError, RunError
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import HISTORY, RESULTS
from avgzsl.features.embedding import Task, embed_batch, requests
from avgzsl.media.needs import SoundNeeds, Span
from avgzsl.media.workers import Decoders
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.recognition.answers import answer
from avgzsl.recognition.portable import with_bare_names
from avgzsl.recognition.recognise import embed
from avgzsl.recognition.recogniser import asked_classes
from avgzsl.server.contract import Cloud, HitChoice, ListPlace, Media, NoSuchClip, Search, Unanswerable
from avgzsl.server.handed_out import folders, of_other_places
from avgzsl.server.problems import LOG
from avgzsl.server.rows import clip_row, hit_row, recognised
from avgzsl.server.schema import ClassRow, ClipRow, Clips, Description, Hits, Recognised, RunTables
from avgzsl.types import EncoderChoice, TestModality

_HIDDEN = {"path"}  # where clips lie is the server's own affair; their ids tell them apart
_LOOKED_AT = 4  # times as many clips as a map draws: some lack what it is of
_POINTS = 4096  # phrases whose points are kept
T = TypeVar("T")
_ROWS = TypeAdapter(list[dict[str, Any]])


def open_archive(
    index: str | Path | Collection | Searcher,
    decoders: Decoders,
    own: bool,
    media: Iterable[Path] = (),
    *,
    url: str | None = None,
    encoders: EncoderChoice | None = None,
) -> "CollectionArchive":
    """An index and its run's encoders, loaded where they are there: without them less can be asked.

    Only callers on its `own` machine are told where they were looked for. `media` are folders whose files are handed
    out besides those that the user named (`handed_out`). Raises DataError for what is no index,
    RunError for an index of another run.
    """
    searcher = index if isinstance(index, Searcher) else open_searcher(index, url=url, encoders=encoders)
    for mode in searcher.collection.stored:
        searcher.collection.engine(mode)
    return CollectionArchive(searcher, decoders, own, tuple(media))


class Question(NamedTuple):
    """A search as the index takes it: what is sought, whether by words, `notes` on them, or the clip asked with."""

    sought: Sought
    by_words: bool
    notes: Sequence[str] = ()
    like: str | None = None


class CollectionArchive:
    """Fulfils `contract.Archive`. Encoders are not made for several threads: each works for one at a time."""

    def __init__(self, searcher: Searcher, decoders: Decoders, own: bool, media: tuple[Path, ...] = ()) -> None:
        self.searcher, self.decoders, self._own, self._media = searcher, decoders, own, media
        self.collection, self.run = searcher.collection, searcher.collection.run
        self.classes = searcher.words.classes
        self.marks = dict(zip(self.classes.names, self.classes.seen.tolist(), strict=True))
        self._encoding, self._embedding = Lock(), Lock()
        self._points: OrderedDict[tuple[str, str | None], tuple[TextEmbeddings, tuple[str, ...]]] = OrderedDict()
        self._no_phrases: str | None = ""
        self._no_phrases = self._reason(lambda: searcher.words.text.open_vocabulary)
        self._no_uploads = self._reason(lambda: searcher.clips)

    @property
    def identity(self) -> str:
        return self.collection.record.id

    def kept_open(self) -> AbstractContextManager[None]:
        return self.collection.readers.keep()

    def describe(self) -> Description:
        with view(self.collection) as seen:
            return seen.known.of("description", lambda: self._description(seen.counts()))

    def _description(self, counts: dict[Kind, int]) -> Description:
        clips: Counter[str | None] = Counter()
        for kind, count in counts.items():
            clips[kind.label] += count
        modes = self.collection.modes
        both = [mode for mode in modes if mode.modality == "both"]
        return Description(
            name=self.collection.folder.resolve().name,
            clips=clips.total(),
            engine=self.collection.record.engine,
            run=self.collection.record.run,
            method=self.run.config.method,
            fusion=both[-1].fusion if both else None,
            modalities=list(dict.fromkeys(mode.modality for mode in modes)),
            classes=[ClassRow(label=name, seen=mark, clips=clips[name]) for name, mark in self.marks.items()],
            phrases=self._no_phrases is None and self.searcher.words.text.open_vocabulary,
            uploads=self._no_uploads is None,
            why_not=" ".join(why for why in (self._no_phrases, self._no_uploads) if why) or None,
            version=avgzsl.__version__,
        )

    def search(self, asked: Search) -> Hits:
        question = self._question(asked)
        return self._answer(question, nearest(self.collection, *question.sought))

    def search_many(self, asked: Sequence[Search]) -> list[Hits | Exception]:
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
                answers.append(_or_error(self._answer, one, clips))
        return answers

    def search_clip(self, path: Path, by: TestModality, choice: HitChoice) -> Hits:
        question = self._question_at(point_of(self.collection, self._embed(path), by, "the clip"), choice)
        return self._answer(question, nearest(self.collection, *question.sought))

    def classify(self, path: Path, names: list[str] | None, top: int) -> Recognised:
        clip, recogniser = self._embed(path), self.searcher.clips
        try:
            with self._encoding:
                table, notes = asked_classes(self.searcher.words, names)
        except (DataError, RunError) as problem:
            raise Unanswerable(self._public(problem)) from problem
        method, recognition = self.run.method, recogniser.recognition
        text = method.embed_text(table.text)
        numbers, thresholds = recognition.numbers(), recognition.thresholds()
        found = recognised(answer(method, clip, table, text, recogniser.mode, numbers, thresholds, top))
        return found.model_copy(update={"notes": self._hidden(notes)})

    def heard(self) -> float:
        backbones = {} if self._no_uploads is not None else self.searcher.clips.backbones
        needs = [backbone.needs for backbone in backbones.values()]
        seconds = [need.seconds for need in needs if isinstance(need, SoundNeeds) and need.seconds is not None]
        return seconds[0] if seconds else math.inf

    def clips(self, place: ListPlace, where: str | None) -> Clips:
        condition = () if where is None else parse(where, _HIDDEN)
        after, offset, limit = place
        with view(self.collection) as seen:
            if condition:
                chosen = seen.positions(condition)
                total, start = len(chosen), int(np.searchsorted(chosen, after, "right")) + offset
                found = chosen[start : start + limit + 1]
            else:
                total, found = sum(seen.counts().values()), clip_selection.page(seen.db, after, offset, limit + 1)
            rows = self._rows(seen.clips(found[:limit]))
        return Clips(total=total, offset=offset, next=int(found[limit - 1]) if len(found) > limit else None, clips=rows)

    def media(self, id: str) -> Media:
        with view(self.collection) as seen:
            clip = seen.clips(_position(seen, id))[0]
        if clip.path is None:
            raise NoSuchClip(f"{id}: only the features of this clip were indexed, it has no file")
        return Media(Path(clip.path), Span(clip.start or 0.0, clip.end), clip.has_video, clip.file)

    def not_handed_out(self) -> str | None:
        """How many clips have files that are not handed out, and what to give; None where there are none."""
        with view(self.collection) as seen:
            files = ((path, is_noted) for _, path, is_noted in file_table.paths_of_clips(seen.db))
            elsewhere, unknown, example = of_other_places(files, folders(self._media))
        why = []
        if elsewhere:
            why.append(f"{elsewhere} of files outside of the folders that you have indexed on this machine")
        if unknown:
            why.append(f"{unknown} of files of which this older index does not say what they were")
        if example is None:
            return None
        return (
            f"not shown are clips: {', and '.join(why)}, as {example!r}; if these are yours, allow the folder that "
            f"they lie in with `--media FOLDER`, or add it anew with `avgzsl index-add {self.collection.folder} FOLDER`"
        )

    def cloud(self, modality: TestModality | None, most: int) -> Cloud:
        mode = mode_of(self.collection, modality, None)
        with view(self.collection) as seen:
            looked_at = clip_selection.spread(seen.db, _LOOKED_AT * most)
            there = looked_at[seen.embeddings(looked_at).scorable(mode.modality).numpy()]
            spread = np.linspace(0, len(there) - 1, min(most, len(there)))
            drawn = there[np.unique(spread.round().astype(int))]
            clips, embeddings = seen.clips(drawn), seen.embeddings(drawn)
            total = sum(count for kind, count in seen.counts().items() if self._is_scorable(kind, mode))
        space = self.collection.space(mode)
        return Cloud(
            modality=mode.modality,
            total=total,
            clips=self._rows(clips),
            points=torch.from_numpy(points(embeddings, space)),
            texts=stars(self.run.method.embed_text(self.classes.text), space),
            labels=list(self.classes.names),
            seen=self.classes.seen.tolist(),
        )

    def tables(self) -> RunTables:
        config, folder = self.run.config, self.run.folder
        results = _read(folder / RESULTS, lambda text: _json(text)["results"])
        history = _read(folder / HISTORY, lambda text: [_json(line) for line in text.splitlines()])
        return RunTables(
            method=config.method, seed=config.seed, settings=config.settings, results=results, history=history
        )

    def _question(self, asked: Search) -> Question:
        """Raises Unanswerable for words that say nothing here, and what a wrong choice raises."""
        if asked.like is None:
            point, notes = self._words(asked.words, asked.without)
            return self._question_at(point, asked.choice, True)._replace(notes=self._hidden(notes))
        with view(self.collection) as seen:
            clip = seen.embeddings(_position(seen, asked.like))
        point = point_of(self.collection, clip, asked.by, asked.like)
        more = asked.choice._replace(top=asked.choice.top + 1)  # itself is among them
        return self._question_at(point, more)._replace(like=asked.like)

    def _words(self, text: str, without: str | None) -> tuple[TextEmbeddings, tuple[str, ...]]:
        """Where words stand, and notes on how they were encoded; the last ones are kept. Raises Unanswerable."""
        with self._encoding:
            if (text, without) in self._points:
                self._points.move_to_end((text, without))
                return self._points[text, without]
            try:
                point = words_point(self.searcher, [text], [] if without is None else [without])
                _ = self.searcher.bank  # encoded once
            except (DataError, RunError) as problem:
                raise Unanswerable(self._public(problem)) from problem
            self._points[text, without] = point
            while len(self._points) > _POINTS:
                self._points.popitem(last=False)
            return point

    def _question_at(self, point: TextEmbeddings, choice: HitChoice, by_words: bool = False) -> Question:
        """The question for the clips nearest to a point of the run's space."""
        mode = mode_for(
            self.collection, point, mode_of(self.collection, choice.modality, None), choice.modality is not None
        )
        corrected = is_corrected(self.collection.record, choice.retrieval, "this archive", by_words)
        condition = None if choice.where is None else parse(choice.where, _HIDDEN)
        return Question(Sought(point, choice.top, mode, condition, corrected), by_words)

    def _answer(self, question: Question, clips: NearestClips) -> Hits:
        """The clips that were found, as hits."""
        sought, by_words = question.sought, question.by_words
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

    def _is_scorable(self, kind: Kind, mode: Mode) -> bool:
        """Whether clips of a kind can be scored in a mode (`Embeddings.scorable`)."""
        if mode.modality != "both":
            return kind.has_audio if mode.modality == "audio" else kind.has_video
        joint = "joint" in self.collection.record.parts
        return kind.has_audio and kind.has_video if joint else kind.has_audio or kind.has_video

    def _embed(self, path: Path) -> Embeddings:
        """A file in the space of the run; it is decoded in the server's processes."""
        if self._no_uploads is not None:
            raise Unanswerable(self._no_uploads)
        recogniser = self.searcher.clips
        decoded = list(self.decoders.map(requests([Task(path, Span())], recogniser.backbones)))
        with self._embedding:
            return embed(recogniser, embed_batch(decoded, recogniser.backbones, recogniser.keep_sequence))

    def _reason(self, load: Callable[[], object]) -> str | None:
        """Why an encoder cannot be loaded; None where it can."""
        try:
            load()
        except AvgzslError as problem:
            if self._own:
                return self._public(problem)
            LOG.warning(problem)
            return "An encoder of the run cannot be used here; the server's log says why."
        return None

    def _public(self, problem: AvgzslError) -> str:
        """What it says, without the places of the run and of its encoders, which are the server's own affair."""
        return self._hidden([str(problem)])[0]

    def _hidden(self, messages: Iterable[str]) -> list[str]:
        """Messages without the places of the run and of its encoders."""
        specs = [encoder.spec for encoder in self.run.config.data.known_encoders]
        if self._no_phrases is None:
            specs += [part.encoder.spec for part in self.searcher.words.text.parts]
        hidden = []
        for message in messages:
            message = message.replace(str(self.run.folder), "the run")
            for spec in specs:
                message = message.replace(spec, with_bare_names(Encoder(spec)).spec)
            hidden.append(message)
        return hidden

    def _rows(self, clips: Sequence[IndexedClip]) -> list[ClipRow]:
        allowed = folders(self._media)
        marks = [None if clip.label is None else self.marks.get(clip.label) for clip in clips]
        return [clip_row(clip, mark, allowed) for clip, mark in zip(clips, marks, strict=True)]


def _or_error(make: Callable[..., T], *given: Any) -> T | Exception:
    """What a call gives, or raises: of many, each has its own."""
    try:
        return make(*given)
    except Exception as problem:
        return problem


def _position(seen: View, id: str) -> Int64[np.ndarray, " 1"]:
    """Where the clip of this id stands, as one position of several. Raises NoSuchClip."""
    position = clip_selection.position_of(seen.db, id)
    if position is None:
        raise NoSuchClip(f"{id!r}: no clip of this archive has this id")
    return np.array([position], np.int64)


def _read(path: Path, rows: Callable[[str], Any]) -> list[dict[str, Any]]:
    """The JSON objects in a file of the run; none where it is not there. Raises RunError for a damaged one."""
    try:
        return _ROWS.validate_python(rows(path.read_text()) if path.exists() else [])
    except (LookupError, TypeError, ValidationError) as problem:
        raise RunError(f"{path}: holds something else than rows of figures; restore it from the run") from problem
    except (OSError, ValueError) as problem:
        raise RunError(f"{path}: cannot be read ({problem}); restore it from the run") from problem


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=lambda _: None)  # NaN is no JSON
