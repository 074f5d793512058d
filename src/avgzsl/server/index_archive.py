"""An index as the API's archive."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock

import numpy as np

import avgzsl
from avgzsl.archive import clip_files, clip_selection, file_table
from avgzsl.archive.clip_counts import Kind
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, view
from avgzsl.archive.facets import facets
from avgzsl.archive.search import Searcher, mode_of, open_searcher, point_of
from avgzsl.archive.where import parse
from avgzsl.data.clips import ClassTable, Encoder
from avgzsl.errors import AvgzslError
from avgzsl.features.embedding import Task, embed_batch, requests
from avgzsl.media.needs import SoundNeeds, Span
from avgzsl.media.workers import Decoders
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.recognition.answers import answer
from avgzsl.recognition.portable import with_bare_names
from avgzsl.recognition.recognise import embed
from avgzsl.recognition.recogniser import asked_classes
from avgzsl.server.clouds import Words, cloud_of
from avgzsl.server.contract import Cloud, HitChoice, ListPlace, Media, NoSuchClip, Search, Unanswerable
from avgzsl.server.handed_out import folders, of_other_places
from avgzsl.server.listing import file_row, files_of, page_of
from avgzsl.server.one_clip import everyday_phrases, one_clip
from avgzsl.server.problems import LOG
from avgzsl.server.rows import clip_row, facets_row, recognised
from avgzsl.server.run_tables import tables_of
from avgzsl.server.schema import ClassRow, ClipRow, Clips, Description, Facets, Hits, OneClip, Recognised, RunTables
from avgzsl.server.searching import HIDDEN, Searching, position_of
from avgzsl.types import EncoderChoice, TestModality


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


class CollectionArchive:
    """Fulfils `contract.Archive`. Encoders are not made for several threads: each works for one at a time."""

    def __init__(self, searcher: Searcher, decoders: Decoders, own: bool, media: tuple[Path, ...] = ()) -> None:
        self.searcher, self.decoders, self._own, self._media = searcher, decoders, own, media
        self.collection, self.run = searcher.collection, searcher.collection.run
        self.classes = searcher.words.classes
        self.marks = dict(zip(self.classes.names, self.classes.seen.tolist(), strict=True))
        self._encoding, self._embedding = Lock(), Lock()
        self._searching = Searching(searcher, self._rows, self._hidden, self._encoding)
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
            name=self.collection.name,
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
        return self._searching.search(asked)

    def search_many(self, asked: Sequence[Search]) -> list[Hits | Exception]:
        return self._searching.search_many(asked)

    def search_clip(self, path: Path, by: TestModality, choice: HitChoice) -> Hits:
        return self._searching.find(point_of(self.collection, self._embed(path), by, "the clip"), choice)

    def classify(self, path: Path, names: list[str] | None, top: int) -> Recognised:
        clip, recogniser = self._embed(path), self.searcher.clips
        try:
            with self._encoding:
                table, text, notes = self._choice(names)
        except AvgzslError as problem:
            raise Unanswerable(self._public(problem)) from problem
        recognition = recogniser.recognition
        numbers, thresholds = recognition.numbers(), recognition.thresholds()
        found = answer(self.run.method, clip, table, text, recogniser.mode, numbers, thresholds, top)
        return recognised(found, self._hidden(notes), has_classes=len(self.classes) > 0)

    def _choice(self, names: list[str] | None) -> tuple[ClassTable, TextEmbeddings, Sequence[str]]:
        """What a clip is recognised among, with its embedding and notes. Raises AvgzslError for unusable names."""
        if names is None and not len(self.classes) and (everyday := everyday_phrases(self.searcher)) is not None:
            return *everyday, (
                f"No class was learned here: chosen among {len(everyday[0])} everyday phrases, as a guess",
            )
        table, notes = asked_classes(self.searcher.words, names)
        return table, self.run.method.embed_text(table.text), notes

    def heard(self) -> float:
        backbones = {} if self._no_uploads is not None else self.searcher.clips.backbones
        needs = [backbone.needs for backbone in backbones.values()]
        seconds = [need.seconds for need in needs if isinstance(need, SoundNeeds) and need.seconds is not None]
        return seconds[0] if seconds else math.inf

    def clips(self, place: ListPlace, where: str | None) -> Clips:
        condition = () if where is None else parse(where, HIDDEN)
        with view(self.collection) as seen:
            if place.group is not None:
                page_of_files, total = files_of(seen, place, condition)
                firsts = seen.clips(np.array([file.first for file in page_of_files.files], np.int64))
                files = [file_row(seen, file) for file in page_of_files.files]
                rows = self._rows(firsts)
                return Clips(total=total, offset=0, next=page_of_files.next, clips=rows, files=files)
            page = page_of(seen, place, condition)
            rows = self._rows(seen.clips(page.positions))
        return Clips(total=page.total, offset=place.offset, next=page.next, clips=rows)

    def rows(self, ids: Sequence[str]) -> list[ClipRow]:
        with view(self.collection) as seen:
            return self._rows(seen.clips(np.concatenate([position_of(seen, id) for id in ids])))

    def facets(self, where: str | None) -> Facets:
        condition = () if where is None else parse(where, HIDDEN)
        with view(self.collection) as seen:
            return seen.known.of(("facets", condition), lambda: facets_row(facets(seen.db, condition)))

    def one(self, id: str, modality: TestModality | None) -> OneClip:
        if not len(self.classes):
            with self._encoding:
                _ = self.searcher.phrases  # encoded once
        with view(self.collection) as seen:
            return one_clip(seen, id, self.searcher, modality, self._rows)

    def media(self, id: str) -> Media:
        with view(self.collection) as seen:
            clip = seen.clips(position_of(seen, id))[0]
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

    def rows_there(self, ids: Sequence[str]) -> list[ClipRow]:
        with view(self.collection) as seen:
            places = [clip_selection.position_of(seen.db, id) for id in ids]
            clips = seen.clips(np.array([place for place in places if place is not None], np.int64))
            return self._rows(clips)

    def cloud(self, modality: TestModality | None, most: int) -> Cloud:
        mode = mode_of(self.collection, modality, None)
        return cloud_of(self.collection, mode, most, self.classes, self._words())

    def kept(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        with view(self.collection) as seen:
            known = seen.known
        return known.of(key, make)

    def _words(self) -> Words:
        """The classes of the run, or, of one without any, everyday phrases by its text encoder."""
        if names := self.classes.names:
            return Words(names, "classes", self.run.method.embed_text(self.classes.text))
        if self._no_phrases is not None:
            return Words()
        with self._encoding:
            bank = self.searcher.phrases
        return Words() if bank.phrases is None else Words(bank.phrases.names, "phrases", bank.text)

    def tables(self) -> RunTables:
        return tables_of(self.run)

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
        ends = self._ends(clips)
        return [
            clip_row(clip, mark, allowed, ends.get(clip.path or "")) for clip, mark in zip(clips, marks, strict=True)
        ]

    def _ends(self, clips: Sequence[IndexedClip]) -> dict[str, float]:
        """Where the last windows of the clips' files end, where the index has windows."""
        if self.collection.record.window is None:
            return {}
        with view(self.collection) as seen:
            return clip_files.seconds(seen.db, [clip.path for clip in clips if clip.path is not None])
