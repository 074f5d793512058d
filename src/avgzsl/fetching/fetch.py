"""Weights by name: from their authors' addresses into the folder where all encoders look for them."""

import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avgzsl.errors import WeightsError
from avgzsl.fetching.card import names as card_names
from avgzsl.fetching.plan import NOT_THERE, Plan, PlannedFile, explained, full_plan, local_plan, needed
from avgzsl.fetching.record import waiting_folder, write_record
from avgzsl.support.arguments import check_arguments, check_list
from avgzsl.support.download import download
from avgzsl.support.files import write_bytes
from avgzsl.support.https import Refused
from avgzsl.support.progress import Progress, Step
from avgzsl.support.showing import ShownItems
from avgzsl.support.weights import fetched_folder, identify

_INSIDE = 16 << 20  # bytes of a file that is taken out of another


@dataclass(frozen=True)
class FetchedFile:
    """A file of some weights: where it lies, how it came there, and what its hash was compared with."""

    name: str
    path: Path
    size: int
    sha256: str
    came: str
    compared: str


@dataclass(frozen=True)
class Fetched(ShownItems[FetchedFile]):
    """The files of the weights that were asked for, all in their place."""

    def rows(self) -> list[dict[str, Any]]:
        """One row a file."""
        return [
            {
                "weights": file.name,
                "file": str(file.path),
                "bytes": file.size,
                "came": file.came,
                "SHA-256": file.sha256,
                "compared with": file.compared,
            }
            for file in self.items
        ]


@dataclass(frozen=True)
class Weights:
    """Weights that can be fetched: what for, under which licence, and how many of their needed files are there.

    `size` is in bytes, of the files whose size the card tells; `whole` says whether these are all.
    """

    name: str
    about: str
    serves: str
    licence: str
    size: int
    whole: bool
    there: int
    files: int
    folder: Path


@dataclass(frozen=True)
class WeightsList(ShownItems[Weights]):
    """All weights that can be fetched."""

    def rows(self) -> list[dict[str, Any]]:
        """One row a name."""
        return [
            {
                "name": one.name,
                "about": one.about,
                "for": one.serves,
                "licence": one.licence,
                "bytes": one.size if one.whole else f"{one.size} and more",
                "there": {one.files: "yes", 0: "no"}.get(one.there, f"{one.there} of {one.files} files"),
                "folder": str(one.folder),
            }
            for one in self.items
        ]


def list_weights(models: str | Path | None = None) -> WeightsList:
    """What can be fetched by name, and what of it lies in the folder `models`; nobody is asked.

    Without `models`: the folder of AVGZSL_MODELS, else one among the user's data. Raises WeightsError.
    """
    return WeightsList(tuple(_listed(local_plan(name, _folder(models))) for name in card_names()))


def _listed(plan: Plan) -> Weights:
    sizes = [file.source.size for file in needed(plan.files)]
    size, whole = sum(size or 0 for size in sizes), None not in sizes
    there, files = sum(file.there for file in needed(plan.files)), len(sizes)
    card = plan.card
    return Weights(
        plan.name, card.description, card.serves, card.licence, size, whole, there, files, plan.models / card.folder
    )


def fetch(names: Iterable[str], models: str | Path | None = None, progress: Progress | None = None) -> Fetched:
    """Fetch weights by name into `models`, where they are found afterwards; files that are there are only compared.

    Without `models`: the folder of AVGZSL_MODELS, else one among the user's data, where everybody looks. All files of a
    name are put in place when the last one has come. A connection that was cut is continued, also by the next call.
    Each file is compared with the hash of its card, else with that of its first download, which is recorded.
    Raises UnknownNameError, and WeightsError that says which address refused and what to do, where the network may not
    be asked or does not answer also which files to put where.
    """
    check_arguments(progress=progress)
    return carry_out(plan_fetch(names, models), progress)


def plan_fetch(names: Iterable[str], models: str | Path | None = None) -> list[Plan]:
    """What `fetch` would do, with licences and sizes; only heads of addresses are asked. Raises as `fetch`."""
    check_list("names", names)
    for name in (wanted := tuple(dict.fromkeys(names))):
        local_plan(name, _folder(models))  # a name that is wrong is told before anybody is asked
    return [full_plan(name, _folder(models)) for name in wanted]


