"""Statistics of frames, without a trained network: colour, edges and motion."""

import numpy as np
from jaxtyping import Float, Int, UInt8

SIZE, FPS = 64, 8.0
_LEVELS, _HUES, _ANGLES, _HARMONICS, _RINGS, _WAYS, _COURSE = 4, 12, 36, 12, 10, 8, 6
PICTURE_DIMENSION = _LEVELS**3 + _HUES + _ANGLES // 2 + _HARMONICS + _RINGS + _WAYS + 2 + 4 * _COURSE
_TINY = 1e-6
_BLOCK = 64  # frames that are looked at together

Planes = Float[np.ndarray, "t h w"]


def describe_frames(frames: UInt8[np.ndarray, "t s s 3"]) -> Float[np.ndarray, " d"]:
    """Colours and edges, averaged over the frames, and how the picture moves at FPS; each number about 0 to 1."""
    blocks = [_block(frames, start) for start in range(0, len(frames), _BLOCK)]
    appearance, course, ways, turns = (np.concatenate(part) for part in zip(*blocks, strict=True))
    flow = np.concatenate([_shares(ways.sum(0)), [_mean(np.sqrt(ways.sum(1))), _mean(turns)]])
    return np.concatenate([appearance.mean(0), flow, *travel(course)]).astype(np.float32)


def travel(course: Float[np.ndarray, "t c"]) -> tuple[Float[np.ndarray, " c"], ...]:
    """Of c quantities over t frames: mean, standard deviation, mean change a second, mean absolute change a second."""
    steps = np.diff(course, axis=0) * FPS if len(course) > 1 else np.zeros_like(course)
    return course.mean(0), course.std(0), steps.mean(0), np.abs(steps).mean(0)


def _block(frames: np.ndarray, start: int) -> tuple[np.ndarray, ...]:
    """Statistics of _BLOCK frames from `start` on: appearance (t x a) and course (t x 6) of each frame.

    And of the step that leads to each: how much edges move each way (p x _WAYS), and how much they turn (p).
    """
    overlap = 1 if start else 0  # the step to the first frame begins in the block before
    colour = frames[start - overlap : start + _BLOCK].astype(np.float32) / 255
    dx, dy, power, change = _edges(colour)
    angles = _histograms(_bins(np.arctan2(dy, dx), _ANGLES), power, _ANGLES)
    place, spread, rings = _layout(power)
    light = colour.mean(3)
    edges = np.sqrt(power.mean((1, 2)))
    course = np.stack([*place, np.log(spread), light.mean((1, 2)), light.std((1, 2)), edges], axis=1)
    appearance = np.concatenate([_colours(colour), _outline(angles), rings], axis=1)
    turns = np.abs(np.diff(angles, axis=0)).sum(1)
    return appearance[overlap:], course[overlap:], _flow(dx[1:], dy[1:], power[1:], change), turns


def _edges(colour: Float[np.ndarray, "t s s 3"]) -> tuple[Planes, Planes, Planes, Float[np.ndarray, "p h w"]]:
    """Sobel gradients, their power less that of noise, and the change since the frame before, within the border.

    Of the colours, the one with the steepest gradient counts at each pixel (Dalal and Triggs 2005). The median over a
    frame stands for noise.
    """
    planes = np.ascontiguousarray(np.moveaxis(colour, 3, 0))
    along, across = _smooth(planes, 3), _smooth(planes, 2)
    dx, dy = (across[..., 2:] - across[..., :-2]) / 2, (along[:, :, 2:] - along[:, :, :-2]) / 2
    power = np.square(dx) + np.square(dy)
    steepest = power.argmax(0)[None]
    change = np.diff(_smooth(across, 3), axis=1)
    dx, dy, power = (np.take_along_axis(plane, steepest, 0)[0] for plane in (dx, dy, power))
    floor = 3 * np.median(power[:, ::2, ::2], axis=(1, 2), keepdims=True)  # a quarter of the pixels is enough
    return dx, dy, np.maximum(power - floor, 0), np.take_along_axis(change, steepest[:, 1:], 0)[0]


