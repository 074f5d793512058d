"""Cards of weights: where their authors publish them, under which licence, and which files they are.

One YAML file a card, in the folder `weights`; its name is what `avgzsl fetch` takes.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from avgzsl.errors import ConfigError, UnknownNameError
from avgzsl.support import registry
from avgzsl.support.trust import is_plain_way, read_yaml

CARDS = Path(__file__).parent / "weights"


class _CardModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileCard(_CardModel):
    """A file of some weights: its name below their folder, and what is known of it."""

    name: str
    size: int | None = Field(default=None, ge=0)
    """Bytes; None: the address is asked."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """None: the first download is recorded, and the next ones are compared with it."""
    inside: str | None = None
    """It is not fetched, but taken out of this file of the card, a zip."""
    needed: bool = True
    """Whether its absence is an error."""

    @field_validator("name")
    @classmethod
    def _below(cls, name: str) -> str:
        if not is_plain_way(name):
            raise ValueError("expected a file below the folder")
        return name


class WeightsCard(_CardModel):
    """Some weights: what they are for, whose they are, and where they are."""

    description: str
    serves: str
    """The options of the command line that take them."""
    licence: str
    page: str
    """Where their authors tell about them, and ask to accept a licence, if they do."""
    address: str
    """Of a file, with {file} for its name and, where there is one, {revision}."""
    revision: str | None = None
    """The commit that is fetched; None: the newest when they are first fetched."""
    newest: str | None = None
    """An address whose JSON says the newest revision, as `sha`."""
    token: str | None = None
    """The variable of the environment with a token for the host of the address."""
    folder: str = "."
    """Where the files lie below the folder of models."""
    files: tuple[FileCard, ...]

    def url(self, file: str, revision: str | None) -> str:
        """The address of a file; without a revision that of the newest, as the authors' hosts understand it."""
        return self.address.format(revision=revision or "main", file=file)


def names() -> tuple[str, ...]:
    """Names of the weights that can be fetched."""
    return tuple(sorted(path.stem for path in CARDS.glob("*.yaml")))


def read_card(name: str) -> WeightsCard:
    """The card of that name. Raises UnknownNameError with near matches, ConfigError for a damaged card."""
    if name not in names():
        raise UnknownNameError(registry.unknown("weights", name, names()))
    path = CARDS / f"{name}.yaml"
    try:
        return WeightsCard.model_validate(read_yaml(path, ConfigError))
    except (OSError, ValueError, ValidationError) as problem:
        raise ConfigError(f"{path}: not a card of weights ({problem})") from problem
