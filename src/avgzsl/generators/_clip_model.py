"""How generated clips come about: classes with attributes, of which words tell one part and clips another.

Class c of group g(c) has attributes, in R^K, K = ATTRIBUTES, that its group shares in part,

    s_c = sqrt(r) u_g(c) + sqrt(1 - r) e_c,            u, e ~ N(0, I),  r = KINSHIP.

Its name tells them through a random matrix, blurred by what is peculiar to the word (p_c ~ N(0, I)):

    t_c = L (sqrt(1 - b^2) s_c + b p_c) / sqrt(K t),   L in R^(t x K) ~ N(0, 1),  b = BLUR.

Clip i of class c varies in its own way, h_i, the same for its sound and its picture, and was taken in one of SCENES
scenes, k(i), of loudness l_i ~ U(0, 1). Modality m renders it as

    y_i = signal_m (s_c + vary_m V_c h_i) + own_m q_mc + fog_m n_i,       h_i, q_mc, n_i ~ N(0, I)
    x_i = max(0, A_m y_i + scene_m l_i B_m,k(i) + nuisance_m D_m w_i + grain_m eps_i - quiet_m).

V_c (K x VARIATION, ~ N(0, 1/VARIATION)) are the ways in which clips of this class vary; q_mc is what the modality shows
of a class and no word tells; n_i is fog, drawn for each modality, that looks like class content. A_m (d x K) mixes
attributes into features, B_m (d x SCENES) are backgrounds, D_m (d x NUISANCE) correlates noise w_i that no class has,
with A, D ~ N(0, 1/K) and B ~ N(0, 1); eps_i is white. quiet_m makes features non-negative and most of them zero.
Video has less fog than audio, and more of its own: it is the clearer modality.

Where the words are given (real text vectors), the order is turned round: with z_c the image of t_c under a random
matrix, each of its K numbers centred and scaled to variance 1 over the classes, s_c = sqrt(1 - b^2) z_c + b p_c.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from avgzsl.types import MODALITIES, Modality

ATTRIBUTES = 24
SCENES = 12
NUISANCE = 24
VARIATION = 6
KINSHIP = 0.5
BLUR = 0.4


@dataclass(frozen=True)
class Sense:
    """How clearly a modality shows the class: the symbols of the formulas above."""

    signal: float
    own: float
    vary: float
    fog: float
    scene: float
    nuisance: float
    grain: float
    quiet: float


SENSES: dict[Modality, Sense] = {
    "audio": Sense(signal=1.0, own=0.9, vary=0.6, fog=1.0, scene=1.0, nuisance=0.8, grain=1.0, quiet=1.5),
    "video": Sense(signal=1.0, own=1.2, vary=0.6, fog=0.9, scene=1.0, nuisance=0.8, grain=1.0, quiet=1.5),
}


@dataclass(frozen=True, eq=False)
class World:
    """All that is fixed before the first clip is drawn, for c classes of k attributes.

    `attributes` are s_c, `text` the class vectors t_c, `own` has q_mc, and `mixing` A, B and D of each modality.
    """

    seed: int
    attributes: Float64[np.ndarray, "c k"]
    text: Float32[np.ndarray, "c t"]
    own: dict[Modality, Float64[np.ndarray, "c k"]]
    mixing: dict[Modality, Float32[np.ndarray, "m d"]]


def make_world(seed: int, groups: Sequence[str], text_dim: int, dims: dict[Modality, int]) -> World:
    """Draw the attributes of one class for each entry of `groups`, its text vector, and how modalities render it."""
    rng = np.random.default_rng([seed, 0])
    shared = {group: rng.standard_normal(ATTRIBUTES) for group in sorted(set(groups))}
    shared_attributes = np.stack([shared[group] for group in groups])
    attributes = np.sqrt(KINSHIP) * shared_attributes + np.sqrt(1 - KINSHIP) * rng.standard_normal(
        shared_attributes.shape
    )
    words = np.sqrt(1 - BLUR**2) * attributes + BLUR * rng.standard_normal(shared_attributes.shape)
    text = words @ rng.standard_normal((ATTRIBUTES, text_dim)) / np.sqrt(ATTRIBUTES * text_dim)
    own = {modality: rng.standard_normal(shared_attributes.shape) for modality in MODALITIES}
    mixing = {modality: _mixing(seed, modality, dims[modality]) for modality in MODALITIES}
    return World(seed, attributes, text.astype(np.float32), own, mixing)


def world_of(seed: int, text: Float32[np.ndarray, "c t"], dims: dict[Modality, int]) -> World:
    """A world whose classes have these text vectors; classes with similar vectors have similar attributes."""
    rng = np.random.default_rng([seed, 4])
    image = text.astype(np.float64) @ rng.standard_normal((text.shape[1], ATTRIBUTES))
    image = (image - image.mean(0)) / image.std(0)
    attributes = np.sqrt(1 - BLUR**2) * image + BLUR * rng.standard_normal(image.shape)
    own = {modality: rng.standard_normal(image.shape) for modality in MODALITIES}
    return World(
        seed, attributes, text, own, {modality: _mixing(seed, modality, dims[modality]) for modality in MODALITIES}
    )


def _mixing(seed: int, modality: Modality, dim: int) -> Float32[np.ndarray, "m d"]:
    """A, B and D of a modality, one under the other, each scaled by its strength."""
    sense = SENSES[modality]
    rng = np.random.default_rng([seed, 1, MODALITIES.index(modality)])
    scale = np.repeat([1.0, sense.scene * np.sqrt(ATTRIBUTES), sense.nuisance], [ATTRIBUTES, SCENES, NUISANCE])
    drawn = rng.standard_normal((len(scale), dim)) * scale[:, None] / np.sqrt(ATTRIBUTES)
    return np.asarray(drawn, dtype=np.float32)


def make_clips(world: World, index: int, split: int, count: int) -> dict[Modality, Float32[np.ndarray, "n d"]]:
    """Features of `count` clips of class `index` in split number `split`; the same arguments give the same clips."""
    rng = np.random.default_rng([world.seed, 2, index, split])
    axes = np.random.default_rng([world.seed, 3, index]).standard_normal((VARIATION, ATTRIBUTES)) / np.sqrt(VARIATION)
    variation = rng.standard_normal((count, VARIATION)) @ axes
    scene = rng.integers(SCENES, size=count)
    clips: dict[Modality, Float32[np.ndarray, "n d"]] = {}
    for modality in MODALITIES:
        sense = SENSES[modality]
        content = (
            sense.signal * (world.attributes[index] + sense.vary * variation) + sense.own * world.own[modality][index]
        )
        inner = np.zeros((count, ATTRIBUTES + SCENES + NUISANCE), dtype=np.float32)
        inner[:, :ATTRIBUTES] = content + sense.fog * rng.standard_normal((count, ATTRIBUTES))
        inner[np.arange(count), ATTRIBUTES + scene] = rng.random(count)
        inner[:, ATTRIBUTES + SCENES :] = rng.standard_normal((count, NUISANCE))
        rows = inner @ world.mixing[modality]
        rows += sense.grain * rng.standard_normal(rows.shape, dtype=np.float32)
        rows -= sense.quiet
        clips[modality] = np.maximum(rows, 0, out=rows)
    return clips
