"""Words or a clip to the clips of an index.

    for hit in search("index", "church bell"):
        print(hit.id, hit.distance)

Words become a vector by the run's own text encoder; a class that the run knows has the vector that it was trained with.
Several phrases, and phrases `without`, are vector arithmetic in the space of text, before the run's own map: unit
vectors of the phrases are added, those of the unwanted ones taken off, and the sum is scaled to length 1 (Mikolov et
al., 2013). It moves the query away from the unwanted words; it is no logical not.

A clip as a query stands where its own embedding does, in the space in which sound, picture and names meet: so its sound
finds pictures, and its picture sounds. Where a run has a space for each, sound finds sounds and pictures pictures.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import torch

from avgzsl.archive.addends import is_corrected
from avgzsl.archive.asked import video_weight_of
from avgzsl.archive.collection import Collection, open_index
from avgzsl.archive.fused import weighted
from avgzsl.archive.hits import Hits, hits_of
from avgzsl.archive.judgement import judge, unjudged
from avgzsl.archive.nearest import NearestClips, nearest
from avgzsl.archive.where import parse
from avgzsl.errors import ConfigError, ModalityError
from avgzsl.experiments.calibration import Recognition, read_recognition
from avgzsl.experiments.protocol import Mode, choose_mode, served_modes
from avgzsl.experiments.run import read_classes
from avgzsl.learning.nets import unit_rows
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.recognition.bank import Bank, load_bank
from avgzsl.recognition.recognise import embed, extract_clips
from avgzsl.recognition.recogniser import Recogniser, asked_classes, load_recogniser
from avgzsl.recognition.text_encoders import load_text_encoder
from avgzsl.support.arguments import check_arguments, check_list
from avgzsl.text.part_record import columns_of
from avgzsl.types import MODALITIES, EncoderChoice, Fusion, RetrievalKind, TestModality

_LONGEST = 1000  # characters of a phrase: more is a mistake, not a query
_MOST = 10_000  # hits
_WORDS = {"audio": "sound", "video": "picture"}


@dataclass(frozen=True, eq=False)
class Searcher:
    """An index and its run's encoders; those of clips are loaded when a clip first asks for them."""

    collection: Collection
    words: Recogniser
    load_clips: partial[Recogniser]
    recognition: Recognition

    @cached_property
    def clips(self) -> Recogniser:
        """The run with the encoders of clips."""
        return self.load_clips()

    @cached_property
    def bank(self) -> Bank:
        """Everyday phrases that hits are held against."""
        return Bank(None) if self.collection.run.method.absolute else self.phrases

    @cached_property
    def phrases(self) -> Bank:
        """Everyday phrases as the run understands them; encoded when they are first asked for."""
        return load_bank(self.words)

    def found(
        self, nearest: NearestClips, point: TextEmbeddings, mode: Mode, by_words: bool, look: bool = True
    ) -> Hits:
        """The nearest clips as hits; of those of words it is told whether they are likely. `look` as in `hits_of`."""
        run, weight = self.collection.run, video_weight_of(self.collection.record, point)
        if by_words:
            lines = self.recognition.lines_of(mode, run.method)
            judgement = judge(run.method, self.bank, lines, nearest, point, mode, weight)
        else:
            judgement = unjudged(len(nearest.clips))
        return hits_of(run, nearest, point, mode, judgement, weight, look)


def open_searcher(
    index: str | Path | Collection, *, url: str | None = None, encoders: EncoderChoice | None = None
) -> Searcher:
    """Open an index for searching; `encoders` are for a run that does not know its own, or whose weights have moved.

    `url` is where its engine is, if that is not on disk; else AVGZSL_ENGINE_URL. What the index says is not called.
    Raises DataError for what is no index, RunError when the run in it is not the one that made it.
    """
    check_arguments(encoders=encoders)
    encoders = encoders or EncoderChoice()
    collection = open_index(index, url)
    run = collection.run
    classes = read_classes(run)
    words = Recogniser(
        run=run,
        classes=classes,
        recognition=Recognition(modes={}),
        mode=served_modes(run.method)[0],
        backbones={},
        load_text=partial(load_text_encoder, run, classes, encoders),
    )
    recognition = read_recognition(run.folder) or Recognition(modes={})
    return Searcher(collection, words, partial(load_recogniser, run, encoders=encoders), recognition)


