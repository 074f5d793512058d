"""The actors of one extraction on a Ray cluster: who is idle, who has what, who is gone, and what all wait for."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from avgzsl.errors import AvgzslError
from avgzsl.features.engines._nodes import GOES_ON, described, not_shared, patience, reason
from avgzsl.features.engines._pieces import LOSSES, Piece, Pieces
from avgzsl.features.engines._worker import Job, Worker
from avgzsl.media.workers import STANDARD

_STARTS = 3  # of an actor in a row that end before it is ready
_TICK = 1.0  # seconds until a wait looks up: whether a signal came, or patience is at its end


class Size(NamedTuple):
    """How many actors there are, and how many GPUs each takes."""

    actors: int
    gpus: int


@dataclass(eq=False)
class _Member:
    """A place in the crew: its actor, the node once that is ready, and how often it was started in vain."""

    actor: Any
    address: str | None = None
    failed_starts: int = 0
    pieces: list[Piece] = field(default_factory=list)

    def takes(self, most: int) -> bool:
        """Whether it may be given a piece now, and then has no more than `most`; one that was lost is alone with it."""
        return self.address is not None and len(self.pieces) < most and not any(one.losses for one in self.pieces)


class Crew:
    """Actors that are given pieces when they are idle. One that ends is replaced; `end` ends all."""

    def __init__(self, ray: Any, job: Job, files: Sequence[Path], size: Size) -> None:
        self.ray, self.files, self.size, self.patience = ray, list(files), size, patience()
        self._at_once = job.decoding + 1  # pieces of an actor: one is embedded
        options = {"num_cpus": 1, "num_gpus": size.gpus, "max_restarts": 0, "max_task_retries": 0}
        made = ray.remote(**options, max_concurrency=self._at_once)(Worker)
        self._start = lambda: made.remote(job)
        self._calls: dict[Any, tuple[_Member, Piece | None]] = {}  # None: whether an actor is ready
        self._silence = 0.0  # seconds that were waited since the last answer
        self._members = [_Member(self._start()) for _ in range(size.actors)]
        for member in self._members:
            self._ask_ready(member)

    def end(self) -> None:
        """End all actors at once."""
        for member in self._members:
            self._kill(member)

    def give(self, pieces: Pieces) -> None:
        """Hand out pieces, first to those who have none."""
        for most in range(1, self._at_once + 1):
            for member in self._members:
                if member.takes(1 if pieces.lost_wait else most) and (piece := pieces.take()) is not None:
                    member.pieces.append(piece)
                    self._calls[member.actor.embed.remote(piece.tasks)] = member, piece

    def hear(self, pieces: Pieces) -> None:
        """Wait a moment for an answer, and take it.

        Raises AvgzslError when none has come for too long, or no actor can be started; and what an actor raises.
        """
        begun = time.monotonic()
        answered, _ = self.ray.wait(list(self._calls), num_returns=1, timeout=_TICK)
        for call in answered:
            self._silence = 0.0
            self._take(call, pieces)
        if not answered:
            self._silence += time.monotonic() - begun
            if self._silence > self.patience + self._decoding():
                raise AvgzslError(self._stuck())

    def _ask_ready(self, member: _Member) -> None:
        self._calls[member.actor.ready.remote(self.files)] = member, None

    def _take(self, call: Any, pieces: Pieces) -> None:
        member, piece = self._calls.pop(call)
        try:
            answer = self.ray.get(call, timeout=self.patience)
        except self.ray.exceptions.RayError as problem:
            cause = getattr(problem, "cause", None)
            if isinstance(cause, AvgzslError):
                raise cause from None
            raised = isinstance(problem, self.ray.exceptions.RayTaskError)
            if raised and piece is not None and piece.losses + 1 >= LOSSES:
                raise AvgzslError(_failed(piece, reason(problem))) from problem
            self._replace(member, pieces, reason(problem))
            return
        if piece is not None:
            member.pieces.remove(piece)
            pieces.done(piece, answer)
            return
        member.address, lacking = answer
        member.failed_starts = 0
        if lacking:
            raise not_shared({answer[0]: lacking})

    def _replace(self, member: _Member, pieces: Pieces, why: str) -> None:
        """Another actor for one that ended; what it had goes back."""
        self._calls = {call: held for call, held in self._calls.items() if held[0] is not member}
        for piece in member.pieces:
            pieces.lost(piece, why)
        self._kill(member)
        if member.address is None:
            member.failed_starts += 1
        if member.failed_starts < _STARTS:
            member.actor, member.address, member.pieces = self._start(), None, []
            self._ask_ready(member)
            return
        self._members.remove(member)
        if not self._members:
            raise AvgzslError(
                f"no worker could be started on the Ray cluster, {_STARTS} times in a row ({why}); is the same avgzsl "
                f"installed on every node, and is there memory left? Nodes: {described(self.ray)}; {GOES_ON}"
            )

    def _kill(self, member: _Member) -> None:
        with suppress(Exception):  # it may be gone, and the cluster with it
            self.ray.kill(member.actor)

    def _decoding(self) -> float:
        """Seconds that decoding may take where nothing is wrong but the files."""
        return STANDARD.seconds * max((len(piece.tasks) for _, piece in self._calls.values() if piece), default=0)

    def _stuck(self) -> str:
        starting = sum(member.address is None for member in self._members)
        busy = {member.address: [piece.tasks[0].file for piece in member.pieces] for member in self._members}
        held = "; ".join(f"{address} has {', '.join(map(str, files))} …" for address, files in busy.items() if files)
        wants = "1 CPU" + f" and {self.size.gpus} GPU" * (self.size.gpus > 0)
        return (
            f"nothing has come from the Ray cluster for {self._silence:.0f} s: {starting} of {len(self._members)} "
            f"workers wait for room ({wants} each) or load their backbones; under way: {held or 'nothing'}; nodes that "
            f"live: {described(self.ray)}. When the cluster is well, run the same command again: what is done is kept"
        )


def _failed(piece: Piece, why: str) -> str:
    clips = ", ".join(str(task.file) for task in piece.tasks)
    return f"{LOSSES} workers, one after the other, could not embed these clips ({why}): {clips}; {GOES_ON}"
