"""Generated features with the classes, splits and counts of AudioSetZSL, in its layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from avgzsl.data.reading.class_lists import write_class_lists
from avgzsl.data.reading.feature_files import write_features
from avgzsl.generators._checks import FEWEST, check_numbers
from avgzsl.generators._clip_model import make_clips, make_world

DESCRIPTION = "33 classes with the seen/unseen split, counts and imbalance of AudioSetZSL; 1024-d audio and video"
FOLDERS = ("trn", "val", "tst")

# class, u(nseen) or s(een), kin (a: animal, w: water and weather, v: vehicle, d: device, i: impulse), trn, val, tst
CLASSES = """
dog s a 7588 2529 2529, cat s a 2133 710 711, horse s a 1862 620 620, cattle s a 437 145 145, pig u a 467 155 156,
goat s a 1096 365 365, panther u a 379 126 126, bird s a 15092 5030 5031, thunderstorm s w 192 64 64,
rain s w 1317 439 439, stream u w 1583 527 527, ocean s w 1871 623 623, car s v 22989 7663 7663,
truck s v 5514 1837 1838, bus u v 2888 962 962, ambulance s v 2540 846 846, motorcycle s v 4000 1333 1333,
train s v 5140 1713 1713, aircraft u v 3104 1034 1034, bicycle s v 1622 540 541, skateboard s v 1703 567 568,
clock u d 389 129 130, sewing s d 1050 350 350, fan u d 434 144 144, cashbox s d 176 58 58, printer u d 1915 638 638,
camera s d 204 68 68, church-bell u d 662 220 220, hammer s i 260 86 86, sawing s i 431 143 143,
gunshot u i 2249 749 750, fireworks s i 1699 566 566, boom s i 879 292 293
"""


def counts() -> dict[str, tuple[int, int, int]]:
    """Clips in train, val and test per class of the real data set, in its order of classes."""
    return {name: (trn, val, tst) for name, _, _, trn, val, tst in _classes()}


def write(
    out: Path,
    scale: float,
    seed: int,
    written: Callable[[int, int], None],
    *,
    audio_dim: int = 1024,
    video_dim: int = 1024,
    text_dim: int = 300,
) -> None:
    """Write features, word vectors and class lists into the empty folder `out`. Raises ConfigError."""
    check_numbers(scale, seed, audio_dim=audio_dim, video_dim=video_dim, text_dim=text_dim)
    classes = _classes()
    world = make_world(seed, [group for _, _, group, *_ in classes], text_dim, {"audio": audio_dim, "video": video_dim})
    write_class_lists(out / "class-split", {name: seen == "s" for name, seen, *_ in classes})
    (out / "features" / "text").mkdir(parents=True)
    vectors = {name: vector for (name, *_), vector in zip(classes, world.text, strict=True)}
    np.save(out / "features" / "text" / "word_embeddings-dict.npy", np.array(vectors, dtype=object))
    for index, (name, _, _, *full) in enumerate(classes):
        for split, folder in enumerate(FOLDERS):
            count = max(FEWEST, round(full[split] * scale))
            ids = np.array([f"{name}-{folder}-{row:05d}" for row in range(count)])
            for modality, rows in make_clips(world, index, split, count).items():
                write_features(out / "features" / modality / folder / f"{name}.h5", rows, ids)
        written(index + 1, len(classes))


def _classes() -> list[tuple[str, str, str, int, int, int]]:
    fields = [entry.split() for entry in CLASSES.split(",")]
    return [(name, seen, group, int(trn), int(val), int(tst)) for name, seen, group, trn, val, tst in fields]
