"""How a user writes a part of the text of classes: an encoder, and what it encodes for a name.

    [audio=|video=]ENCODER[:WEIGHTS][+prompts=NAME-or-FILE][+descriptions=FILE[:COLUMN,…]]

`own` in place of the encoder is what the data brings; `own=ENCODER` says how names are encoded that the data does not
know. `,overrides=FILE` is part of the encoder. A `+` counts only before the two words `prompts=` and `descriptions=`.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from avgzsl.errors import ConfigError
from avgzsl.types import MODALITIES, Modality

OWN = "own"
_FORM = "[audio=|video=]ENCODER[:WEIGHTS][+prompts=NAME-or-FILE][+descriptions=FILE[:COLUMN,…]], own or own=ENCODER"
_WORDS = ("prompts", "descriptions")
_ADDED = re.compile(r"\+(?=(?:prompts|descriptions)=)")
_PREFIX = re.compile(r"([^=:,+]*)=(.*)", re.DOTALL)
_LIKE_A_WORD = re.compile(r"\+(\w+)=")


@dataclass(frozen=True)
class PartSpec:
    """A part as it was asked for. `encoder` is None for one that is `own` and says no more; `str` writes it again."""

    encoder: str | None
    own: bool = False
    modality: Modality | None = None
    prompts: str | None = None
    descriptions: str | None = None
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        own = OWN if self.encoder is None else f"{OWN}={self.encoder}"
        pieces = [f"{self.modality}=" if self.modality else "", own if self.own else str(self.encoder)]
        if self.prompts is not None:
            pieces.append(f"+prompts={self.prompts}")
        if self.descriptions is not None:
            pieces.append(f"+descriptions={self.descriptions}")
        return "".join(pieces) + (":" + ",".join(self.columns) if self.columns else "")


THEIRS = PartSpec(None, own=True)
"""What the data brings, which is also what nobody has to ask for."""


def parse_parts(specs: Sequence[str]) -> tuple[PartSpec, ...]:
    """The parts in the order given; none stand for what the data brings.

    Raises ConfigError for a part that cannot be read, that is given twice, and for more than one `own`.
    """
    parts = tuple(parse_part(spec) for spec in specs) or (THEIRS,)
    if twice := [str(part) for place, part in enumerate(parts) if part in parts[:place]]:
        raise ConfigError(f"the part {twice[0]!r} of the text is given twice; give each once")
    if len(own := [str(part) for part in parts if part.own]) > 1:
        raise ConfigError(f"{' and '.join(own)}: {OWN} is all that the data brings; give it once")
    return parts


def parse_part(spec: str) -> PartSpec:
    """One part. Raises ConfigError, with what was given and what a part looks like."""
    named, *added = _ADDED.split(spec)
    modality, own, encoder = _named(spec, named)
    words = dict[str, str]()
    for word, _, value in (piece.partition("=") for piece in added):
        if word in words:
            raise _wrong(spec, f"{word}= is there twice")
        if not value.strip():
            raise _wrong(spec, f"{word}= names nothing")
        words[word] = value
    file, columns = _columns(spec, words.get("descriptions"))
    if own and file is not None:
        raise _wrong(spec, "what the data brings has no descriptions; give them to a part of its own")
    if own and encoder is None and "prompts" in words:
        raise _wrong(spec, f"prompts say how names are encoded, and no encoder is named; give {OWN}=ENCODER+prompts=…")
    return PartSpec(encoder, own, modality, words.get("prompts"), file, columns)


def _named(spec: str, named: str) -> tuple[Modality | None, bool, str | None]:
    """The modality, whether it is what the data brings, and the encoder."""
    modality: Modality | None = None
    own = False
    while match := _PREFIX.fullmatch(named):
        word, rest = match[1].strip(), match[2]
        if word in MODALITIES and modality is None and not own:
            modality = word
        elif word == OWN and not own:
            own = True
            if not rest.strip():
                raise _wrong(spec, f"{OWN}= names no encoder")
        else:
            raise _wrong(spec, f"{word}= is not known here")
        named = rest
    encoder = named.strip()
    if not encoder:
        raise _wrong(spec, "it names no encoder")
    if encoder.partition(":")[0].partition(",")[0] == OWN and (own or encoder != OWN):
        raise _wrong(spec, f"{OWN} is what the data brings, not an encoder")
    for word in _LIKE_A_WORD.findall(encoder):
        if near := difflib.get_close_matches(word, _WORDS, 1):
            raise _wrong(spec, f"+{word}= is not known; did you mean +{near[0]}=")
    return (modality, True, None) if encoder == OWN else (modality, own, encoder)


def _columns(spec: str, descriptions: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The file and the columns behind its last colon, if that is none of the path (as in C:\\sentences.csv)."""
    if descriptions is None:
        return None, ()
    file, colon, listed = descriptions.rpartition(":")
    if not colon or "/" in listed or "\\" in listed:
        return descriptions, ()
    columns = tuple(column.strip() for column in listed.split(","))
    if not file.strip() or not all(columns):
        raise _wrong(spec, "descriptions= lacks its file, or the name of a column")
    if len(set(columns)) != len(columns):
        raise _wrong(spec, f"a column of {listed} is there twice")
    return file, columns


def _wrong(spec: str, fault: str) -> ConfigError:
    return ConfigError(f"--text {spec!r}: {fault}; expected {_FORM}")
