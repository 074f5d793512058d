"""What a clip's embedding says of a list of classes: the nearest, how near, and by which modality."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.data.clips import ClassTable
from avgzsl.experiments.protocol import NOTHING, Mode, ModeNumbers
from avgzsl.methods import Embeddings, Method, TextEmbeddings, video_weight
from avgzsl.scores.scoring import top as nearest
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES, Fusion, Modality, TestModality


@dataclass(frozen=True)
class Candidate:
    """A class as a clip sees it.

    `score` is higher, `distance` lower the nearer; dot products have no distance. `distances` are those of each
    modality alone, None for one that the clip lacks or that the method does not embed by itself. `support` is what each
    modality adds to the score above its mean over all candidates; where both have one, their sum is the whole of it.
    """

    label: str
    seen: bool
    score: float
    distance: float | None
    distances: dict[Modality, float | None]
    support: dict[Modality, float | None]


@dataclass(frozen=True)
class Answer:
    """The nearest classes of a clip, best first.

    `modality` is that by which the clip was scored, `weights` what each modality counted, for the nearest class where
    that hangs on the class (None where the method joins them before it embeds). `gamma` is what seen classes were set
    back by, None where uncalibrated: the order of `top` heeds it, scores and distances do not. `none_of_these` is None
    where no threshold was given for the mode.
    """

    modality: TestModality
    fusion: Fusion | None
    weights: dict[Modality, float | None]
    gamma: float | None
    none_of_these: bool | None
    top: tuple[Candidate, ...]


def answer(
    method: Method,
    clip: Embeddings,
    classes: ClassTable,
    text: TextEmbeddings,
    mode: Mode,
    numbers: ModeNumbers,
    thresholds: Mapping[Mode, float],
    top: int,
) -> Answer:
    """The `top` nearest classes of one clip; `text` embeds `classes`, thresholds are in units of score.

    In mode `both` a clip with one modality is scored by that one, with its numbers and threshold, as in evaluation.
    Raises ModalityError for a clip that lacks what the mode needs, DataError for scores that are not finite.
    """
    mode = _mode_of(method, clip, mode)
    own = numbers.get(mode, NOTHING)
    scores = method.compare(clip, text, *mode, own.weight)
    best = nearest(scores, classes.seen, own.gamma, min(top, len(classes)), own.stretch)[0][0].tolist()
    weights = _weights(clip, text, mode, own.weight)
    alone = {m: _alone(method, clip, text, m) for m in MODALITIES}
    parts = {m: None if s is None else s * (0.0 if (w := weights[m]) is None else w) for m, s in alone.items()}
    support = {m: None if s is None else s - s.mean() for m, s in parts.items()}
    near = method.similarity

    def candidate(c: int) -> Candidate:
        return Candidate(
            label=classes.names[c],
            seen=bool(classes.seen[c]),
            score=float(scores[0, c]),
            distance=distance(float(scores[0, c]), near),
            distances={m: None if s is None else distance(float(s[c]), near) for m, s in alone.items()},
            support={m: None if s is None else float(s[c]) for m, s in support.items()},
        )

    threshold = thresholds.get(mode)
    return Answer(
        modality=mode.modality,
        fusion=mode.fusion if mode.modality == "both" else None,
        weights={m: None if w is None else float(w.broadcast_to(len(classes))[best[0]]) for m, w in weights.items()},
        gamma=own.gamma if mode in numbers else None,
        none_of_these=None if threshold is None else bool(float(scores[0, best[0]]) < threshold),
        top=tuple(map(candidate, best)),
    )


def distance(score: float, similarity: Name) -> float | None:
    """What a score is as a distance, lower is nearer, never negative; a dot product is none."""
    if similarity == "dot":
        return None
    return max(0.0, 1 - score if similarity == "cosine" else -score)


def _mode_of(method: Method, clip: Embeddings, mode: Mode) -> Mode:
    """The mode that the clip can be tested in: another than asked for where it brings one modality of both."""
    has = [m for m in MODALITIES if bool(clip.has(m).all())]
    if mode.modality != "both" or len(has) == 2 or not has or has[0] not in method.modalities:
        return mode
    return Mode(has[0], "equal")


def _weights(
    clip: Embeddings, text: TextEmbeddings, mode: Mode, weight: float | None
) -> dict[Modality, Float[Tensor, " _c"] | None]:
    """What each modality counts, for each class or for all."""
    if mode.modality != "both":
        return {m: torch.tensor([float(m == mode.modality)], dtype=torch.float64) for m in MODALITIES}
    if clip.joint is not None:
        return dict.fromkeys(MODALITIES)
    found = video_weight(clip, text, mode.fusion, weight)
    of_video = torch.tensor([0.5], dtype=torch.float64) if found is None else found[0].double()
    return {"audio": 1 - of_video, "video": of_video}


def _alone(method: Method, clip: Embeddings, text: TextEmbeddings, modality: Modality) -> Tensor | None:
    """The clip's scores by one modality, float64; None where it is not embedded by itself."""
    z, names = clip.of(modality), text.of(modality)
    if z is None or names is None or not bool(clip.has(modality).all()):
        return None
    return method.near(z, names)[0].double()
