"""Generated vectors for the clips and class splits of the AVCA benchmark, pickled as ClipClap publishes its features.

Clips are those of the kind `avca`, with 1024 numbers for sound, and 512 of length 1 for picture. Text is made up, too,
in the spaces of the features, as CLAP's and CLIP's is: the vector of class c for modality m is the image of its
attributes, A_m s_c in the symbols of `_clip_model`, of length 1. UCF's dicts have the names of `clip_class_name`, in a
csv that is written where the lists do not bring it; the others have the manual names.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avgzsl.data.reading.avca_lists import clip_names
from avgzsl.data.reading.pickled_features import write_pickled_features
from avgzsl.generators._avca_lists import Published, read_published, write_report, write_tree
from avgzsl.generators._checks import check_numbers
from avgzsl.generators._clip_model import ATTRIBUTES, World, world_of
from avgzsl.types import Modality

DESCRIPTION = "the clip lists and class splits of UCF, ActivityNet or VGGSound; features and text made up (ClipClap)"
DICTS: dict[Modality, str] = {"video": "", "audio": "wavcaps_"}  # of CLIP and of CLAP
_FRAMES_A_SECOND = 25.0
_LOWER_THEN_UPPER = re.compile(r"(?<=[a-z])(?=[A-Z])")


def write(
    out: Path,
    scale: float,
    seed: int,
    written: Callable[[int, int], None],
    *,
    splits: Path | str,
    w2v: Path | str,
    audio_dim: int = 1024,
    video_dim: int = 512,
) -> None:
    """Write vectors and text for the lists in the folder `splits` into the empty folder `out`.

    The word vectors `w2v` say which classes are alike. Raises DataError, ConfigError.
    """
    check_numbers(scale, seed, audio_dim=audio_dim, video_dim=video_dim)
    published = read_published(Path(splits), Path(w2v), "cls", scale)
    world = world_of(seed, published.text, {"audio": audio_dim, "video": video_dim})
    target = write_tree(out, published, world, "cls_features_non_averaged", _write_class, written)
    called = _called(published, out / "class-split")
    for modality, prefix in DICTS.items():
        rows = dict(zip((called[name] for name in published.every), _text(world, modality), strict=True))
        np.save(target / "text" / f"{prefix}{published.vectors.name}", np.array(rows, dtype=object))
    made_up = f"every feature and text vector (seed {seed}, scale {scale})"
    write_report(out, published, made_up, "class lists, clip ids")


def _write_class(
    target: Path, stage: str, name: str, clips: dict[Modality, Float32[np.ndarray, "_n _d"]], ids: list[str]
) -> None:
    for modality, rows in clips.items():
        vectors = _unit(rows) if modality == "video" else rows
        write_pickled_features(target / modality / stage / f"{name}.pkl", list(vectors), ids, _FRAMES_A_SECOND)


def _text(world: World, modality: Modality) -> Float32[np.ndarray, "c d"]:
    return _unit((world.attributes @ world.mixing[modality][:ATTRIBUTES]).astype(np.float32))


def _called(published: Published, lists: Path) -> dict[str, str]:
    """What each class is called in the dicts; writes the csv of UCF's names into `lists` where it is not there."""
    if named := clip_names(lists):
        return named
    if not (lists / "ucf_w2v_class_names.csv").is_file():
        return published.manual
    named = {name: _LOWER_THEN_UPPER.sub(" ", name) for name in published.every}
    lines = [f"{name},{published.manual[name]},{key}\n" for name, key in named.items()]
    (lists / "ucf_clip_class_names.csv").write_text("original,manual,clip_class_name\n" + "".join(lines))
    return named


def _unit(rows: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), dtype=np.float32)
