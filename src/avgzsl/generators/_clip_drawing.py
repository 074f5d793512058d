"""Pictures of rendered clips: one shape, its colour, its motion. Signed distances make the edges smooth."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

Plane = Float[np.ndarray, "s s"]

# RGB in [0, 1]
COLOURS = {
    "red": (0.86, 0.16, 0.14),
    "green": (0.16, 0.62, 0.22),
    "blue": (0.14, 0.32, 0.86),
    "yellow": (0.92, 0.80, 0.12),
    "purple": (0.55, 0.20, 0.68),
    "white": (0.95, 0.95, 0.95),
}
# signed distance to the edge from (x, y), for shapes of about radius 1
SHAPES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "bar": lambda x, y: np.maximum(abs(x) - 1, abs(y) - 0.3),  # no disc: nobody sees it spin
    "square": lambda x, y: np.maximum(abs(x), abs(y)) - 0.8,
    "triangle": lambda x, y: np.maximum(0.866 * abs(x) + 0.5 * y, -y) - 0.55,
    "cross": lambda x, y: np.minimum(np.maximum(abs(x) - 1, abs(y) - 0.3), np.maximum(abs(y) - 1, abs(x) - 0.3)),
}
# turns, right, down, growth at the phase p (in turns)
MOTIONS: dict[str, Callable[[float], tuple[float, float, float, float]]] = {
    "spinning": lambda p: (p, 0.0, 0.0, 1.0),
    "bouncing": lambda p: (0.0, 0.0, 0.55 - 1.1 * abs(np.sin(np.pi * p)), 1.0),
    "sliding": lambda p: (0.0, 0.6 * np.sin(2 * np.pi * p), 0.0, 1.0),
    "pulsing": lambda p: (0.0, 0.0, 0.0, 1 + 0.45 * np.sin(2 * np.pi * p)),
}


def draw_clip(
    colour: str, shape: str, motion: str, times: Float[np.ndarray, " t"], size: int, draw: np.random.Generator
) -> UInt8[np.ndarray, "t s s 3"]:
    """Frames at the `times` (seconds). Place, size, tilt, speed, shade of colour and ground are drawn anew a clip."""
    ground = draw.uniform(0.1, 0.45) + draw.uniform(-0.05, 0.05, 3)
    paint = np.clip(np.array(COLOURS[colour]) + draw.uniform(-0.08, 0.08, 3), 0, 1)
    radius, speed, start = draw.uniform(0.28, 0.4), draw.uniform(0.5, 0.9), draw.uniform()
    right, down, tilt = *draw.uniform(-0.2, 0.2, 2), draw.uniform(-0.03, 0.03)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    frames = np.empty((len(times), size, size, 3), np.uint8)
    for frame, time in zip(frames, times, strict=True):
        turn, dx, dy, growth = MOTIONS[motion](speed * time + start)
        angle, scale = 2 * np.pi * (turn + tilt), radius * growth
        u, v = (x - right - dx) / scale, (y - down - dy) / scale
        u, v = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
        inside = np.clip(0.5 - SHAPES[shape](u, v) * scale * size / 2, 0, 1)[..., None]
        picture = inside * paint + (1 - inside) * ground + draw.normal(0, 0.015, (size, size, 1))
        frame[:] = np.clip(255 * picture, 0, 255).astype(np.uint8)
    return frames