def search(
    index: str | Path | Collection | Searcher,
    words: str | Sequence[str] = (),
    *,
    without: Sequence[str] = (),
    like: str | Path | None = None,
    by: TestModality | str | None = None,
    top: int = 20,
    modality: TestModality | str | None = None,
    fusion: Fusion | None = None,
    where: str | None = None,
    retrieval: RetrievalKind | None = None,
    encoders: EncoderChoice | None = None,
) -> Hits:
    """The `top` clips nearest to words, or to the clip `like`, best first.

    `modality` and `fusion` say by what the clips of the index are compared, by default by all there is; `by` says what
    of the clip `like` is asked with, by default all that the run serves. `where` is a condition in the grammar of
    `archive.where`. `retrieval` is by corrected scores, with the energy term, or by plain ones; None takes corrected
    ones for words, where the index has them. `encoders` are as in `open_searcher`; whoever searches again and again
    opens one. There are more parameters than eight, for each is a part of the question, and most questions have two.

    Raises ConfigError, DataError, ModalityError, MediaError; the message says what to ask instead.
    """
    check_arguments(encoders=encoders, top=top)
    check_list("without", without)
    if encoders is not None:
        _require_encoders_used(encoders, like)
    searcher = _opened(index, encoders)
    if not 1 <= top <= _MOST:
        raise ConfigError(f"{top} hits were asked for; give a number from 1 to {_MOST}")
    collection = searcher.collection
    mode = mode_of(collection, modality, fusion)
    corrected = is_corrected(collection.record, retrieval, collection.folder, like is None)
    condition = None if where is None else parse(where)
    phrases = [words] if isinstance(words, str) else list(words)
    if (like is None) == (not phrases and not without):
        raise ConfigError("a search is for words or for what is like a clip; give one of the two")
    if like is None and by is not None:
        raise ConfigError(f"by {by} says what of a clip to ask with, and there is none; leave it out, or see modality")
    if like is None:
        point, notes = words_point(searcher, phrases, without)
    else:
        point, notes = clip_point(searcher, Path(like), by or "both"), ()
    mode, fallback = mode_for(collection, point, mode)
    found = nearest(collection, point, top, mode, condition, corrected)
    hits = searcher.found(found, point, mode, by_words=like is None)
    return replace(hits, notes=(*notes, *fallback, *hits.notes))


def _require_encoders_used(encoders: EncoderChoice, like: str | Path | None) -> None:
    """Raises ConfigError for an encoder that the question does not go through."""
    of_clips = {"audio": encoders.audio, "video": encoders.video}
    of_words = {"text": " ".join(encoders.parts) or None}
    unused, question = (of_clips, "for words") if like is None else (of_words, "by a clip")
    for kind, spec in unused.items():
        if spec is not None:
            raise ConfigError(f"the {kind} encoder {spec!r} has no part in a search {question}; leave it out")


def _opened(index: str | Path | Collection | Searcher, encoders: EncoderChoice | None) -> Searcher:
    """Raises ConfigError for encoders of a searcher, which has its own."""
    if not isinstance(index, Searcher):
        return open_searcher(index, encoders=encoders)
    if encoders is not None:
        raise ConfigError(
            f"{index.collection.folder}: a searcher has encoders already; leave them out, or give the index instead"
        )
    return index


def words_point(
    searcher: Searcher, phrases: Sequence[str], without: Sequence[str] = ()
) -> tuple[TextEmbeddings, tuple[str, ...]]:
    """Where the words stand, and notes on how they were encoded.

    Phrases are added up within each part of the text. Raises ConfigError for words that say nothing, DataError for
    those without a vector.
    """
    added, subtracted = [_checked(phrase) for phrase in phrases], [_checked(phrase) for phrase in without]
    if not added:
        raise ConfigError("a search needs words to look for, besides those to stay away from; give at least one phrase")
    asked = {phrase: asked_classes(searcher.words, [phrase]) for phrase in dict.fromkeys([*added, *subtracted])}
    vectors = {phrase: table.text for phrase, (table, _) in asked.items()}
    notes = dict.fromkeys(note for _, some in asked.values() for note in some)
    if len(vectors) == 1 and not subtracted:
        text = vectors[added[0]]  # as it is: the very vector of the class
    else:
        signed = [vectors[phrase] for phrase in added] + [-vectors[phrase] for phrase in subtracted]
        sums = [
            torch.stack([unit_rows(vector[:, columns].double()) for vector in signed]).sum(0)
            for columns in columns_of(searcher.words.classes.parts)
        ]
        if min(float(total.norm()) for total in sums) < 1e-6:
            raise ConfigError(f"{' + '.join(added)} without {' and '.join(subtracted)} leaves nothing to look for")
        text = torch.cat([unit_rows(total) for total in sums], dim=1)
    return searcher.collection.run.method.embed_text(text.float()), tuple(notes)


