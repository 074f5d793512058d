"""What was recognised: the answer for each clip, as objects, as rows and as JSON."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avgzsl.recognition.answers import Answer, Candidate
from avgzsl.support.showing import Shown, ShownItems
from avgzsl.support.spreadsheet import write_table


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
        if self.answer is None:
            return [{**clip, "error": self.error}]
        none = {} if self.answer.none_of_these is None else {"none of these": self.answer.none_of_these}
        return [{**clip, "rank": rank, **_row(candidate), **none} for rank, candidate in enumerate(self.top, 1)]

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

    def write_csv(self, path: str | Path) -> None:
        """Write the rows to a csv file that spreadsheets open, whole or not at all. Raises AvgzslError."""
        rows, columns = self.rows(), self._columns()
        write_table(Path(path), columns, ([row.get(column) for column in columns] for row in rows))


def _row(candidate: Candidate) -> dict[str, Any]:
    """A class and its distance, or its score where there is none; those of each modality alone have its name."""
    near = {"score": candidate.score} if candidate.distance is None else {"distance": candidate.distance}
    return {
        "class": candidate.label,
        "seen": candidate.seen,
        **near,
        "audio": candidate.distances["audio"],
        "video": candidate.distances["video"],
    }
