"""What may not be shown: addresses, of which only scheme, host and port are, and keys from the environment.

Both are values that cannot show themselves: whatever they come into (a record, an error, a log, a notebook) holds the
bare address or asterisks. Only whoever calls the address, or sends the key, asks for all of it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from pydantic import SecretStr

from avgzsl.errors import ConfigError

# a comma is between two entries where another one begins behind it: PostgreSQL has commas between the hosts of one
_BETWEEN = re.compile(r",(?=(?:[a-z][a-z0-9_-]*=)?(?:[A-Za-z][A-Za-z0-9+.-]*://|[/~.]))")
_ENTRY = re.compile(r"([a-z][a-z0-9_-]*)=")
_part: ContextVar[int | None] = ContextVar("_part", default=None)


class Address:
    """An address that a user gave. As text it is bare; `whole` is for the call alone. It is never pickled."""

    __slots__ = ("_whole",)

    def __init__(self, text: str) -> None:
        self._whole = text

    def whole(self) -> str:
        """All of it, as it was given."""
        return self._whole

    def __str__(self) -> str:
        return bare_address(self._whole)

    def __repr__(self) -> str:
        return f"Address({bare_address(self._whole)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other._whole == self._whole

    def __hash__(self) -> int:
        return hash(self._whole)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an address is not written to a file or sent to another process; give it there again")


def bare_address(url: str) -> str:
    """Scheme, host and port of an address, as it may be shown: without names, passwords, paths and questions.

    Of several hosts (`postgresql://one:5432,two:5432/db`), all; of a list of addresses (`entries`), each, and folders
    as they are.
    """
    parts = entries(url)
    if parts[0][0] is None:
        return _bare(url)
    names = ["" if engine is None else f"{engine}=" for engine, _ in parts]
    places = [place if is_folder(place) else _bare(place) for _, place in parts]
    shown = ",".join(map("".join, zip(names, places, strict=True)))[:4000]
    return "".join(char if char.isprintable() else "?" for char in shown)


def entries(url: str) -> list[tuple[str | None, str]]:
    """Of a list of addresses, `ENGINE=ADDRESS,[ENGINE=]ADDRESS,…`, each with the engine that it names.

    What does not begin with the name of an engine is one address, whatever is in it.
    """
    if _ENTRY.match(url) is None:
        return [(None, url)]
    named = [(_ENTRY.match(part), part) for part in _BETWEEN.split(url)]
    return [(None, part) if engine is None else (engine[1], part[engine.end() :]) for engine, part in named]


def is_folder(entry: str) -> bool:
    """Whether an entry of a list of addresses is a folder of this machine."""
    return entry.startswith(("/", "~", "./", "../")) or Path(entry).is_absolute()


def _bare(url: str) -> str:
    try:
        hosts = [_shown(part) for part in one_by_one(url)]
    except ValueError:
        hosts = [""]
    if not all(hosts):
        return "what cannot be read as an address"
    shown = f"{urlsplit(url).scheme}://{','.join(hosts)}"[:200]
    return "".join(char if char.isprintable() else "?" for char in shown)


def one_by_one(url: str) -> list[str]:
    """An address for each host of an address that has several. Raises ValueError for what is none."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return [parts._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")]


def _shown(url: str) -> str:
    """Host and port of an address; nothing where it has none. Raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname or not parts.scheme:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host if parts.port is None else f"{host}:{parts.port}"


@contextmanager
def of_part(number: int) -> Iterator[None]:
    """Meanwhile, in this thread, `VARIABLE_2` comes before `VARIABLE`, for the second of several servers."""
    token = _part.set(number)
    try:
        yield
    finally:
        _part.reset(token)


def variable_of_part(variable: str) -> str | None:
    """The name of the variable that is set for the server alone that is being asked (`of_part`); None for none."""
    own = f"{variable}_{_part.get()}"
    return own if _part.get() is not None and os.environ.get(own) else None


def key_from(variable: str) -> SecretStr | None:
    """The key in a variable of the environment, or in that of one of several servers; None where there is none.

    Raises ConfigError, which does not show it, for one that no header of a request can hold: the libraries that send it
    would show it in their own errors.
    """
    variable = variable_of_part(variable) or variable
    key = os.environ.get(variable)
    if not key:
        return None
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        raise ConfigError(
            f"the key in {variable} holds a line end, a space at an end, or a letter that is not ASCII; set it to the "
            "key alone"
        )
    return SecretStr(key)
