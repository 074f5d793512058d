"""What the calls on an index give: counts, faults, and what an index is."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from avgzsl.archive.index_record import IndexRecord
from avgzsl.support.showing import Shown
from avgzsl.support.spreadsheet import read_table
from avgzsl.types import RetrievalKind

_REASONS = 3  # the others stand in the file


@dataclass(frozen=True)
class Added(Shown):
    """Clips that were added (or replaced), those that were there already, unchanged, media files that gave none, with
    the file that says why, and clips that were removed because their files are gone. `notes` are of the extraction."""

    added: int
    kept: int
    failed: int = 0
    failures: Path | None = None
    pruned: int = 0
    notes: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One row: the counts."""
        return [self.json()]

    def json(self) -> dict[str, Any]:
        """The counts and the path of the failures."""
        return asdict(self) | {"failures": None if self.failures is None else str(self.failures)}


def reasons(added: Added) -> list[str]:
    """Why the first few files gave no clip, a sentence each; a last one says how many more there are."""
    if not added.failed or added.failures is None:
        return []
    first = [row["reason"] for row in read_table(added.failures)][:_REASONS]
    more = added.failed - len(first)
    return [*first, *([f"and {more} more"] if more > 0 else [])]


@dataclass(frozen=True)
class Removed(Shown):
    """How many clips were removed now, and how many erased that were removed or replaced, now or before."""

    removed: int
    erased: int = 0

    def rows(self) -> list[dict[str, Any]]:
        """One row: the counts."""
        return [asdict(self)]

    def json(self) -> dict[str, Any]:
        """The counts."""
        return asdict(self)


@dataclass(frozen=True)
class Faults(Shown):
    """What is wrong: `truth` must be restored or indexed again, `engine` is mended by a rebuild; `unanswered` says
    where a server did not answer, so that nothing is known of its vectors."""

    truth: tuple[str, ...] = ()
    engine: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.truth or self.engine or self.unanswered)

    def rows(self) -> list[dict[str, Any]]:
        """One row a fault; none for an index that is as it was written."""
        mended = {
            "truth": "restore the file, or index again",
            "engine": "index-rebuild",
            "unanswered": "see that it answers, and verify again",
        }
        faults = {"truth": self.truth, "engine": self.engine, "unanswered": self.unanswered}
        return [{"fault": fault, "mend": mended[part]} for part, said in faults.items() for fault in said]

    def json(self) -> dict[str, Any]:
        """All three lists."""
        return {"truth": list(self.truth), "engine": list(self.engine), "unanswered": list(self.unanswered)}


@dataclass(frozen=True)
class IndexInfo(Shown):
    """What an index is, how many of its clips have what, and what its folder weighs in bytes.

    `modes` are those in which it can be searched; `waiting_for_the_engine` clips are found without it as yet;
    `removed_but_not_purged` ones are no longer found, and still stored. `recall` is what share of the ten nearest an
    approximate engine finds, by mode, as it was measured; empty of an exact one.
    """

    record: IndexRecord
    name: str
    clips: int
    with_audio: int
    with_video: int
    with_both: int
    labelled: int
    with_file: int
    labels: int
    modes: tuple[str, ...]
    waiting_for_the_engine: int
    removed_but_not_purged: int
    bytes: int
    recall: dict[str, float] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row a property."""
        return [{"property": name, "value": value} for name, value in self.json().items()]

    def json(self) -> dict[str, Any]:
        """One level: the fields of the record and all others; `dimension` is that of all parts, if they have one."""
        known = self.record.model_dump(mode="json")
        widths = set(self.record.dimensions.values())
        known |= {"parts": list(self.record.parts), "dimension": widths.pop() if len(widths) == 1 else None}
        counts = {name: value for name, value in vars(self).items() if name != "record"}
        return known | counts | {"modes": list(self.modes)}


@dataclass(frozen=True)
class IndexEvaluation(Shown):
    """Retrieval by class name over an index, or over one of its splits.

    `results` has rows as those of `train_evaluate.evaluate`; `unlabelled` clips were left out for want of a label;
    `retrieval` says by which scores clips were found.
    """

    method: str
    run: str
    split: str | None
    unlabelled: int
    results: list[dict[str, Any]]
    retrieval: RetrievalKind = "plain"

    def rows(self) -> list[dict[str, Any]]:
        """One row a mode, without the figures of each class."""
        return [{name: value for name, value in row.items() if name != "per_class"} for row in self.results]

    def json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)
