"""One pickled file of features, as TCaF and ClipClap publish them: the clips of one class in one stage and modality.

It holds a dict: `features`, a list with the steps of each clip (T x d numbers, or d of a clip that has one step),
`video_names`, and `fps`, the frames a second of each video. Sound by VGGish is whole numbers up to 255. What the file
asks to be called is never called (`text.restricted_pickle`).
"""

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Shaped

from avgzsl.errors import DataError
from avgzsl.support.trust import read_regular
from avgzsl.text.restricted_pickle import PickledArray, kind, load_plain
from avgzsl.types import Modality

STEPS, NAMES, RATE = "features", "video_names", "fps"
LONGEST_ID = 4096  # letters
_LARGEST_FILE = 16 << 30
_MOST_RATE = 1000  # frames a second
# seconds a step: of VGGish and of SeLaVi in TCaF; C3D takes 16 frames, of 25 a second unless `fps` says
_VGGISH_SECONDS, _SELAVI_SECONDS, _C3D_FRAMES, _C3D_RATE = 0.96, 1.0, 16, 25.0


@dataclass(frozen=True, eq=False)
class PickledClips:
    """The clips of a file: `steps[i]` are T_i x d numbers of clip i, each for `seconds[i]` seconds of it.

    `ids` is None where the file does not say which clip is which. `vectors`: its clips have one row each and no steps
    (T_i is 1 here).
    """

    steps: tuple[Float32[np.ndarray, "_t _d"], ...]
    ids: Shaped[np.ndarray, " _n"] | None
    seconds: Float64[np.ndarray, " _n"]
    vectors: bool

    @property
    def dimension(self) -> int:
        """Numbers a step; 0 where there are no clips."""
        return self.steps[0].shape[1] if self.steps else 0


def read_pickled_features(path: Path, modality: Modality, part: str | None = None) -> PickledClips:
    """The clips in a file, read without running anything that it asks for.

    `part` names the folder of the set of features, by default the third above the file
    (PART/{audio,video}/STAGE/CLASS.pkl): `main…` and `cls…` have different seconds a step. Raises DataError.
    """
    try:
        content = read_regular(path, DataError, _LARGEST_FILE)
    except OSError as problem:
        raise DataError(f"{path}: not readable ({problem.strerror or problem})") from problem
    except MemoryError as problem:
        raise DataError(f"{path}: takes more memory to read than there is; divide the class among files") from problem
    loaded = load_plain(path, content)
    if not isinstance(loaded, dict) or STEPS not in loaded:
        raise DataError(
            f"{path}: found {kind(loaded)} without {STEPS!r}; expected a dict of {STEPS}, {NAMES} and {RATE}"
        )
    arrays = _arrays(path, loaded[STEPS], len(content))
    ids = None if loaded.get(NAMES) is None else _ids(path, loaded[NAMES])
    if ids is not None and len(ids) < len(arrays):
        raise DataError(f"{path}: {len(ids)} {NAMES} for {len(arrays)} {STEPS}; expected one for each")
    if ids is not None and len(ids) > len(arrays):  # its writer left out clips without features, but not their names
        ids = None
    steps = tuple(array[None] if array.ndim == 1 else array for array in arrays)
    if len(sizes := sorted({rows.shape[1] for rows in steps})) > 1 or 0 in sizes:
        raise DataError(f"{path}: {STEPS} of {sizes} numbers a step; expected one dimension for all clips")
    folder = part or path.parents[2].name
    rates = _rates(path, loaded.get(RATE), len(steps)) if _counts_frames(folder, modality) else np.ones(len(steps))
    each = np.array([seconds_a_step(folder, modality, rate) for rate in rates.tolist()], dtype=np.float64)
    return PickledClips(steps, ids, each, all(array.ndim == 1 for array in arrays))


def seconds_a_step(part: str, modality: Modality, frames_a_second: float = _C3D_RATE) -> float:
    """The seconds that a step takes of a clip, in a folder of features of this name."""
    if _counts_frames(part, modality):
        return _C3D_FRAMES / frames_a_second
    return _VGGISH_SECONDS if part.startswith("cls") else _SELAVI_SECONDS


