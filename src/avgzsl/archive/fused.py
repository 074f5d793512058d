"""A clip, whatever modalities it has and however they are weighted, as one vector; a question as another.

With weights w >= 0 that sum to 1 over the clip's modalities z, the inner product of the two orders clips as the fused
score of a method does. Where one text t meets sound and picture in one space, m = sum w z stands for both, and the
vectors are [m, c] and [s t, -1]:

- dot: m·t, c = 0; cosine: the same of unit vectors.
- mse: sum w |z - t|² = sum w |z|² - 2 m·t + |t|², hence c = sum w |z|², s = 2.
- euclidean: by the triangle inequality sum w |z - t| >= |m - t|, with equality for one modality; c = |m|², s = 2. The
  order of the inner products is not that of the distances then, but it bounds them: `bound` says how near a clip of a
  smaller inner product can be at most. (The bound is linear in the stored vector for any weights. For equal weights
  the other linear one, sum w |z - t| >= sqrt(sum w² |z - t|²) = sqrt(mean squared distance / 2), is tighter only where
  the two modalities lie on opposite sides of the query.)

Where sound and picture have a text each, of any widths (`joined`), both stand side by side: [w_a z_a, w_v z_v, c] and
[s t_a, s t_v, -1]. The squared lengths of the two texts count by the clip's weights then, so these have two numbers
more, [.., w_a, w_v, c] and [.., -|t_a|², -|t_v|², -1]:

- mse: each part and each squared length over its width d: the inner product is the score itself.
- euclidean: sum w |z - t| >= sqrt(sum w² |z - t|²), the length of a vector of two parts being at most the sum of
  theirs; so w² in place of w, and c = sum w² |z|². The inner product is minus the square of that bound.

An energy term (`scores.energy`) is an addend e to all scores of a clip. It is one more number of a vector, before c,
and the question says whether it counts: by 1, or by d for mse in one space; by 0 where plain scores are asked for.
Plain Euclidean distances D are not linear in the inner product, but whether e - D >= x is: for e >= x it says that
D² <= (e - x)², which is e² - 2 x e - D² >= -x². So e and e² both stand in the vector, and a question that knows the
score x to be reached counts them by -2 x and 1. One that does not leaves them out, and is bound by the largest e.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from avgzsl.experiments.protocol import Mode
from avgzsl.learning.nets import unit_rows
from avgzsl.methods import Embeddings, TextEmbeddings, present
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES, Modality

_SQUARED = ("mse", "euclidean")


@dataclass(frozen=True)
class Space:
    """What the vectors of a mode are made of.

    `joined`: sound and picture have a text each (in mode `both` alone); `weight`: of video, in the fusion `weighted`;
    `energy`: each vector has the clip's addend.
    """

    mode: Mode
    similarity: Name
    joined: bool = False
    weight: float = 0.5
    energy: bool = False

    def size(self, body: int) -> int:
        """How many numbers a vector has, `body` of them of embeddings."""
        return body + self._others

    def body(self, size: int) -> int:
        """How many of the numbers of a vector are of embeddings."""
        return size - self._others

    @property
    def _others(self) -> int:
        weights = 2 if self.joined and self.similarity in _SQUARED else 0
        addends = (2 if self.similarity == "euclidean" else 1) if self.energy else 0
        return weights + addends + 1


class Question(NamedTuple):
    """A query of the vectors of a space.

    `own`: the squared length of the text, where it is the same for all clips; `divisor`: of squared distances, to make
    the score; `body`: how many numbers are of embeddings; `sought`: of corrected Euclidean scores, the score x that
    `vector` asks for; `corrected`: whether addends count.
    """

    vector: Float32[np.ndarray, " _e"]
    space: Space
    own: float
    divisor: float
    body: int
    corrected: bool = False
    sought: float | None = None


def weighted(
    clips: Embeddings, mode: Mode, weight: float = 0.5
) -> dict[Modality | None, tuple[Float[Tensor, "n _d"], Float[Tensor, " n"]]]:
    """The embeddings that count in the mode, zero where a clip lacks them, each with its weights, which sum to 1.

    Joint ones stand under None. `weight` is that of video in the fusion `weighted`.
    """
    whole = torch.ones(len(clips), dtype=torch.float64)
    if mode.modality != "both":
        weights: dict[Modality, Tensor] = {mode.modality: whole}
    elif clips.joint is not None:
        return {None: (clips.joint.double(), whole)}
    else:
        video = video_share(clips, mode, weight)
        weights = {"audio": 1 - video, "video": video}
    parts: dict[Modality | None, tuple[Tensor, Tensor]] = {}
    for modality, share in weights.items():
        z = clips.of(modality)
        if z is not None:
            parts[modality] = torch.where(clips.has(modality)[:, None], z.double(), 0.0), share
    return parts


def video_share(clips: Embeddings, mode: Mode, weight: float = 0.5) -> Float64[Tensor, " n"]:
    """How much video counts against audio, in mode `both`: all or nothing for a clip with one of them."""
    equal = torch.full((len(clips),), weight if mode.fusion == "weighted" else 0.5, dtype=torch.float64)
    by_clip = clips.video_weight if mode.fusion == "attention" else None
    return torch.where(clips.has("both"), equal if by_clip is None else by_clip.double(), clips.has_video.double())


def at(text: TextEmbeddings, mode: Mode) -> Float[Tensor, "c d"]:
    """The one text that clips are compared with in the mode. Raises ModalityError where there is none."""
    if mode.modality != "both":
        return present(text.of(mode.modality), mode.modality)
    return present(text.joint, "both")


def fused(
    clips: Embeddings, space: Space, addends: Float32[np.ndarray, " n"] | None = None
) -> Float32[np.ndarray, "n _e"]:
    """The vector of each clip; meaningless for clips that cannot be scored in the mode."""
    parts = list(weighted(clips, space.mode, space.weight).values())
    squared, n = space.similarity in _SQUARED, len(clips)
    if space.similarity == "cosine":
        parts = [(unit_rows(z), w) for z, w in parts]
    more: list[Tensor] = []
    c = torch.zeros(n, dtype=torch.float64)
    if space.joined:
        if squared:
            parts = [(z, w**2 if space.similarity == "euclidean" else w / z.shape[1]) for z, w in parts]
            more = [w for _, w in parts]
            c = torch.stack([z.square().sum(1) * w for z, w in parts]).sum(0)
        body = torch.cat([z * w[:, None] for z, w in parts], 1)
    else:
        body = torch.stack([z * w[:, None] for z, w in parts]).sum(0)
        if space.similarity == "mse":
            c = torch.stack([z.square().sum(1) * w for z, w in parts]).sum(0)
        elif squared:
            c = body.square().sum(1)
    if space.energy:
        e = torch.zeros(n) if addends is None else torch.from_numpy(np.ascontiguousarray(addends))
        more += [e.double(), e.double().square()] if space.similarity == "euclidean" else [e.double()]
    return torch.cat([body, torch.stack([*more, c], 1)], 1).float().numpy()


def question(text: TextEmbeddings, space: Space, corrected: bool = False, sought: float | None = None) -> Question:
    """What the vectors of a space are asked, for one text. Raises ModalityError where it has none for the mode.

    `corrected` scores are asked for with their addends; plain Euclidean ones above a score that is `sought`, if it is
    given.
    """
    if space.joined:
        texts = [present(text.of(modality), modality)[0].double() for modality in MODALITIES]
    else:
        texts = [at(text, space.mode)[0].double()]
    body, tail = texts, []
    own, divisor = 0.0, 1.0
    if space.similarity == "cosine":
        body = [unit_rows(t[None])[0] for t in texts]
    elif space.similarity in _SQUARED:
        body, squares = [2 * t for t in texts], [float(t.square().sum()) for t in texts]
        if space.joined:
            tail = [-square for square in squares]
        else:
            own, divisor = squares[0], float(len(texts[0])) if space.similarity == "mse" else 1.0
    if space.energy:
        if space.similarity != "euclidean":
            tail.append(divisor if corrected else 0.0)
        else:
            tail += [0.0, 0.0] if sought is None or not corrected else [-2 * sought, 1.0]
    vector = torch.cat([*body, torch.tensor([*tail, -1.0], dtype=torch.float64)]).float().numpy()
    width = sum(len(t) for t in texts)
    sought = sought if corrected and space.energy and space.similarity == "euclidean" else None
    return Question(vector, space, own, divisor, width, corrected and space.energy, sought)


def points(clips: Embeddings, space: Space) -> Float32[np.ndarray, "n _d"]:
    """Where each clip stands in the space: its weighted embeddings alone."""
    return fused(clips, _plain(space))[:, :-1]


def stars(text: TextEmbeddings, space: Space) -> Float[Tensor, "c _d"]:
    """Where each text stands among the `points`."""
    if not space.joined:
        texts = at(text, space.mode)
        return unit_rows(texts) if space.similarity == "cosine" else texts
    n = len(text)
    has = torch.ones(n, dtype=torch.bool)
    as_clips = Embeddings(text.audio, text.video, None, has, has, text.video_weight)
    return torch.from_numpy(points(as_clips, space))


def _plain(space: Space) -> Space:
    return replace(space, similarity="cosine" if space.similarity == "cosine" else "dot", energy=False)
