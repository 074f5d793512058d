"""Times that a user may set by the environment."""

import os

from avgzsl.errors import ConfigError


def seconds_of(variable: str, usual: float) -> float:
    """Seconds from a variable of the environment, `usual` where it is not set. Raises ConfigError for what are none."""
    text = os.environ.get(variable)
    if not text:
        return usual
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"{variable} is {text!r}; expected seconds, as 30")
    return seconds