def means(clips: PickledClips) -> Float32[np.ndarray, "n d"]:
    """The mean of each clip's steps, summed in float64; not a number for a clip without steps."""
    result = np.full((len(clips.steps), clips.dimension), np.nan, np.float32)
    for row, steps in zip(result, clips.steps, strict=True):
        if len(steps):
            with np.errstate(over="ignore", invalid="ignore"):
                row[:] = steps[0] if len(steps) == 1 else steps.mean(axis=0, dtype=np.float64)
    return result


def write_pickled_features(
    path: Path, steps: Sequence[Float32[np.ndarray, "..."]], ids: Sequence[str], fps: float | None = None
) -> None:
    """Write the clips of a class as the field does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {STEPS: [np.ascontiguousarray(rows) for rows in steps], NAMES: [name.encode() for name in ids]}
    if fps is not None:
        content[RATE] = [fps] * len(ids)
    path.write_bytes(pickle.dumps(content, protocol=4))


def _arrays(path: Path, value: object, size: int) -> list[Float32[np.ndarray, "..."]]:
    """The steps of each clip as float32; `size` is that of the file in bytes."""
    items = value.value if isinstance(value, PickledArray) else value
    if isinstance(items, np.ndarray) and items.ndim in (2, 3):
        items = list(items)
    if not isinstance(items, list):
        raise DataError(f"{path}: {STEPS!r} is {kind(value)}; expected a list with an array of numbers for each clip")
    arrays = []
    for number, item in enumerate(items):
        array = item.value if isinstance(item, PickledArray) else item
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
            found = f"an array {array.shape} of {array.dtype}" if isinstance(array, np.ndarray) else kind(item)
            raise DataError(f"{path}: clip {number} of {STEPS!r} is {found}; expected numbers, steps x dimension")
        arrays.append(array)
    if sum(array.nbytes for array in arrays) > size:  # one array may stand for many clips
        raise DataError(f"{path}: {STEPS!r} repeat what the file holds once; expected the numbers of each clip in it")
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is reported with what is not finite
        return [array.astype(np.float32) for array in arrays]


def _ids(path: Path, value: object) -> Shaped[np.ndarray, " n"]:
    names = value.value if isinstance(value, PickledArray) else value
    if isinstance(names, np.ndarray) and names.ndim == 1 and (names.dtype.kind in "SU" or not names.size):
        names = names.tolist()
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise DataError(f"{path}: {NAMES!r} is {kind(value)} of something else; expected a list of names, as text")
    try:
        decoded = [name.decode() if isinstance(name, bytes) else name.encode().decode() for name in names]
    except UnicodeError as problem:
        raise DataError(f"{path}: {NAMES!r} is not UTF-8 ({problem}); write the names as UTF-8") from problem
    longest = max(map(len, decoded), default=0)
    if longest > LONGEST_ID:
        raise DataError(f"{path}: an id in {NAMES!r} has {longest:,} letters; expected {LONGEST_ID:,} at most")
    return np.array(decoded, dtype=np.str_)


def _rates(path: Path, value: object, count: int) -> Float64[np.ndarray, " n"]:
    """Frames a second of each clip's video; those of C3D where the file does not say (no number, nan, or 0)."""
    rates = value.value if isinstance(value, PickledArray) else value
    if rates is None or isinstance(rates, int | float):
        rates = [rates] * count
    if isinstance(rates, np.ndarray) and rates.dtype.kind in "fiu" and rates.ndim == 1:
        rates = rates.tolist()
    if not isinstance(rates, list) or len(rates) != count:
        raise DataError(f"{path}: {RATE!r} is {kind(value)}; expected a number for each of {count} clips, or one")
    rates = [_C3D_RATE if _says_nothing(rate) else rate for rate in rates]
    if wrong := [rate for rate in rates if not isinstance(rate, int | float) or not 0 < rate <= _MOST_RATE]:
        shown = f"{wrong[0]:g}" if isinstance(wrong[0], float) else kind(wrong[0])
        raise DataError(f"{path}: {RATE!r} has {shown}; expected frames a second, up to {_MOST_RATE}")
    return np.array(rates, dtype=np.float64)


def _says_nothing(rate: object) -> bool:
    return rate is None or (isinstance(rate, int | float) and (rate == 0 or math.isnan(rate)))


def _counts_frames(part: str, modality: Modality) -> bool:
    """Whether the steps of a folder of features are so many frames of the video, rather than so many seconds."""
    return part.startswith("cls") and modality == "video"