def carry_out(plans: Iterable[Plan], progress: Progress | None = None) -> Fetched:
    """Fetch what is planned. Raises as `fetch`."""
    return Fetched(tuple(file for plan in plans for file in _carry_out(plan, progress)))


def _folder(models: str | Path | None) -> Path:
    return fetched_folder() if models is None else Path(models)


def _carry_out(plan: Plan, progress: Progress | None) -> list[FetchedFile]:
    """Bring all files of a plan; they take their places when the last one has come. Each is recorded as it comes."""
    missing = plan.missing  # as it is now: it empties
    if missing:
        write_record(plan.models, plan.name, plan.record)  # the next call goes on with this revision
    done, total = 0, sum(file.source.size or 0 for file in missing) or None
    record, brought = plan.record, list[FetchedFile]()
    for file in plan.files:
        tell = _teller(progress, plan.name, file.card.name, done, total)
        came = _bring(plan, file, file in missing, tell)
        if came is not None:
            done += came.size if file in missing else 0
            if record.files.get(file.card.name) != came.sha256:
                record = replace(record, files={**record.files, file.card.name: came.sha256})
                write_record(plan.models, plan.name, record)
            brought.append(came)
    _put_in_place(plan)
    return brought


def _teller(progress: Progress | None, name: str, file: str, done: int, total: int | None) -> Callable[[int], None]:
    def tell(there: int) -> None:
        if progress is not None:
            progress(Step(f"fetch {name}", done + there, total, item=file))

    return tell


def _bring(plan: Plan, file: PlannedFile, missing: bool, tell: Callable[[int], None]) -> FetchedFile | None:
    """One file, in its place or waiting; None for one that is neither there nor needed."""
    if file.there:
        return _compared(plan, file, file.path, "was there")
    if file.waiting.is_file():
        return _compared(plan, file, file.waiting, "came before")
    if file.card.inside is not None:
        _take_out(plan, file)
        return _compared(plan, file, file.waiting, f"out of {file.card.inside}")
    if not missing:
        return None
    try:
        came = download(file.source, file.waiting, tell)
    except Refused as problem:
        if problem.status == NOT_THERE and not file.card.needed:
            return None
        raise WeightsError(explained(problem, plan)) from problem
    how = f"fetched, continued at byte {came.continued_at:,}" if came.continued_at else "fetched"
    return FetchedFile(plan.name, file.path, came.size, came.sha256, how, _expected(plan, file))


def _compared(plan: Plan, file: PlannedFile, at: Path, came: str) -> FetchedFile:
    """A file that is there. Raises WeightsError for one of another hash than expected."""
    found, expected = identify(at).sha256, file.source.sha256
    if expected not in (None, found):
        raise WeightsError(
            f"{at}: not the file that was expected, by {_expected(plan, file)} (SHA-256 {found}, expected {expected}); "
            f"remove it, and `avgzsl fetch {plan.name}` fetches it again"
        )
    return FetchedFile(plan.name, file.path, at.stat().st_size, found, came, _expected(plan, file))


def _expected(plan: Plan, file: PlannedFile) -> str:
    """Who says which hash a file has."""
    if file.card.sha256 is not None:
        return "its card"
    return "its first download" if file.card.name in plan.record.files else "nothing: recorded now"


def _take_out(plan: Plan, file: PlannedFile) -> None:
    """Write a file that lies in another one of the plan, which is a zip. Raises WeightsError."""
    outer = next(one for one in plan.files if one.card.name == file.card.inside)
    archive = outer.path if outer.there else outer.waiting
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(file.card.name) as stream:
            content = stream.read(_INSIDE + 1)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as problem:
        raise WeightsError(f"{archive}: {file.card.name} cannot be taken out of it ({problem})") from problem
    if len(content) > _INSIDE:
        raise WeightsError(f"{archive}: its {file.card.name} has more than {_INSIDE:,} bytes; is it the right file?")
    write_bytes(file.waiting, content)


def _put_in_place(plan: Plan) -> None:
    """Move what waits to where it is looked for."""
    try:
        for file in plan.files:
            if file.waiting.is_file():
                file.path.parent.mkdir(parents=True, exist_ok=True)
                file.waiting.replace(file.path)
    except OSError as problem:
        raise WeightsError(
            f"{plan.models}: the files of {plan.name} could not be put in place ({problem.strerror or problem}); see "
            "that it can be written, then give the same command again"
        ) from problem
    shutil.rmtree(waiting_folder(plan.models, plan.name), ignore_errors=True)
