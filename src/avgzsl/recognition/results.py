"""What was recognised: the answer for each clip, as objects, as rows and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from avgzsl.recognition.answers import Answer, Candidate
from avgzsl.support.showing import Shown, ShownItems


@dataclass(frozen=True)
class Result(Shown):
    """A clip and the answer for it, or the `error` that kept it from one; its span is in seconds, None is its end."""

    path: str
    span: tuple[float, float | None]
    answer: Answer | None = None
    error: str | None = None

    @property
    def top(self) -> tuple[Candidate, ...]:
        """The nearest classes, best first; none where there is an error."""
        return () if self.answer is None else self.answer.top

    def rows(self) -> list[dict[str, Any]]:
        """One row a class, best first; one with the error where there is one."""
        clip = {"path": self.path, "start": self.span[0], "end": self.span[1]}
        if self.error is not None:
            return [{**clip, "error": self.error}]
        return [{**clip, "rank": rank, **_row(candidate)} for rank, candidate in enumerate(self.top, 1)]

    def json(self) -> dict[str, Any]:
        """One level: path, span, error (or None) and, without one, the fields of the answer."""
        clip = {"path": self.path, "span": list(self.span), "error": self.error}
        return clip if self.answer is None else clip | asdict(self.answer)


@dataclass(frozen=True)
class Predictions(ShownItems[Result]):
    """The result of each clip, in the order in which the clips were given.

    `notes` say how names were encoded that say too little.
    """

    notes: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """The rows of each result, one after another."""
        return [row for result in self.items for row in result.rows()]

    def json(self) -> list[dict[str, Any]]:
        """One object a clip."""
        return [result.json() for result in self.items]


def _row(candidate: Candidate) -> dict[str, Any]:
    """A class and its distances; those of each modality alone stand under its name."""
    return {
        "class": candidate.label,
        "seen": candidate.seen,
        "score": candidate.score,
        "distance": candidate.distance,
        "audio": candidate.distances["audio"],
        "video": candidate.distances["video"],
    }
