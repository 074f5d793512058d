"""The clips that a search gives, each with what is known of it, how near it is, and by what."""

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from avgzsl.archive.fused import video_share
from avgzsl.archive.indexed_files import FileState, IndexedFile
from avgzsl.archive.indexed_files import state as state_of
from avgzsl.archive.judgement import Judgement
from avgzsl.archive.nearest import NearestClips
from avgzsl.errors import ConfigError
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import Run
from avgzsl.methods import Embeddings, Method, TextEmbeddings
from avgzsl.recognition.answers import distance
from avgzsl.support import own_folders
from avgzsl.support.showing import ShownItems
from avgzsl.types import MODALITIES, Modality

_HASHED = 16 << 20  # bytes of a file that is read to be compared, as its time is another


@dataclass(frozen=True)
class Hit:
    """A clip that was nearest. `score` is higher, `distance` lower the nearer; dot products have no distance.

    Of a corrected score, `addend` is the part of the energy term, which is in no distance.

    `distances` are those of each modality alone, `weights` what each counted in the fused score (None for one that the
    clip lacks or that the method does not embed by itself). `seen` is None for a label that the run does not know;
    `missing` says that the file which was indexed has gone. `file` says what has become of it (`indexed_files`):
    `changed` is another one under its path, `touched` one that may be; None of a clip without a file.

    `evidence` says how much more than just anything the phrase fits: larger is likelier, and it compares across
    phrases; `likely` is whether that is enough (`scores.evidence`), `because` are a tagger's labels that speak for it.
    They are None where nothing tells: of hits of a clip, and of runs whose text encoder knows a closed list alone.
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
    addend: float = 0.0
    evidence: float | None = None
    likely: bool | None = None
    because: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Hits(ShownItems[Hit]):
    """The nearest clips, best first; `notes` say how words were encoded, and what cannot be told.

    `recall` is None where these are the nearest for certain; else the engine is approximate, and that is the share of
    the ten nearest that it found of this index's own questions. `absent` are parts of the engine that did not answer,
    with the reason: clips that they hold may be missing. `part_of_name`: no hit is likely, but the words are a part of
    longer names from which the line was learned, and so lie further off than these.
    """

    notes: tuple[str, ...] = ()
    recall: float | None = None
    absent: tuple[str, ...] = ()
    part_of_name: bool = False

    @property
    def approximate(self) -> bool:
        """Whether some of the nearest may have been missed by an approximate engine."""
        return self.recall is not None

    @property
    def partial(self) -> bool:
        """Whether a part of the engine did not answer."""
        return bool(self.absent)

    @property
    def line(self) -> int | None:
        """How many hits stand above the line, which is below the last likely one; None where nothing tells."""
        if any(hit.likely is None for hit in self.items):
            return None
        return max((rank for rank, hit in enumerate(self.items, 1) if hit.likely), default=0)

    def only_likely(self) -> "Hits":
        """The likely ones. Raises ConfigError where nothing tells which are."""
        if self.line is None:
            why = f" ({'; '.join(self.notes)})" if self.notes else ""
            raise ConfigError(f"nothing tells which hits are likely{why}; ask by words, or take all hits")
        return replace(self, items=tuple(hit for hit in self.items if hit.likely))

    def rows(self) -> list[dict[str, Any]]:
        """One row a clip; its distances by each modality alone stand under their names.

        Score and distance are one thing: where there is a distance, and no corrected score, that is told.
        """
        return [
            {
                "rank": rank,
                "clip": hit.path or hit.id,
                "start": hit.start,
                "end": hit.end,
                "label": hit.label,
                "seen": hit.seen,
                **({"score": hit.score} if hit.distance is None or hit.addend else {"distance": hit.distance}),
                "audio": hit.distances["audio"],
                "video": hit.distances["video"],
                "evidence": hit.evidence,
                "likely": hit.likely,
                **({} if hit.because is None else {"because": ", ".join(hit.because)}),
            }
            for rank, hit in enumerate(self.items, 1)
        ]

    def json(self) -> list[dict[str, Any]]:
        """One object a hit, with all its fields; each says how sure the whole answer is."""
        return [asdict(hit) | {"recall": self.recall, "partial": self.partial} for hit in self.items]


def hits_of(
    run: Run,
    nearest: NearestClips,
    point: TextEmbeddings,
    mode: Mode,
    judgement: Judgement,
    weight: float = 0.5,
    look: bool = True,
) -> Hits:
    """The nearest clips as hits, in their order; scores are those of the mode, and of each modality alone.

    `weight` is that of video in the fusion `weighted`. Unless it is to `look`, nothing is said of files.
    """
    method = run.method
    seen = dict.fromkeys(run.config.data.seen, True) | dict.fromkeys(run.config.data.unseen, False)
    alone = {m: _alone(nearest.embeddings, point, m, method) for m in MODALITIES}
    weights = _weights(nearest.embeddings, mode, weight)
    addends = nearest.addends.tolist()
    hits, folders = [], own_folders.remembered() if look else ()
    for i, (clip, score) in enumerate(zip(nearest.clips, nearest.scores.tolist(), strict=True)):
        state = None if clip.path is None or not look else _state(clip.path, clip.file, folders)
        hits.append(
            Hit(
                id=clip.id,
                path=clip.path,
                missing=state == "gone",
                file=state,
                start=clip.start,
                end=clip.end,
                label=clip.label,
                seen=None if clip.label is None else seen.get(clip.label),
                split=clip.split,
                licence=clip.licence,
                source=clip.source,
                score=score,
                distance=distance(score - addends[i], method.similarity),
                distances={m: of_clips[i] for m, of_clips in alone.items()},
                weights={m: of_clips[i] for m, of_clips in weights.items()},
                addend=addends[i],
                evidence=judgement.evidence[i],
                likely=judgement.likely[i],
                because=judgement.because[i],
            )
        )
    return Hits(tuple(hits), (*judgement.notes, *certainty(nearest)), nearest.recall, nearest.absent)


def certainty(nearest: NearestClips) -> tuple[str, ...]:
    """Sentences about what may be missing; none of an answer that is certain."""
    notes = []
    if nearest.recall is not None:
        share = math.floor(1000 * nearest.recall + 1e-9) / 10  # no more than was measured
        notes.append(f"approximate: finds {share:.1f} % of the ten nearest")
    if nearest.absent:
        parts = (
            "1 part of the index does" if len(nearest.absent) == 1 else f"{len(nearest.absent)} parts of the index do"
        )
        notes.append(f"partial: {parts} not answer, clips may be missing")
    return tuple(notes)


def _state(path: str, file: IndexedFile | None, folders: Sequence[Path]) -> FileState:
    """What has become of a file; nothing is read of one that the user never named, whatever an index says."""
    own = own_folders.covering(Path(os.path.realpath(path)), folders) is not None
    return state_of(path, file, _HASHED if own else 0)


def _alone(clips: Embeddings, point: TextEmbeddings, modality: Modality, method: Method) -> list[float | None]:
    """The distance of each clip by one modality."""
    z, text, has = clips.of(modality), point.of(modality), clips.has(modality).tolist()
    if z is None or text is None:
        return [None] * len(clips)
    scores = method.near(z, text)[:, 0].tolist()
    return [distance(score, method.similarity) if present else None for score, present in zip(scores, has, strict=True)]


def _weights(clips: Embeddings, mode: Mode, weight: float) -> dict[Modality, list[float | None]]:
    """The weight of each modality in the fused score of each clip."""
    if clips.joint is not None:
        return {m: [None] * len(clips) for m in MODALITIES}
    has = {m: clips.has(m).tolist() for m in MODALITIES}
    if mode.modality != "both":
        return {m: [float(m == mode.modality) if present else None for present in has[m]] for m in MODALITIES}
    video = video_share(clips, mode, weight).tolist()
    shares = {"audio": [1 - share for share in video], "video": video}
    return {
        m: [share if present else None for share, present in zip(shares[m], has[m], strict=True)] for m in MODALITIES
    }
