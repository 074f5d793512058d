"""Where weights are looked for, and which they were: a local folder first, then the hub."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from avgzsl.errors import WeightsError

FOLDER_VARIABLE = "AVGZSL_MODELS"
_PIECE = 1 << 20


@dataclass(frozen=True)
class WeightFile:
    """A file of weights: its name, and the SHA-256 of its content."""

    name: str
    sha256: str


def models_folder(models: Path | None) -> Path:
    """The folder given, else that of the environment variable AVGZSL_MODELS, else `models` in the current folder."""
    return Path(models) if models is not None else Path(os.environ.get(FOLDER_VARIABLE, "models"))


def find(what: str, file: str, models: Path | None, published: str) -> Path:
    """The file `file`: a path as it is, or a name in the models folder.

    Raises WeightsError that names the file, where it was looked for, and where its authors publish it.
    """
    places = [Path(file), models_folder(models) / file]
    for place in places:
        if place.is_file():
            return place
    looked = " or ".join(str(place.absolute()) for place in dict.fromkeys(places))
    raise WeightsError(
        f"{what}: its weights {Path(file).name} are not there (looked for {looked}); they are published at "
        f"{published}. Put the file into a folder and name it with --models, or in {FOLDER_VARIABLE}"
    )


def identify(path: Path) -> WeightFile:
    """Name and hash of a file. Raises WeightsError when it cannot be read."""
    digest = sha256()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
    except OSError as problem:
        raise WeightsError(f"{path}: cannot be read ({problem.strerror})") from problem
    return WeightFile(path.name, digest.hexdigest())
