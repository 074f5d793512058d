"""What a fetch will do: which files are there, which are to come from where, and how large they are."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from avgzsl.errors import WeightsError
from avgzsl.fetching.card import FileCard, WeightsCard, read_card
from avgzsl.fetching.record import Record, read_record, waiting_folder
from avgzsl.support.https import Refused, Source, Unreachable, ask_json, ask_size
from avgzsl.support.weights import offline_reason

_ACCEPT_FIRST = {401, 403}
NOT_THERE = 404


@dataclass(frozen=True)
class PlannedFile:
    """A file: where it is to lie, where it waits until all are there, and what is known of it."""

    card: FileCard
    path: Path
    waiting: Path
    source: Source

    @property
    def there(self) -> bool:
        """Whether it lies in its place."""
        return self.path.is_file()


@dataclass(frozen=True)
class Plan:
    """What is to be done for one name; the sizes of `files` are known, as far as they are told."""

    name: str
    card: WeightsCard
    models: Path
    record: Record
    files: tuple[PlannedFile, ...]

    @property
    def missing(self) -> list[PlannedFile]:
        """The files that are to come from the network; none where all that are needed have come."""
        missing = [file for file in self.files if not (file.there or file.waiting.is_file() or file.card.inside)]
        return missing if needed(missing) else []

    def about(self) -> str:
        """Name, licence, size and place, as told before anything is fetched."""
        sizes = [file.source.size for file in self.missing]
        told = sum(size or 0 for size in sizes)
        size = f"{told:,} bytes" if None not in sizes else f"{told:,} bytes and what is not told"
        what = f"{len(sizes)} files to fetch, {size}" if sizes else "nothing to fetch"
        return (
            f"{self.name}: {self.card.description}\n  licence: {self.card.licence} ({self.card.page})\n"
            f"  revision: {self.record.revision or 'none'}\n  {what}, into {self.models / self.card.folder}"
        )


def local_plan(name: str, models: Path) -> Plan:
    """The plan as far as this machine knows it; nobody is asked. Raises UnknownNameError, WeightsError."""
    card, record = read_card(name), read_record(models, name)
    if card.revision is not None:
        # what was recorded of another revision says nothing of this one
        files = record.files if record.revision in (None, card.revision) else {}
        record = Record(card.revision, files)
    return Plan(name, card, models, record, _files(name, card, models, record))


def full_plan(name: str, models: Path) -> Plan:
    """The plan with the revision and the sizes of what is missing, for which its addresses are asked.

    Raises UnknownNameError, and WeightsError: where the network may not be asked or does not answer, it says which
    files to put where; where a licence is to be accepted first, on which page.
    """
    plan = local_plan(name, models)
    if not plan.missing:
        return plan
    if why := offline_reason():
        raise WeightsError(f"{name}: {why}. {by_hand(plan)}")
    try:
        if plan.record.revision is None and plan.card.newest is not None:
            record = Record(_newest(plan.card), plan.record.files)
            plan = replace(plan, record=record, files=_files(name, plan.card, models, record))
        sized = (_sized(file) if file in plan.missing else file for file in plan.files)
        return replace(plan, files=tuple(file for file in sized if file is not None))
    except Unreachable as problem:
        raise WeightsError(f"{name}: {problem}. {by_hand(plan)}") from problem
    except Refused as problem:
        raise WeightsError(explained(problem, plan)) from problem


def explained(problem: Refused, plan: Plan) -> str:
    """What to do where an address refuses."""
    if problem.status not in _ACCEPT_FIRST:
        return f"{plan.name}: {problem}; look at {plan.card.page}, where its authors publish it"
    variable = plan.card.token
    token = ""
    if variable is not None:
        state = "it is set" if os.environ.get(variable) else "it is not set"
        token = f", then put a token of that account into the environment variable {variable} ({state})"
    return f"{plan.name}: {problem}; accept the licence at {plan.card.page} with an account{token}"


def by_hand(plan: Plan) -> str:
    """Which files to put where, for who fetches them on another machine."""
    lines = [f"  {file.path.absolute()}  from {file.source.url}" for file in plan.missing if file.card.needed]
    extra = [f"  {file.path.absolute()}  from {file.source.url}" for file in plan.missing if not file.card.needed]
    if extra:
        lines += ["and these, if they are there:", *extra]
    licence = f"(licence: {plan.card.licence}; {plan.card.page})"
    return "\n".join([f"Where there is a network, fetch these, and put them here {licence}:", *lines])


def _files(name: str, card: WeightsCard, models: Path, record: Record) -> tuple[PlannedFile, ...]:
    return tuple(
        PlannedFile(
            file,
            models / card.folder / file.name,
            waiting_folder(models, name) / file.name,
            Source(
                card.url(file.name, record.revision),
                file.size,
                file.sha256 or record.files.get(file.name),
                _token(card),
            ),
        )
        for file in card.files
    )


def _token(card: WeightsCard) -> str | None:
    return (os.environ.get(card.token) or None) if card.token is not None else None


def _newest(card: WeightsCard) -> str:
    assert card.newest is not None
    answer = ask_json(Source(card.newest, token=_token(card)))
    revision = answer.get("sha") if isinstance(answer, dict) else None
    if not isinstance(revision, str) or not revision.isalnum():
        raise WeightsError(f"{card.newest}: tells no revision; try again later, or look at {card.page}")
    return revision


def _sized(file: PlannedFile) -> PlannedFile | None:
    """The file with its size; None for one that is not there and not needed."""
    if file.source.size is not None:
        return file
    try:
        return replace(file, source=replace(file.source, size=ask_size(file.source)))
    except Refused as problem:
        if problem.status == NOT_THERE and not file.card.needed:
            return None
        raise


def needed(files: Iterable[PlannedFile]) -> list[PlannedFile]:
    """The files without which nothing can be loaded."""
    return [file for file in files if file.card.needed]
