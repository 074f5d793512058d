"""Checks of the numbers that every generator takes: scale, seed and dimensions."""

import math

from avgzsl.errors import ConfigError

FEWEST = 5  # clips a class and split, however small the scale


def check_numbers(scale: float, seed: int, **dims: int) -> None:
    """Raises ConfigError for a scale that is not above 0, a negative seed, or a dimension below 1."""
    if not (math.isfinite(scale) and scale > 0):
        raise ConfigError(f"scale is {scale}; expected a number above 0 (1 is the size of the real data set)")
    if seed < 0:
        raise ConfigError(f"seed is {seed}; expected 0 or more")
    for name, dim in dims.items():
        if dim < 1:
            raise ConfigError(f"{name} is {dim}; expected 1 or more")
