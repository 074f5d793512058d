"""Runs on a hub of models (huggingface_hub): a packed run is uploaded, and comes back as a run of a stranger.

Of what a repository holds only the files that a packed run may have are fetched, and of what was fetched only these are
kept, as plain files, in a folder of the user's cache. They are opened like every run that somebody else may have made.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avgzsl.data.reading.cache import cache_folder
from avgzsl.errors import ConfigError, RunError
from avgzsl.experiments.calibration import RECOGNITION
from avgzsl.experiments.run import CLASSES, HISTORY, MODEL, RESULTS, Run, load_run
from avgzsl.experiments.run_record import CONFIG
from avgzsl.methods import MethodChoice
from avgzsl.packing.packed_run import pack
from avgzsl.recognition.encoders import CARDS, WEIGHTS
from avgzsl.reports.model_card import README
from avgzsl.support.files import whole_folder
from avgzsl.support.registry import require
from avgzsl.support.temporary import temporary_folder
from avgzsl.support.trust import is_plain_way, require_no_links
from avgzsl.support.weights import reason

_NAMES = (CONFIG, CLASSES, MODEL, HISTORY, RESULTS, RECOGNITION, README)
_FOLDERS = (f"{CARDS}/", f"{WEIGHTS}/")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def push_to_hub(
    run: str | Path | Run,
    repository: str,
    *,
    private: bool | None = None,
    weights: bool = False,
    models: str | Path | None = None,
    named: Sequence[str | Path] = (),
) -> str:
    """Pack a run and upload it to `repository` (`OWNER/NAME`), which is made where it is not there; gives its address.

    Who uploads is known to huggingface_hub (`hf auth login`, or HF_TOKEN). `private` None leaves it to the hub's
    default; `weights`, `models` and `named` are as in `pack`. Raises ConfigError for a name that is none, or without
    the extra `hub`; RunError where the hub refuses; and what `pack` raises.
    """
    _require_name(repository)
    hub = _hub()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "packed"
        pack(run, folder, weights=weights, models=models, named=named)
        with _asking(repository):
            address = str(hub.create_repo(repository, private=private, exist_ok=True))
            hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="A run of avgzsl")
    return address


def from_pretrained(name: str | Path, *, revision: str | None = None, method: MethodChoice | None = None) -> Run:
    """The run in a folder, or in the repository `name` (`OWNER/NAME`) of the hub, at a `revision` of it.

    `method` is for a run of a method that is in a file, as in `load_run`: a repository never says which file that is.
    What was fetched is kept in the user's cache, a folder a commit: a `revision` that is a whole commit and is there
    needs no network. `method` is for a method that is in a file, see `load_run`. Raises ConfigError for a name that
    is neither, or without the extra `hub`; RunError where the hub refuses, and for what is no run.
    """
    if Path(name).is_dir():
        if revision is not None:
            raise ConfigError(f"{name}: is a folder and has no revision {revision}; leave it out")
        return load_run(name, method)
    repository = _require_name(str(name))
    place = cache_folder().parent / "runs" / repository.replace("/", "--")
    if revision is not None and _COMMIT.fullmatch(revision) and (place / revision).is_dir():
        return load_run(place / revision, method)
    hub = _hub()
    with _asking(repository):
        commit = str(hub.model_info(repository, revision=revision).sha)
    if not _COMMIT.fullmatch(commit):
        raise RunError(f"{repository}: the hub calls its commit {commit[:60]!r}; expected 40 hexadecimal digits")
    if not (place / commit).is_dir():
        _fetch(hub, repository, commit, place / commit)
    return load_run(place / commit, method)


def _fetch(hub: Any, repository: str, commit: str, target: Path) -> None:
    """Fetch the files of a run into the folder `target`, whole or not at all."""
    patterns = [*_NAMES, *(f"{folder}*" for folder in _FOLDERS)]
    with whole_folder(target) as half, temporary_folder(target) as fetched:
        with _asking(repository):
            hub.snapshot_download(repository, revision=commit, allow_patterns=patterns, local_dir=fetched)
        require_no_links(fetched, RunError)
        for path in sorted(fetched.rglob("*")):
            name = path.relative_to(fetched).as_posix()
            if path.is_file() and _may_be(name):
                (half / name).parent.mkdir(parents=True, exist_ok=True)
                path.rename(half / name)


def _may_be(name: str) -> bool:
    """May a packed run have a file of that name?"""
    return is_plain_way(name) and (name in _NAMES or name.startswith(_FOLDERS))


def _require_name(repository: str) -> str:
    if not _REPOSITORY.fullmatch(repository) or len(repository) > 96:
        raise ConfigError(f"{repository!r} is no folder, and no name on the hub; expected OWNER/NAME")
    return repository


def _hub() -> Any:
    """The hub's client. Raises ConfigError without the extra."""
    return require("huggingface_hub", "hub").HfApi()


@contextmanager
def _asking(repository: str) -> Iterator[None]:
    """Whatever the network does within this is a RunError."""
    try:
        yield
    except Exception as problem:
        raise RunError(
            f"{repository}: the hub refused or is not to be had ({reason(problem)}); look at the name, at the network, "
            "and at who you are there (`hf auth login`)"
        ) from problem
