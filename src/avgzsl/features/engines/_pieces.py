"""Batches on their way through workers that may be lost: who is given what, and the outcomes in order.

A batch goes out whole. One that is lost with its worker goes out again, to a worker that has nothing else, so that it
is known which one does harm. One that is lost too often is taken apart: its clips go out singly, and the clip that ends
worker after worker fails alone.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from avgzsl.features.embedding import Outcome, Task

LOSSES = 3  # of a piece, until it is taken apart, or, as one clip, given up


@dataclass(frozen=True, eq=False)
class Piece:
    """Clips that are embedded together: those of the batch `batch` from its clip `first` on."""

    batch: int
    first: int
    tasks: list[Task]
    losses: int = 0


class Pieces:
    """The batches, of which no more than `ahead` at once are taken and not yet given back as outcomes."""

    def __init__(self, batches: Iterable[list[Task]], ahead: int) -> None:
        self._batches, self.ahead = enumerate(batches), ahead
        self._again: deque[Piece] = deque()
        self._found: dict[int, dict[int, Outcome]] = {}
        self._out: dict[int, int] = {}  # pieces of each batch of which no outcomes have come
        self._next = 0
        self._exhausted = False

    @property
    def finished(self) -> bool:
        """Whether the outcomes of all batches were given back."""
        return self._exhausted and not self._out

    @property
    def lost_wait(self) -> bool:
        """Whether a piece that was lost waits for a worker that has nothing else."""
        return bool(self._again)

    def take(self) -> Piece | None:
        """A piece for a worker: a lost one first; None when there is none now."""
        if self._again:
            return self._again.popleft()
        if self._exhausted or len(self._out) >= self.ahead:
            return None
        number, tasks = next(self._batches, (-1, []))
        if number < 0:
            self._exhausted = True
            return None
        self._out[number], self._found[number] = 1, {}
        return Piece(number, 0, tasks)

    def done(self, piece: Piece, outcomes: Iterable[Outcome]) -> None:
        """The outcomes of a piece have come."""
        self._found[piece.batch].update(enumerate(outcomes, piece.first))
        self._out[piece.batch] -= 1

    def lost(self, piece: Piece, reason: str) -> None:
        """The worker that had a piece ended before it answered, for `reason`."""
        losses = piece.losses + 1
        if losses < LOSSES:
            self._again.append(replace(piece, losses=losses))
        elif len(piece.tasks) > 1:
            parts = enumerate(piece.tasks, piece.first)
            self._again.extend(Piece(piece.batch, place, [task]) for place, task in parts)
            self._out[piece.batch] += len(piece.tasks) - 1
        else:
            self.done(piece, [Outcome(error=_given_up(task, reason)) for task in piece.tasks])

    def in_order(self) -> Iterator[list[Outcome]]:
        """The outcomes of each batch that is finished, as long as none before it is unfinished."""
        while self._out.get(self._next) == 0:
            found = self._found.pop(self._next)
            del self._out[self._next]
            self._next += 1
            yield [found[place] for place in sorted(found)]


def _given_up(task: Task, reason: str) -> str:
    return (
        f"{task.file}: {LOSSES} workers, one after the other, ended while they embedded it alone ({reason}); it may "
        "need more memory than they have: cut it into shorter clips, or leave it out"
    )