def clip_point(searcher: Searcher, clip: Path, by: TestModality | str = "both") -> TextEmbeddings:
    """Where a clip stands, by one modality or both. Raises MediaError for a file that cannot be read."""
    outcomes = [outcome for _, outcome in extract_clips(searcher.clips, [clip])]
    return point_of(searcher.collection, embed(searcher.clips, outcomes), by, str(clip))


def point_of(collection: Collection, clip: Embeddings, by: TestModality | str, name: str) -> TextEmbeddings:
    """The mean of a clip's embeddings, weighted as the run weighs them; `both` is all that the run serves.

    Where sound and picture have a space each, it is the embedding of each.

    Raises ModalityError for what the clip lacks.
    """
    mode = mode_of(collection, None if by == "both" else by, None)
    has = [modality for modality in MODALITIES if bool(clip.has(modality).all())]
    if not has or (mode.modality != "both" and mode.modality not in has):
        present = " and ".join(has) or "nothing that the run can embed"
        raise ModalityError(f"{name}: has no {mode.modality} to search by; it has {present}")
    parts = weighted(clip, mode, collection.record.weight)
    if collection.record.joined:
        audio, video = (parts[m][0].float() if m in parts and m in has else None for m in MODALITIES)
        return TextEmbeddings(audio, video, None)
    if collection.run.method.similarity == "cosine":
        parts = {m: (unit_rows(z), w) for m, (z, w) in parts.items()}
    return TextEmbeddings.shared(torch.stack([z * w[:, None] for z, w in parts.values()]).sum(0).float())


def mode_for(collection: Collection, point: TextEmbeddings, mode: Mode) -> tuple[Mode, tuple[str, ...]]:
    """The mode in which a point can be compared, and a note where it is another than the one asked for.

    Where sound and picture have a space each (`IndexRecord.joined`), a clip that has one of them is compared by that
    one, also where both are asked for. Raises ModalityError where the one asked for is what it lacks.
    """
    has = [m for m in MODALITIES if point.of(m) is not None]
    needed = MODALITIES if mode.modality == "both" else (mode.modality,)
    if not collection.record.joined or set(needed) <= set(has):
        return mode, ()
    only = has[0]
    word = _WORDS[only]
    if mode.modality == "both":
        note = f"this asks with the {word} of a clip alone, so clips are compared by {word}"
        return mode_of(collection, only, None), (note,)
    raise ModalityError(
        f"this asks with the {word} of a clip alone, which cannot be compared with {_WORDS[mode.modality]}, for the "
        f"run has a space for each: compare by {word} (modality {only}), or ask with words"
    )


def mode_of(collection: Collection, modality: str | None, fusion: Fusion | None) -> Mode:
    """The mode asked for; by default both modalities, with attention where the run has it.

    Raises UnknownNameError, ConfigError for a fusion of one modality, ModalityError for what the run does not serve.
    """
    return choose_mode(collection.run.method, collection.modes, modality, fusion, collection.folder)


def _checked(phrase: str) -> str:
    """Raises ConfigError for a phrase that says nothing, is no phrase, or holds what nobody sees."""
    text = phrase.strip()
    if not text:
        raise ConfigError("the query is empty; give a word or a phrase")
    if len(text) > _LONGEST:
        raise ConfigError(f"the query has {len(text)} characters; at most {_LONGEST} are taken: give a phrase")
    if invisible := sorted({char for char in text if unicodedata.category(char) in ("Cc", "Cs", "Cn")}):
        codes = ", ".join(f"U+{ord(char):04X}" for char in invisible[:5])
        raise ConfigError(f"the query holds characters that are no text ({codes}); leave them out")
    return text
