"""A condition on clips means the same to PostgreSQL, which has what is known of them, and to the table of an index."""

import random
from pathlib import Path

import numpy as np
import pytest

from avgzsl.archive import clip_database, clip_selection, clip_table
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.engines import open_engine
from avgzsl.archive.where import COLUMNS, FLAGS, NUMBERS, TEXTS, Condition, parse

D = 5
SOME = np.random.default_rng(0).standard_normal((40, D)).astype(np.float32)
LETTERS = [*"aAbkKésßSeİiı ;`%\\_", "\0", "\u212a", "\u037e", "\u1e9e", "\uffff", "\U0001f600", "E\u0301", "e\u0301"]
TIMES = [0.0, -0.0, 1.5, 3.0, 0.1, 0.30000000000000004, 1e308, -1e308, float("inf"), float("-inf")]


def some_text(g: random.Random) -> str:
    return "".join(g.choices(LETTERS, k=g.randint(0, 4)))


def some_clip(g: random.Random, number: int) -> IndexedClip:
    texts = {name: g.choice([None, some_text(g)]) for name in ("label", "split", "licence", "source")}
    start, end = (g.choice([None, *TIMES]) for _ in range(2))
    flags = {name: g.random() < 0.5 for name in FLAGS}
    return IndexedClip(f"{some_text(g)}{number}", "h", start=start, end=end, **texts, **flags)


def some_condition(g: random.Random) -> Condition:
    column = g.choice([name for name in COLUMNS if name not in ("path", "folder")])
    order = g.choice(["=", "!="] if column in FLAGS else ["=", "!=", "<", "<=", ">", ">="])
    if column in TEXTS:
        order = g.choice([order, "contains"])

    def value() -> str:
        if column in FLAGS:
            return g.choice(["yes", "no"])
        return str(g.choice([*TIMES, float("nan")])) if column in NUMBERS else f"'{some_text(g)}'"

    several = g.choice([1, 1, 2, 3]) if order in ("=", "contains") else 1
    return parse(f"{column} {order} {' or '.join(value() for _ in range(several))}")


@pytest.fixture
def two_tables(pgvector_url, tmp_path):
    """The table of clips, and the engine's."""
    clip_database.create(tmp_path)
    engine = open_engine("pgvector", Path("nowhere"), "avgzsl-0123456789abcdef-both,equal", D, pgvector_url)
    engine.create()
    with clip_database.opened(tmp_path, write=True) as db:
        yield db, engine
    engine.close()


def test_a_condition_means_the_same_in_both_tables(two_tables):
    db, engine = two_tables
    g = random.Random(0)
    clips = [some_clip(g, number) for number in range(300)]
    with clip_database.transaction(db, write=True):
        clip_table.insert(db, clips, [0] * len(clips))
    engine.upsert_known(np.arange(300), np.resize(SOME, (300, D)), clips)
    split = 0
    for _ in range(600):
        condition = sum((some_condition(g) for _ in range(g.choice([1, 1, 2]))), ())
        expected = clip_selection.positions(db, condition).tolist()
        found, _ = engine.query_where(SOME[0], 300, -np.inf, condition)
        assert sorted(found.tolist()) == expected, condition
        split += 0 < len(expected) < 300
    assert split > 250  # some clips meet it, and others do not
    assert not engine.answers(parse("path = x")) and not engine.answers(parse("folder = x"))
    few, products = engine.query_where(SOME[0], 3, 0.5, parse("has_audio = yes"))
    assert len(few) == 3 and products.min() >= 0.5 and all(clips[position].has_audio for position in few)
