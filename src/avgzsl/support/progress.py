"""How far a long call has come: one kind of report, whichever call it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Step:
    """`done` of `total` units of a task are finished; `total` is None while it is not known.

    `left` is the time to the end in seconds, None while it is not known; `failed` counts the finished units that
    failed; `item` names the unit that was finished last; `figures` are numbers that go with it, such as its loss.
    """

    task: str
    done: int
    total: int | None = None
    left: float | None = None
    failed: int = 0
    item: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Progress(Protocol):
    """What a long call tells its steps to, as they are finished; what it raises ends the call."""

    def __call__(self, step: Step, /) -> None: ...
