"""How a figure moves: its path, its turns and its growth, without a trained network."""

import numpy as np
from jaxtyping import Complex, Float

_SECTORS = 8
_TEMPI = np.geomspace(0.25, 4, 5)  # Hz, the edges of 4 bands
PATH = 3 * 5 + 4 + 2 + _SECTORS + 2 * (len(_TEMPI) - 1)
_TINY = 1e-6


def path(
    area: Float[np.ndarray, " t"],
    centre: Float[np.ndarray, "t 2"],
    turned: Complex[np.ndarray, "t w"],
    ways: tuple[int, ...],
    fps: float,
) -> Float[np.ndarray, " path"]:
    """Numbers about -1 to 1 on the course of a figure; zeros where fewer than two frames have one.

    `turned` has a column for each k of `ways`, whose angle goes k times as far as the figure turns.
    """
    there = np.flatnonzero(area > 0)
    if len(there) < 2:
        return np.zeros(PATH)
    filled = np.arange(there[0], there[-1] + 1)
    size = np.sqrt(area * 4 / np.pi)  # the radius of the disc of this area, where the picture goes from -1 to 1
    known = np.column_stack([centre[there], np.log(size[there])])
    course = np.column_stack([np.interp(filled, there, column) for column in known.T])
    radius = float(size[there].mean())
    steps = np.diff(course, axis=0) * fps
    turn = turning(turned[there[0] : there[-1] + 1], ways) * fps
    amounts = np.array([*np.abs(steps).mean(0) * [1, 1, radius], abs(turn).mean() * radius])
    kinds = amounts / max(float(amounts.sum()), _TINY)
    spins = np.array([np.tanh(np.abs(turn).mean() / np.pi), np.tanh(turn.mean() / np.pi)])
    return np.concatenate([_sides(course, steps), kinds, spins, _ways(steps[:, :2]), _beats(course, fps)])


def turning(turned: Complex[np.ndarray, "t w"], ways: tuple[int, ...]) -> Float[np.ndarray, " s"]:
    """How far the figure turns from frame to frame, in radians; what is clear counts more."""
    steps = turned[1:] * turned[:-1].conj()
    weight = np.square(np.abs(steps))
    turn = np.angle(steps) / np.array(ways)
    angles: Float[np.ndarray, " s"] = (weight * turn).sum(1) / np.maximum(weight.sum(1), _TINY)
    return angles


def _sides(course: Float[np.ndarray, "t 3"], steps: Float[np.ndarray, "s 3"]) -> Float[np.ndarray, " n"]:
    """Of x, y and log size: how far they stray, how fast they go, which way on the whole, how lopsided they are.

    Lopsided is the skewness of the place (a ball that bounces is high up longer than it is down) and of how the speed
    changes (all at once where it hits the floor).
    """
    return np.concatenate(
        [
            np.tanh(2 * course.std(0)),
            np.tanh(np.abs(steps).mean(0) / 2),
            np.tanh(steps.mean(0)),
            np.tanh(_skewness(course, 1e-4)),
            np.tanh(_skewness(np.abs(np.diff(steps, axis=0)), 1e-2)) if len(steps) > 1 else np.zeros(3),
        ]
    )


def _skewness(values: Float[np.ndarray, "t c"], least: float) -> Float[np.ndarray, " c"]:
    """The third standardised moment; 0 for what has a variance under the least."""
    centred = values - values.mean(0)
    spread = np.square(centred).mean(0)
    return np.where(spread > least, (centred**3).mean(0) / np.maximum(spread, least) ** 1.5, 0)


def _ways(steps: Float[np.ndarray, "s 2"]) -> Float[np.ndarray, " w"]:
    """The shares of the path in eight ways, the first of them to the right, the third down, and their amount."""
    length = np.hypot(*steps.T)
    sector = np.rint(np.arctan2(steps[:, 1], steps[:, 0]) * (_SECTORS / (2 * np.pi))).astype(np.int64) % _SECTORS
    shares = np.bincount(sector, length, _SECTORS) / max(float(length.sum()), _TINY)
    moving: Float[np.ndarray, " w"] = np.sqrt(shares) * np.tanh(2 * length.mean())
    return moving


def _beats(course: Float[np.ndarray, "t 3"], fps: float) -> Float[np.ndarray, " b"]:
    """The power of the place, and of the size, in bands of frequency: how often they come and go."""
    centred = course - course.mean(0)
    power = np.square(np.abs(np.fft.rfft(centred * np.hanning(len(centred))[:, None], 8 * len(centred), axis=0)))
    frequency = np.arange(len(power)) * fps / (8 * len(centred))
    parts = [
        np.histogram(frequency, _TEMPI, weights=one)[0] / max(float(one.sum()), _TINY)
        for one in (power[:, 0] + power[:, 1], power[:, 2])
    ]
    strays = np.repeat(np.tanh(4 * np.array([np.hypot(*course[:, :2].std(0)), course[:, 2].std()])), len(_TEMPI) - 1)
    beats: Float[np.ndarray, " b"] = np.sqrt(np.concatenate(parts)) * strays
    return beats
