"""Conditions on what is known of clips: `duration < 10 and label = "church bell"`.

    condition  = comparison { "and" comparison }
    comparison = column operator value
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains"

A value is a number, a word, or anything between quotes. A clip of which a column is not known meets no comparison.
An accented letter is one, however it was written (as one character, or as a letter and its accent). `contains` takes
large and small letters for the same, in any script; the other operators do not.
The text itself reaches no database: columns are looked up, values are passed beside the statement.
"""

import re
import unicodedata
from collections.abc import Container
from typing import NamedTuple

from avgzsl.archive.clip_table import folded
from avgzsl.errors import ConfigError
from avgzsl.support.registry import unknown

_NUMBERS = {"start": "start", "end": '"end"', "duration": '("end" - start)'}
_TEXTS = {name: name for name in ("id", "path", "label", "split", "licence", "source")}
_FLAGS = {name: name for name in ("has_audio", "has_video")}
COLUMNS = {**_NUMBERS, **_TEXTS, **_FLAGS}
_TOKEN = re.compile(r"""\s*(?:("[^"]*"|'[^']*')|(<=|>=|!=|=|<|>)|([^\s<>=!"']+))""")
_YES = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}
_LONGEST = 1000
_TWINS = frozenset("K;`")  # plain characters that Unicode has twice (the sign of kelvin is a K)


class Condition(NamedTuple):
    """An SQL condition and its values."""

    sql: str
    values: tuple[object, ...]


def parse(text: str, hidden: Container[str] = ()) -> Condition:
    """Without the columns that are hidden. Raises ConfigError, naming what was found and what was expected."""
    if len(text) > _LONGEST:
        raise ConfigError(f"the condition has {len(text)} characters; at most {_LONGEST} are taken")
    words = _words(text)
    parts, values = [], []
    while True:
        if len(words) < 3:
            raise ConfigError(f"{text!r}: expected COLUMN OPERATOR VALUE, as in duration < 10")
        if words[0] not in COLUMNS or words[0] in hidden:
            raise ConfigError(unknown("column", words[0], [name for name in COLUMNS if name not in hidden]))
        sql, value = _comparison(*(words.pop(0) for _ in range(3)))
        parts.append(sql)
        values.append(value)
        if not words:
            return Condition(" and ".join(parts), tuple(values))
        if words.pop(0).lower() != "and":
            raise ConfigError(f"{text!r}: comparisons are joined by `and`; put a value of several words in quotes")


def _words(text: str) -> list[str]:
    words, place, text = [], 0, text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ConfigError(f"{text!r}: cannot be read from {text[place:].strip()[:40]!r} on")
        words.append(found.group().strip())
        place = found.end()
    return words


def _comparison(column: str, operator: str, value: str) -> tuple[str, object]:
    quoted = value[:1] in "\"'"
    value = value[1:-1] if quoted else value
    if operator.lower() == "contains" and column in _TEXTS:
        return f"instr(folded({COLUMNS[column]}), ?) > 0", folded(value)
    allowed = ("=", "!=") if column in _FLAGS else ("=", "!=", "<", "<=", ">", ">=")
    if operator not in allowed:
        known = [*allowed, "contains"] if column in _TEXTS else allowed
        raise ConfigError(f"{column} {operator} {value}: unknown operator {operator!r}; there are: {', '.join(known)}")
    if column in _TEXTS:
        value = unicodedata.normalize("NFC", value)
        # most plain letters are written in one way, and comparing as it stands is three times as fast
        plain = value.isascii() and not _TWINS & set(value) and operator in ("=", "!=")
        return f"{COLUMNS[column] if plain else f'composed({COLUMNS[column]})'} {operator} ?", value
    if column in _FLAGS:
        if value.lower() not in _YES:
            raise ConfigError(f"{column} {operator} {value}: {column} is yes or no")
        return f"{COLUMNS[column]} {operator} ?", _YES[value.lower()]
    try:
        return f"{COLUMNS[column]} {operator} ?", float(value)
    except ValueError as problem:
        raise ConfigError(f"{column} {operator} {value}: {column} is a number of seconds") from problem
