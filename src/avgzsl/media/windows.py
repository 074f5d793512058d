"""A long file cut into clips."""

import math
import re

from avgzsl.errors import ConfigError
from avgzsl.media.needs import Span

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """`10s`, `500ms`, `1.5m` (or `min`), `1h` or plain seconds. Raises ConfigError for anything else, and for zero."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", text, re.ASCII)
    if match is None or match[2] not in _UNITS:
        raise ConfigError(f"{text!r} is no length of time; write it like 10s, 500ms, 1.5m or 1h")
    value = float(match[1]) * _UNITS[match[2]]
    if not 0 < value < math.inf:
        raise ConfigError(f"{text!r} is no length of time: it must be above zero")
    return value


def windows(duration: float, window: float, hop: float | None = None) -> list[Span]:
    """Spans of `window` seconds that begin every `hop` seconds (default: the window), from 0 on.

    What is left at the end is a shorter span of its own where it is at least half a window long and no window before
    reaches the end; a file shorter than one window is one span. Raises ConfigError for lengths that are not above zero.
    """
    hop = window if hop is None else hop
    if not (0 < window < math.inf and 0 < hop < math.inf and 0 < duration < math.inf):
        raise ConfigError(f"lengths of time must be above zero; got window {window}, hop {hop} of {duration} s")
    if duration <= window:
        return [Span(0.0, duration)]
    whole = math.floor((duration - window) / hop + 1e-9) + 1
    spans = [Span(i * hop, i * hop + window) for i in range(whole)]
    reached, last = (whole - 1) * hop + window, whole * hop
    if reached < duration - 1e-6 and duration - last >= window / 2:
        spans.append(Span(last, duration))
    return spans
