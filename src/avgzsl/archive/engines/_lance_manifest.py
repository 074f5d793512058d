"""Where a table of LanceDB has its data, read from its manifests before LanceDB reads them.

A manifest may say that the data lie in another folder, or at an address: a table that somebody else made would then be
read from there, with this user's keys. Of its protocol buffer the field `base_paths` alone is looked for; its place is
fixed by the format (github.com/lance-format/lance, protos/table.proto).
"""

from pathlib import Path

from avgzsl.errors import DataError
from avgzsl.support.trust import read_regular

_BASE_PATHS = 18
_END = 16  # bytes: where the manifest begins, two numbers of its version, LANC
_MOST = 64 << 20


def require_own_data(table: Path) -> None:
    """Raises DataError for a table of which a version has data elsewhere, or cannot be read."""
    for path in sorted((table / "_versions").glob("*.manifest")):
        content = read_regular(path, DataError, _MOST)
        try:
            elsewhere = _BASE_PATHS in _fields(_manifest(content))
        except ValueError as problem:
            raise DataError(f"{path}: is damaged ({problem}); make it anew with `avgzsl index-rebuild`") from problem
        if elsewhere:
            raise DataError(
                f"{path}: says that its data lie elsewhere, where they are not read; make the engine anew with `avgzsl "
                "index-rebuild`"
            )


def _manifest(content: bytes) -> bytes:
    """The message in a file of a manifest. Raises ValueError for a file that has none."""
    start = int.from_bytes(content[-_END : -_END + 8], "little")
    if content[-4:] != b"LANC" or start + 4 > len(content) - _END:
        raise ValueError("it is cut off")
    size = int.from_bytes(content[start : start + 4], "little")
    if start + 4 + size > len(content) - _END:
        raise ValueError("it is cut off")
    return content[start + 4 : start + 4 + size]


def _fields(message: bytes) -> set[int]:
    """Numbers of the fields of a message. Raises ValueError for what is none."""
    fields, place = set(), 0
    while place < len(message):
        tag, place = _number(message, place)
        fields.add(tag >> 3)
        kind = tag & 7
        if kind == 0:
            _, place = _number(message, place)
        elif kind == 2:
            size, place = _number(message, place)
            place += size
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError("it is no manifest")
    if place != len(message):
        raise ValueError("it is cut off")
    return fields


def _number(message: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next one begins."""
    for length in range(1, 11):
        piece = message[place : place + length]
        if len(piece) < length:
            break
        if piece[-1] < 128:
            return sum((byte & 127) << (7 * i) for i, byte in enumerate(piece)), place + length
    raise ValueError("it is cut off")
