"""The bank of everyday phrases."""

import re

from avgzsl.text.bank import everyday_phrases
from avgzsl.text.encoders import load


def test_the_bank_holds_at_least_500_different_short_phrases():
    phrases = everyday_phrases()
    assert len(phrases) >= 500
    assert len({phrase.casefold() for phrase in phrases}) == len(phrases)
    for phrase in phrases:
        assert re.fullmatch(r"[A-Za-z][A-Za-z' -]*[A-Za-z]", phrase), phrase
        assert 1 <= len(phrase.split()) <= 8, phrase
    assert max(len(phrase) for phrase in phrases) <= 60


def test_its_phrases_spread_over_many_things():
    """No word that says something is in more than a few phrases: a bank of one kind would be no measure."""
    words = [set(phrase.lower().split()) for phrase in everyday_phrases()]
    common = {"a", "an", "the", "of", "on", "in", "at", "with", "from", "being", "for", "and", "over", "to"}
    for word in set().union(*words) - common:
        assert sum(word in phrase for phrase in words) <= 20, word
    assert len(set().union(*words)) > 700


def test_every_phrase_has_a_vector_of_its_own():
    rows = load("hashed-words:512").encode(everyday_phrases())
    near = rows @ rows.T - 2 * rows.new_ones(len(rows)).diag()
    assert float(near.max()) < 0.9999
