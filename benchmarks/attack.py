"""Attacks of each kind that docs/security.md speaks of, counted: how many were tried, how many did no harm."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One kind of attack."""

    kind: str
    tries: int
    held: int
