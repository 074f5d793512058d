"""Generated sequences for the clips and class splits of the AVCA benchmark, pickled as TCaF publishes its features.

As the kind `avca`, but each clip has steps: it lasts T ~ U(2, 10) seconds, and something happens in it at a moment
e ~ U(0, T), seen and heard. Step j of modality m, in the middle tau_j of its seconds, shows the features x_m that the
clip has in the kind `avca` by how near it is,

    y_mj = max(0, w_j x_m + GRAIN n_j),   w_j = (QUIET + exp(-(tau_j - e)^2 / 2)) / mean_j,   n ~ N(0, I),

so that the mean of the steps is about x_m. Sound of `cls` is whole numbers up to 255, as VGGish gives them.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64

from avgzsl.data.reading.pickled_features import seconds_a_step, write_pickled_features
from avgzsl.generators._avca_lists import read_published, write_report, write_tree
from avgzsl.generators._checks import check_numbers
from avgzsl.generators._clip_model import world_of
from avgzsl.generators.avca import DIMENSIONS
from avgzsl.types import Modality

DESCRIPTION = "the clip lists, class splits and word vectors of UCF, ActivityNet or VGGSound; sequences made up (TCaF)"
FRAMES_A_SECOND = 25.0
GRAIN, QUIET = 0.5, 0.5
_SHORTEST, _LONGEST = 2.0, 10.0  # seconds
_LOUDNESS, _LOUDEST = 40, 255  # of VGGish's whole numbers


def write(
    out: Path,
    scale: float,
    seed: int,
    written: Callable[[int, int], None],
    *,
    splits: Path | str,
    w2v: Path | str,
    features: Literal["main", "cls"] = "cls",
    audio_dim: int | None = None,
    video_dim: int | None = None,
) -> None:
    """Write sequences for the lists in the folder `splits` into the empty folder `out`.

    Dimensions are those of the features, unless others are given. Raises DataError, ConfigError.
    """
    dims: dict[Modality, int] = {
        "audio": audio_dim or DIMENSIONS[features]["audio"],
        "video": video_dim or DIMENSIONS[features]["video"],
    }
    check_numbers(scale, seed, audio_dim=dims["audio"], video_dim=dims["video"])
    published = read_published(Path(splits), Path(w2v), features, scale)
    world = world_of(seed, published.text, dims)
    folder = f"{features}_features_non_averaged"
    target = write_tree(out, published, world, folder, partial(_write_class, seed), written)
    (target / "text" / published.vectors.name).write_bytes(published.vectors.read_bytes())
    made_up = f"every feature (sequences, {features}, seed {seed}, scale {scale})"
    write_report(out, published, made_up, "class lists, clip ids, vectors")


def _write_class(
    seed: int, target: Path, stage: str, name: str, clips: dict[Modality, Float32[np.ndarray, "_n _d"]], ids: list[str]
) -> None:
    rng = np.random.default_rng([seed, 5, *f"{stage}/{name}".encode()])
    lengths = rng.uniform(_SHORTEST, _LONGEST, len(ids))
    moments = rng.uniform(0, lengths)
    for modality, rows in clips.items():
        each = seconds_a_step(target.name, modality, FRAMES_A_SECOND)
        weights = [_weights(*when, each) for when in zip(lengths.tolist(), moments.tolist(), strict=True)]
        steps = [_steps(row, shown, rng) for row, shown in zip(rows, weights, strict=True)]
        if modality == "audio" and target.name.startswith("cls"):
            steps = [np.minimum(np.rint(_LOUDNESS * one), _LOUDEST) for one in steps]
        write_pickled_features(target / modality / stage / f"{name}.pkl", steps, ids, FRAMES_A_SECOND)


def _weights(length: float, moment: float, seconds: float) -> Float64[np.ndarray, " s"]:
    """How much each step shows of the clip, 1 in the mean."""
    middles = (np.arange(max(1, int(length / seconds))) + 0.5) * seconds
    weights = QUIET + np.exp(-((middles - moment) ** 2) / 2)
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def _steps(
    row: Float32[np.ndarray, " d"], weights: Float64[np.ndarray, " s"], rng: np.random.Generator
) -> Float32[np.ndarray, "s d"]:
    noise = rng.standard_normal((len(weights), len(row)), dtype=np.float32)
    return np.asarray(np.maximum(weights[:, None] * row + GRAIN * noise, 0), dtype=np.float32)
