"""How many clips there are, by label and modality: a small table that is kept along, so that nobody has to count them.

With it come indexes by which clips of a label or a split are found without looking at all others. An index that was
made before has neither: its clips are counted, until something is next written to it.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from avgzsl.archive.file_table import has_table
from avgzsl.errors import DataError

SCHEMA = """
create table counts (
    label text, has_audio integer not null, has_video integer not null, clips integer not null,
    unique (label, has_audio, has_video)) strict;
create index clips_by_label on clips (label);
create index clips_by_split on clips (split);
"""
_COUNTED = "select label, has_audio, has_video, count(*) from clips group by label, has_audio, has_video"


class Kind(NamedTuple):
    """What clips are counted by."""

    label: str | None
    has_audio: bool
    has_video: bool


def counts(db: sqlite3.Connection) -> dict[Kind, int]:
    """How many clips there are of each kind; counted anew in an index without the table. Raises DataError."""
    rows = db.execute("select * from counts" if has_table(db, "counts") else _COUNTED).fetchall()
    found = {Kind(label, bool(audio), bool(video)): clips for label, audio, video, clips in rows}
    if any(not isinstance(clips, int) or clips < 0 for clips in found.values()):
        raise DataError(f"the counts of clips are {list(found.values())[:5]}, which cannot be; restore the index")
    return found


def faults(db: sqlite3.Connection) -> list[str]:
    """What is wrong with the table of counts; nothing where there is none."""
    noted = {kind: clips for kind, clips in counts(db).items() if clips}
    counted = {Kind(label, bool(a), bool(v)): clips for label, a, v, clips in db.execute(_COUNTED)}
    return [] if noted == counted else ["the table of counts says something else than its clips"]


def prepare(db: sqlite3.Connection) -> None:
    """Make the table and the indexes where there are none: once for an older index, which takes as long as it is."""
    if has_table(db, "counts"):
        return
    for statement in SCHEMA.strip().split(";\n"):
        db.execute(statement)
    db.execute(f"insert into counts {_COUNTED}")


def add(db: sqlite3.Connection, kinds: Iterable[Kind], sign: int = 1) -> None:
    """Count clips that come, or with the sign -1 clips that go."""
    for kind, clips in Counter(kinds).items():
        where = "where label is ? and has_audio = ? and has_video = ?"
        key = kind.label, int(kind.has_audio), int(kind.has_video)
        if not db.execute(f"update counts set clips = clips + ? {where}", (sign * clips, *key)).rowcount:
            db.execute("insert into counts values (?, ?, ?, ?)", (*key, sign * clips))
