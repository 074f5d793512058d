"""Conditions on what is known of clips: `duration < 10 and label = "church bell"`.

    condition  = comparison { "and" comparison }
    comparison = column operator value { "or" value }
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains"

A value is a number, a word, or anything between quotes. `label = dog or cat` is met by clips of either label; several
values go with `=` and `contains` alone. A clip of which a column is not known meets no comparison.
`folder` is what stands in the id before its last `/`: `folder = music` are the clips in that folder and under it.
An accented letter is one, however it was written (as one character, or as a letter and its accent). `contains` takes
large and small letters for the same, in any script; the other operators do not.
The text itself reaches no database: a column and an operator are each one of a closed list, and values are passed
beside the statement (`clip_selection`).
"""

import re
import unicodedata
from collections.abc import Container
from typing import Literal, NamedTuple, cast

from avgzsl.errors import ConfigError
from avgzsl.support.registry import unknown

NUMBERS = ("start", "end", "duration")
TEXTS = ("id", "path", "label", "split", "licence", "source")
FLAGS = ("has_audio", "has_video")
FOLDER = "folder"
COLUMNS = (*NUMBERS, *TEXTS, *FLAGS, FOLDER)
_TOKEN = re.compile(r"""\s*(?:("[^"]*"|'[^']*')|(<=|>=|!=|=|<|>)|([^\s<>=!"']+))""")
_YES = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}
_ALTERNATIVES = ("=", "contains")  # operators that take several values
_ORDERED = ("=", "!=", "<", "<=", ">", ">=")
_OPERATORS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(NUMBERS, _ORDERED),
    **dict.fromkeys(TEXTS, (*_ORDERED, "contains")),
    **dict.fromkeys(FLAGS, ("=", "!=")),
    FOLDER: ("=", "!=", "contains"),
}
_LONGEST = 1000

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "contains"]


class ColumnComparison(NamedTuple):
    """A column of what is known of clips, and the value that it is compared with: seconds, text, or 1 for yes.

    The value of a folder that is to be the same ends in `/`: ids of clips in it, and under it, begin so. `others` are
    values of which one is as good.
    """

    column: str
    operator: Operator
    value: int | float | str
    others: tuple[int | float | str, ...] = ()

    @property
    def values(self) -> tuple[int | float | str, ...]:
        """All values, of which one is enough."""
        return (self.value, *self.others)


Condition = tuple[ColumnComparison, ...]
"""All of these comparisons; every clip meets an empty one."""


def parse(text: str, hidden: Container[str] = ()) -> Condition:
    """A condition, without the columns that are hidden.

    Raises ConfigError, naming what was found and what was expected.
    """
    if len(text) > _LONGEST:
        raise ConfigError(f"the condition has {len(text)} characters; at most {_LONGEST} are taken")
    words = _words(text)
    comparisons: list[ColumnComparison] = []
    while True:
        if len(words) < 3:
            raise ConfigError(f"{text!r}: expected COLUMN OPERATOR VALUE, as in duration < 10")
        column, operator, value, *words = words
        if column not in COLUMNS or column in hidden:
            raise ConfigError(unknown("column", column, [name for name in COLUMNS if name not in hidden]))
        values = [value]
        while len(words) > 1 and words[0].lower() == "or":
            _, value, *words = words
            values.append(value)
        comparisons.append(_comparison(column, operator, values))
        if not words:
            return tuple(comparisons)
        if words.pop(0).lower() != "and":
            raise ConfigError(
                f"{text!r}: comparisons are joined by `and`, values by `or` (label = dog or cat); put a value of "
                "several words in quotes"
            )


def composed(text: object) -> str | None:
    """Text in which an accented letter is one character, however it was written; None for what is no text."""
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else None


def folded(text: object) -> str | None:
    """The same without the difference of large and small letters, in any script (Unicode's caseless match)."""
    if not isinstance(text, str):
        return None
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _words(text: str) -> list[str]:
    """Columns, operators and values as they are written. Raises ConfigError for what is none of them."""
    words, place, text = [], 0, text.rstrip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise ConfigError(f"{text!r}: cannot be read from {text[place:].strip()[:40]!r} on")
        words.append(token.group().strip())
        place = token.end()
    return words


def _comparison(column: str, operator: str, written: list[str]) -> ColumnComparison:
    """Raises ConfigError for an operator that the column does not take, or a value that is none of it."""
    values = [value[1:-1] if value[:1] in "\"'" else value for value in written]
    chosen, known = operator.lower(), _OPERATORS[column]
    said = f"{column} {operator} {' or '.join(values)}"
    if chosen not in known:
        raise ConfigError(f"{said}: unknown operator {operator!r}; there are: {', '.join(known)}")
    if len(values) > 1 and chosen not in _ALTERNATIVES:
        raise ConfigError(
            f"{said}: several values go with {' and '.join(_ALTERNATIVES)} alone; join comparisons by `and`"
        )
    first, *others = (_value(column, chosen, value) for value in values)
    return ColumnComparison(column, cast(Operator, chosen), first, tuple(others))


def _value(column: str, operator: str, text: str) -> int | float | str:
    """What the column is compared with. Raises ConfigError."""
    if operator == "contains":
        return folded(text) or ""
    if column in TEXTS:
        return composed(text) or ""
    if column == FOLDER:
        folder = (composed(text) or "").rstrip("/")
        return f"{folder}/" if folder else ""
    if column in FLAGS:
        if text.lower() not in _YES:
            raise ConfigError(f"{column} {operator} {text}: {column} is yes or no")
        return _YES[text.lower()]
    try:
        return float(text)
    except ValueError as problem:
        raise ConfigError(f"{column} {operator} {text}: {column} is a number of seconds") from problem
