"""A log that stays small: what is told again and again, as somebody may make it, is counted instead."""

import logging
import time
from collections.abc import Callable, Hashable

_LINES, _SECONDS = 30, 60.0  # so many lines of a kind in so many seconds
_KINDS = 1000


class Repeats(logging.Filter):
    """Lets through `_LINES` lines of a kind in a minute; the first one after that says how many were `left_out`.

    Of a kind are lines of one event, and answers of one route and status. Answers to who may ask are all told.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[Hashable, tuple[float, int]] = {}  # by kind: since when, how many

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        fields = getattr(record, "about", {})
        if getattr(record, "inside", False) and fields.get("status", 0) < 400:
            return True
        fault = None if not record.exc_info else record.exc_info[0]
        return self._may((record.name, record.msg, fault, fields.get("route"), fields.get("status")), record)

    def _may(self, kind: Hashable, record: logging.LogRecord) -> bool:
        now = self._clock()
        if kind not in self._seen and len(self._seen) >= _KINDS:
            self._seen = {known: seen for known, seen in self._seen.items() if now - seen[0] < _SECONDS}
            kind = kind if len(self._seen) < _KINDS else None
        since, count = self._seen.get(kind, (now, 0))
        if now - since >= _SECONDS:
            if count > _LINES:
                record.about = getattr(record, "about", {}) | {"left_out": count - _LINES}
            since, count = now, 0
        self._seen[kind] = since, count + 1
        return count < _LINES
