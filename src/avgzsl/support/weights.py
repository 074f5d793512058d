"""Where weights are looked for, and which they were: a local folder first, then the hub."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import platformdirs

from avgzsl.errors import WeightsError
from avgzsl.support.registry import require
from avgzsl.support.trust import open_regular, require_regular

FOLDER_VARIABLE = "AVGZSL_MODELS"
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_FETCH_IT = "`avgzsl fetch --list` says which weights can be fetched by name"
_PIECE = 1 << 20
_OFFLINE: ContextVar[bool] = ContextVar("stays", default=False)
_SECONDS = 10  # until the hub counts as out of reach


@dataclass(frozen=True)
class WeightFile:
    """A file of weights: its name, and the SHA-256 of its content."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Encoder:
    """A backbone or text encoder: its spec, as their `load` takes it, and what it was loaded from.

    `unit`: a backbone gave rows of unit length. Those of a space with words do; in older stores and runs they did not.
    """

    spec: str
    weights: tuple[WeightFile, ...] = ()
    unit: bool = False


def models_folder(models: Path | None) -> Path:
    """The first of `models_folders`: the one that was named, by whatever way."""
    return models_folders(models)[0]


def models_folders(models: Path | None) -> tuple[Path, ...]:
    """Where weights are looked for, in this order: the folder given, and the one that `avgzsl fetch` fills.

    Without one given that is the folder of AVGZSL_MODELS; without that `models` in the current folder comes first.
    """
    own = fetched_folder()
    if models is None and os.environ.get(FOLDER_VARIABLE):
        return (own,)
    return tuple(dict.fromkeys((Path("models") if models is None else Path(models), own)))


def fetched_folder() -> Path:
    """Where `avgzsl fetch` puts weights: AVGZSL_MODELS, else a folder among the user's data."""
    return Path(os.environ.get(FOLDER_VARIABLE) or Path(platformdirs.user_data_dir("avgzsl")) / "models")


def offline_reason() -> str | None:
    """Why nothing may be fetched: the variable of the environment that says so, or the run; None if it may."""
    for variable in _OFFLINE_VARIABLES:
        if os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}:
            return f"{variable} is set"
    return "nothing is fetched because a run names it" if _OFFLINE.get() else None


@contextmanager
def nothing_fetched(offline: bool = True) -> Iterator[None]:
    """Inside, weights are not fetched from the network, if `offline`."""
    before = _OFFLINE.set(offline)
    try:
        yield
    finally:
        _OFFLINE.reset(before)


def find(what: str, file: str, models: Path | None, published: str, kind: str = "weights") -> Path:
    """The file `file`: a path as it is, or a name in the models folder; `kind` is what an error calls it.

    Raises WeightsError that names the file, where it was looked for, and where its authors publish it.
    """
    places = [Path(file), *(folder / file for folder in models_folders(models))]
    for place in places:
        if place.is_file():
            return place
    tried = " or ".join(str(place.absolute()) for place in dict.fromkeys(places))
    raise WeightsError(
        f"{what}: its {kind} {Path(file).name} are not there (looked for {tried}); they are published at "
        f"{published}. Put the file into a folder and name it with --models, or in {FOLDER_VARIABLE}; {_FETCH_IT}"
    )


def find_folder(what: str, name: str, models: Path | None, patterns: Sequence[str], extra: str) -> Path:
    """The folder `name`: a path as it is, or in the models folder, or the files `patterns` of that name on the hub.

    Raises WeightsError that says where it was looked for, ConfigError when the library of the `extra` is not installed.
    """
    places = [Path(name), *(folder / name for folder in models_folders(models))]
    for place in places:
        if place.is_dir():
            for file in place.rglob("*"):
                if not file.is_dir():
                    require_regular(file, WeightsError)
            return place
    hub = require("huggingface_hub", extra)
    try:
        return Path(hub.snapshot_download(name, allow_patterns=patterns, local_files_only=True))
    except (OSError, ValueError):
        pass  # not a name on the hub, or not copied yet
    if _OFFLINE.get():
        tried = " or ".join(str(place.absolute()) for place in dict.fromkeys(places))
        raise WeightsError(
            f"{what} {name}: not on this machine (looked for {tried}), and nothing is fetched because a run names it: "
            "somebody else may have made the run. Name it yourself, with --audio, --video or --text, to fetch it"
        )
    try:
        revision = hub.HfApi().model_info(name, timeout=_SECONDS).sha  # one question that fails fast, without retries
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as problem:  # whatever the network does
        tried = " or ".join(str(place.absolute()) for place in dict.fromkeys(places))
        raise WeightsError(
            f"{what} {name}: not there (looked for {tried}) and not to be had under that name from "
            f"https://huggingface.co ({reason(problem)}). Fetch the folder where there is a network, and give its path "
            f"in place of {name}; {_FETCH_IT}"
        ) from problem


def reason(problem: Exception) -> str:
    """The first line of what a library says."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


def identify(path: Path) -> WeightFile:
    """Name and hash of a file. Raises WeightsError when it cannot be read."""
    digest = sha256()
    try:
        with open_regular(path, WeightsError) as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
    except OSError as problem:
        raise WeightsError(f"{path}: cannot be read ({problem.strerror})") from problem
    return WeightFile(path.name, digest.hexdigest())