def _smooth(planes: Float[np.ndarray, "c t _h _w"], axis: int) -> Float[np.ndarray, "c t _i _j"]:
    """Binomial weights 1, 2, 1 along an axis, which gets shorter by two."""
    moved = np.moveaxis(planes, axis, -1)
    return np.moveaxis((moved[..., :-2] + 2 * moved[..., 1:-1] + moved[..., 2:]) / 4, -1, axis)


def _colours(colour: Float[np.ndarray, "t s s 3"]) -> Float[np.ndarray, "t b"]:
    """Square roots of the shares of RGB cells, and of hues by chroma."""
    level = np.minimum((colour * _LEVELS).astype(np.int64), _LEVELS - 1) @ np.array([_LEVELS**2, _LEVELS, 1])
    cells = _histograms(level, np.ones(level.shape, np.float32), _LEVELS**3)
    red, green, blue = np.moveaxis(colour, 3, 0)
    alpha, beta = red - (green + blue) / 2, np.sqrt(np.float32(0.75)) * (green - blue)
    chroma = np.hypot(alpha, beta)
    hues = _histograms(_bins(np.arctan2(beta, alpha), _HUES), chroma, _HUES) * chroma.mean((1, 2))[:, None]
    roots: np.ndarray = np.sqrt(np.concatenate([cells, hues], axis=1))
    return roots


def _outline(angles: Float[np.ndarray, "t a"]) -> Float[np.ndarray, "t o"]:
    """Edge orientations, and the strength of their harmonics: the k-th is that of k-fold symmetry, however turned."""
    half = angles.reshape(len(angles), 2, -1).sum(1)
    harmonics = np.abs(np.fft.rfft(angles, axis=1))[:, 1 : _HARMONICS + 1]
    return np.concatenate([np.sqrt(half), harmonics], axis=1)


def _layout(power: Planes) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, "t r"]]:
    """The edges' centre (-1 to 1), their mean distance from it, and their shares by distance over the mean one."""
    share = power / np.maximum(power.sum((1, 2), keepdims=True), _TINY)
    axis = np.linspace(-1, 1, power.shape[1], dtype=np.float32)
    x, y = share.sum(1) @ axis, share.sum(2) @ axis
    distance = np.hypot(axis - x[:, None, None], axis[:, None] - y[:, None, None])
    spread = np.maximum((share * distance).sum((1, 2)), 0.1)
    ring = np.minimum((distance / spread[:, None, None] * (_RINGS / 2)).astype(np.int64), _RINGS - 1)
    return np.stack([x, y]), spread, np.sqrt(_histograms(ring, share, _RINGS))


def _flow(dx: Planes, dy: Planes, power: Planes, change: Planes) -> Float[np.ndarray, "t b"]:
    """How much edges move which way, from frame to frame: the normal flow (Horn and Schunck 1981), in eight ways."""
    way = _bins(np.arctan2(-dy * change, -dx * change), _WAYS)
    weight = np.abs(change) * np.sqrt(power)
    amounts: np.ndarray = _histograms(way, weight, _WAYS) * weight.mean((1, 2))[:, None]
    return amounts


def _bins(angle: Planes, count: int) -> Int[np.ndarray, "t h w"]:
    """Angles into sectors, the first of which is centred on 0."""
    return np.rint(angle * (count / (2 * np.pi))).astype(np.int64) % count


def _histograms(bins: Int[np.ndarray, "t h w"], weights: Planes, count: int) -> Float[np.ndarray, "t b"]:
    """The bins' shares of the weights, a row a frame; zeros for a frame whose weights are all 0."""
    frame = np.arange(len(bins))[:, None, None] * count
    total = np.bincount((bins + frame).ravel(), weights.ravel(), len(bins) * count).reshape(len(bins), count)
    shares: np.ndarray = total / np.maximum(total.sum(1, keepdims=True), _TINY)
    return shares


def _shares(weights: Float[np.ndarray, " w"]) -> Float[np.ndarray, " w"]:
    return np.sqrt(weights / max(float(weights.sum()), _TINY))


def _mean(values: Float[np.ndarray, " n"]) -> float:
    return float(values.mean()) if len(values) else 0.0
