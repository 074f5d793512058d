"""Sessions of the page, and tokens that were guessed wrong: what the server remembers of who has asked.

All of it is in memory and bounded. A session ends by its time, when it is ended, when the server ends, and when there
are too many after it.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

SESSION_SECONDS = 12 * 3600
_SESSIONS = 10_000  # of people who had the token
_ADDRESSES = 10_000
_GUESSES, _GUESS_SECONDS = 20, 3.0  # so many wrong tokens at once, and one more after so many seconds

Clock = Callable[[], float]


class Sessions:
    """Names that nobody can guess, each good for SESSION_SECONDS."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def begin(self) -> str:
        """A name for a new session."""
        name = secrets.token_urlsafe(32)
        self._until[name] = self._clock() + SESSION_SECONDS
        while len(self._until) > _SESSIONS or self._clock() >= next(iter(self._until.values())):
            self._until.popitem(last=False)
        return name

    def holds(self, name: str) -> bool:
        """Whether it is the name of a session that has not ended."""
        return self._clock() < self._until.get(name, 0.0)

    def end(self, name: str) -> None:
        """End the session of this name."""
        self._until.pop(name, None)


class Guesses:
    """Wrong tokens, counted by address: one that guesses is slowed down, and no other is.

    An address from which the right token has come goes on being heard, whatever else comes from it.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._spent: OrderedDict[str, float] = OrderedDict()  # the time at which an address has all guesses again
        self._known: OrderedDict[str, None] = OrderedDict()

    def is_heard(self, address: str) -> bool:
        """Whether a token that comes from here is looked at."""
        return address in self._known or self._left(address)

    def is_slowed(self, address: str) -> bool:
        """Whether the next wrong token that comes from here is told to wait."""
        return not self._left(address)

    def wrong(self, address: str) -> None:
        """Note that a wrong token came from here."""
        now = self._clock()
        all_again = max(self._spent.pop(address, now), now) + _GUESS_SECONDS
        self._spent[address] = min(all_again, now + _GUESSES * _GUESS_SECONDS)
        _bound(self._spent)

    def right(self, address: str) -> None:
        """Note that the right token came from here."""
        self._known[address] = None
        self._known.move_to_end(address)
        _bound(self._known)

    def _left(self, address: str) -> bool:
        return self._spent.get(address, 0.0) - self._clock() <= (_GUESSES - 1) * _GUESS_SECONDS


def _bound(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > _ADDRESSES:
        kept.popitem(last=False)
