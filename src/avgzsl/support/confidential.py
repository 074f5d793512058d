"""What may not be shown: addresses, of which only scheme, host and port are, and keys from the environment.

Both are values that cannot show themselves: whatever they come into (a record, an error, a log, a notebook) holds the
bare address or asterisks. Only whoever calls the address, or sends the key, asks for all of it.
"""

import os
from typing import NoReturn
from urllib.parse import urlsplit

from pydantic import SecretStr

from avgzsl.errors import ConfigError


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
    """Scheme, host and port of an address, as it may be shown: without names, passwords, paths and questions."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or not parts.scheme:
        return "what cannot be read as an address"
    host = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{host}{port}"[:200]
    return "".join(char if char.isprintable() else "?" for char in shown)


def key_from(variable: str) -> SecretStr | None:
    """The key in a variable of the environment; None where there is none.

    Raises ConfigError, which does not show it, for one that no header of a request can hold: the libraries that send it
    would show it in their own errors.
    """
    key = os.environ.get(variable)
    if not key:
        return None
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        raise ConfigError(
            f"the key in {variable} holds a line end, a space at an end, or a letter that is not ASCII; set it to the "
            "key alone"
        )
    return SecretStr(key)
