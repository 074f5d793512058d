"""The instructions of a pickle, looked through before any is carried out: only those that arrays of numbers need.

Their number and what they can copy are bounded by what vectors can mean, so that a small file takes little time and
memory, whatever it says.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, NoReturn

from avgzsl.errors import DataError

_MOST_INSTRUCTIONS, _BYTES_EACH = 1_500_000, 32  # so many; in a larger file, one for each 32 bytes
_COPIES = 16  # times the file, in memory
_LONGEST_NUMBER = 1 << 13  # bits of a whole one
_TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_BLOCKS = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "NEWTRUE", "NEWFALSE"}
_CONTAINERS = {
    *("EMPTY_LIST", "APPEND", "APPENDS", "LIST", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "MARK", "NONE"),
}
_PUTS, _GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"MEMOIZE", "GET", "BINGET", "LONG_BINGET"}
_CALLS, _FRAME = {"REDUCE", "BUILD"}, {"PROTO", "FRAME", "STOP", "GLOBAL", "STACK_GLOBAL"}
_NEEDED = _TEXT | _BLOCKS | _NUMBERS | _CONTAINERS | _PUTS | _GETS | _CALLS | _FRAME
# by its byte, the name of each instruction and the function that reads its argument
_INSTRUCTIONS: dict[bytes, tuple[str, Callable[[io.BytesIO], Any] | None]] = {
    opcode.code.encode("latin1"): (opcode.name, opcode.arg.reader if opcode.arg else None)
    for opcode in pickletools.opcodes
}
# Python 2 wrote bytes as STRING, which pickletools would take for ASCII
_INSTRUCTIONS[pickle.STRING] = ("STRING", lambda stream: pickletools.read_stringnl(stream, decode=False))


def check_instructions(content: bytes) -> None:
    """Raises DataError for an instruction that no such file needs, and for too many."""
    stream, code = io.BytesIO(content), b""
    count, calls, longest = 0, 0, 0  # instructions; calls among them; letters of the longest text
    allowed = max(_MOST_INSTRUCTIONS, len(content) // _BYTES_EACH)
    while code != pickle.STOP:
        code = stream.read(1)
        if not code:
            raise ValueError("it has no end")
        name, read = _INSTRUCTIONS.get(code, (f"unknown {code!r}", None))
        if name not in _NEEDED:
            refuse(f"the pickle instruction {name}")
        argument: Any = read(stream) if read else None
        count += 1
        if count > allowed:
            refuse(f"more than {allowed:,} pickle instructions")
        if name in _CALLS:
            calls += 1
        elif name in _TEXT:
            longest = max(longest, len(argument))
        elif name in _PUTS and int(argument) > count:
            raise ValueError(f"place {argument} of its memo after {count} instructions")
        elif name in _NUMBERS and type(argument) is int and argument.bit_length() > _LONGEST_NUMBER:
            refuse(f"a whole number of {argument.bit_length()} bits")
    if calls * longest > _COPIES * len(content) + (1 << 20):  # each call may copy a text
        refuse(f"{calls:,} calls for texts of up to {longest:,} letters")


def refuse(what: str) -> NoReturn:
    """Raises DataError: `what` is nothing that such a file may ask for."""
    raise DataError(refusal(what))


def refusal(what: str) -> str:
    """The sentence that says so."""
    return f"refused: it asks for {what}; such a file may hold arrays of numbers, dict, list, text and numbers alone"
