"""Words or a clip to the clips of an index.

    searcher = open_searcher("index")
    for hit in search(searcher, "church bell"):
        print(hit.id, hit.distance)

Words become a vector by the run's own text encoder; a class that the run knows has the vector that it was trained with.
Several phrases, and phrases `without`, are vector arithmetic in the space of text, before the run's own map: unit
vectors of the phrases are added, those of the unwanted ones taken off, and the sum is scaled to length 1 (Mikolov et
al., 2013). It moves the query away from the unwanted words; it is no logical not.

A clip as a query stands where its own embedding does, in the space in which sound, picture and names meet: so its sound
finds pictures, and its picture sounds.
"""

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.archive.collection import Collection, open_collection
from avgzsl.archive.fused import video_share, weighted
from avgzsl.archive.indexed_files import FileState, Indexed
from avgzsl.archive.indexed_files import state as state_of
from avgzsl.archive.nearest import Found, nearest
from avgzsl.archive.where import parse
from avgzsl.errors import ConfigError, ModalityError
from avgzsl.experiments import run as runs
from avgzsl.experiments.calibration import Recognition
from avgzsl.experiments.protocol import Mode, choose_mode, served_modes
from avgzsl.learning.nets import unit_rows
from avgzsl.methods import Embeddings
from avgzsl.recognition.answers import distance
from avgzsl.recognition.encoders import load_text_encoder
from avgzsl.recognition.recognise import embed, extract_clips
from avgzsl.recognition.recogniser import Recogniser, class_table, load_recogniser
from avgzsl.scores.similarity import SIMILARITIES, Name
from avgzsl.support import own_folders
from avgzsl.types import MODALITIES, Fusion, Modality, TestModality

_LONGEST = 1000  # characters of a phrase: more is a mistake, not a query
_MOST = 10_000  # hits
_HASHED = 16 << 20  # bytes of a file that is read to be compared, as its time is another


@dataclass(frozen=True, eq=False)
class Searcher:
    """An index and its run's encoders; those of clips are loaded when a clip first asks for them."""

    collection: Collection
    words: Recogniser
    load_clips: partial[Recogniser]

    @cached_property
    def clips(self) -> Recogniser:
        """The run with the encoders of clips."""
        return self.load_clips()


@dataclass(frozen=True)
class Hit:
    """A clip that was found. `score` is higher, `distance` lower the nearer; dot products have no distance.

    `distances` are those of each modality alone, `weights` what each counted in the fused score (None for one that the
    clip lacks or that the method does not embed by itself). `seen` is None for a label that the run does not know;
    `missing` says that the file which was indexed has gone. `file` says what has become of it (`indexed_files`):
    `changed` is another one under its path, `touched` one that may be; None of a clip without a file.
    """

    id: str
    path: str | None
    missing: bool
    file: FileState | None
    start: float | None
    end: float | None
    label: str | None
    seen: bool | None
    split: str | None
    licence: str | None
    source: str | None
    score: float
    distance: float | None
    distances: dict[Modality, float | None]
    weights: dict[Modality, float | None]


def open_searcher(
    index: str | Path,
    *,
    url: str | None = None,
    models: Path | None = None,
    device: str = "auto",
    audio: str | None = None,
    video: str | None = None,
    text: str | None = None,
) -> Searcher:
    """Open an index for searching; `models` and the specs of encoders are as in `recognise.load_recogniser`.

    `url` is where its engine is, if that is not on disk; else AVGZSL_ENGINE_URL. What the index says is not called.
    Raises DataError for what is no index, RunError when the run in it is not the one that made it.
    """
    collection = open_collection(index, url)
    run = collection.run
    classes = runs.read_classes(run)
    load_text = partial(load_text_encoder, run, classes, text, models, device)
    words = Recogniser(run, classes, Recognition(modes={}), served_modes(run.method)[0], {}, load_text)
    clips = partial(load_recogniser, run.folder, models=models, device=device, audio=audio, video=video, text=text)
    return Searcher(collection, words, clips)


def search(
    index: Searcher | str | Path,
    words: str | Sequence[str] = (),
    *,
    without: Sequence[str] = (),
    like: str | Path | None = None,
    by: TestModality | str | None = None,
    k: int = 20,
    modality: TestModality | str | None = None,
    fusion: Fusion | None = None,
    where: str | None = None,
) -> list[Hit]:
    """The k clips nearest to words, or to the clip `like`, best first.

    `modality` and `fusion` say by what the clips of the index are compared, by default by all there is; `by` says what
    of the clip `like` is asked with, by default all that the run serves. `where` is a condition in the grammar of
    `archive.where`. Raises ConfigError, DataError, ModalityError, MediaError; the message says what to ask instead.
    """
    searcher = index if isinstance(index, Searcher) else open_searcher(index)
    if not 1 <= k <= _MOST:
        raise ConfigError(f"{k} hits were asked for; give a number from 1 to {_MOST}")
    mode = mode_of(searcher.collection, modality, fusion)
    condition = None if where is None else parse(where)
    phrases = [words] if isinstance(words, str) else list(words)
    if (like is None) == (not phrases and not without):
        raise ConfigError("a search is for words or for what is like a clip; give one of the two")
    if like is None and by is not None:
        raise ConfigError(f"by {by} says what of a clip to ask with, and there is none; leave it out, or see modality")
    point = text_point(searcher, phrases, without) if like is None else clip_point(searcher, Path(like), by or "both")
    return hits_of(searcher, nearest(searcher.collection, point, k, mode, condition), point, mode)


def text_point(searcher: Searcher, phrases: Sequence[str], without: Sequence[str] = ()) -> Float[Tensor, " d"]:
    """Where the words stand. Raises ConfigError for words that say nothing, DataError for those without a vector."""
    wanted, unwanted = (list(map(_checked, names)) for names in (phrases, without))
    if not wanted:
        raise ConfigError("a search needs words to look for, besides those to stay away from; give at least one phrase")
    each = {name: class_table(searcher.words, [name]).text[0] for name in dict.fromkeys([*wanted, *unwanted])}
    if len(each) == 1 and not unwanted:
        text = each[wanted[0]]  # as it is: the very vector of the class
    else:
        unit = {name: unit_rows(vector.double()[None])[0] for name, vector in each.items()}
        total = torch.stack([unit[name] for name in wanted] + [-unit[name] for name in unwanted]).sum(0)
        if float(total.norm()) < 1e-6:
            raise ConfigError(f"{' + '.join(wanted)} without {' and '.join(unwanted)} leaves nothing to look for")
        text = unit_rows(total[None])[0]
    return searcher.collection.run.method.embed_text(text[None].float())[0]


def clip_point(searcher: Searcher, clip: Path, by: TestModality | str = "both") -> Float[Tensor, " d"]:
    """Where a clip stands, by one modality or both. Raises MediaError for a file that cannot be read."""
    (_, outcome), *_ = extract_clips(searcher.clips, [clip])
    return point_of(searcher.collection, embed(searcher.clips, [outcome]), by, str(clip))


def point_of(collection: Collection, clip: Embeddings, by: TestModality | str, name: str) -> Float[Tensor, " d"]:
    """The mean of a clip's embeddings, weighted as the run weighs them; `both` is all that the run serves.

    Raises ModalityError for what the clip lacks.
    """
    mode = mode_of(collection, None if by == "both" else by, None)
    has = [modality for modality in MODALITIES if bool(clip.has(modality).all())]
    if not has or (mode.modality != "both" and mode.modality not in has):
        known = " and ".join(has) or "nothing that the run can embed"
        raise ModalityError(f"{name}: has no {mode.modality} to search by; it has {known}")
    parts = weighted(clip, mode)
    if collection.run.method.similarity == "cosine":
        parts = [(unit_rows(z), w) for z, w in parts]
    return torch.stack([z[0] * w[0] for z, w in parts]).sum(0).float()


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
    if strange := sorted({char for char in text if unicodedata.category(char) in ("Cc", "Cs", "Cn")}):
        codes = ", ".join(f"U+{ord(char):04X}" for char in strange[:5])
        raise ConfigError(f"the query holds characters that are no text ({codes}); leave them out")
    return text


def hits_of(searcher: Searcher, found: Found, point: Float[Tensor, " d"], mode: Mode) -> list[Hit]:
    """What was found, as hits, in its order; scores are those of the mode, and of each modality alone."""
    run = searcher.collection.run
    near = run.method.similarity
    marks = dict.fromkeys(run.config.data.seen, True) | dict.fromkeys(run.config.data.unseen, False)
    alone = {m: _alone(found.embeddings, point, m, near) for m in MODALITIES}
    shares = _shares(found.embeddings, mode)
    hits, folders = [], own_folders.remembered()
    for i, (clip, value) in enumerate(zip(found.clips, found.scores.tolist(), strict=True)):
        state = None if clip.path is None else _state(clip.path, clip.file, folders)
        hits.append(
            Hit(
                id=clip.id,
                path=clip.path,
                missing=state == "gone",
                file=state,
                start=clip.start,
                end=clip.end,
                label=clip.label,
                seen=None if clip.label is None else marks.get(clip.label),
                split=clip.split,
                licence=clip.licence,
                source=clip.source,
                score=value,
                distance=distance(value, near),
                distances={m: x[i] for m, x in alone.items()},
                weights={m: x[i] for m, x in shares.items()},
            )
        )
    return hits


def _state(path: str, file: Indexed | None, folders: Sequence[Path]) -> FileState:
    """What has become of a file; nothing is read of one that the user never named, whatever an index says."""
    own = own_folders.covering(Path(os.path.realpath(path)), folders) is not None
    return state_of(path, file, _HASHED if own else 0)


def _alone(clips: Embeddings, point: Float[Tensor, " d"], modality: Modality, near: Name) -> list[float | None]:
    """The distance of each clip by one modality."""
    z, has = clips.of(modality), clips.has(modality).tolist()
    if z is None:
        return [None] * len(clips)
    scores = SIMILARITIES[near](z, point[None].float())[:, 0].tolist()
    return [distance(score, near) if present else None for score, present in zip(scores, has, strict=True)]


def _shares(clips: Embeddings, mode: Mode) -> dict[Modality, list[float | None]]:
    """The weight of each modality in the fused score of each clip."""
    if clips.joint is not None:
        return {m: [None] * len(clips) for m in MODALITIES}
    has = {m: clips.has(m).tolist() for m in MODALITIES}
    if mode.modality != "both":
        return {m: [float(m == mode.modality) if present else None for present in has[m]] for m in MODALITIES}
    video = video_share(clips, mode).tolist()
    shares = {"audio": [1 - share for share in video], "video": video}
    return {m: [w if present else None for w, present in zip(shares[m], has[m], strict=True)] for m in MODALITIES}
