"""What the demo says of its own search, and by which line its hits are likely."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from avgzsl import showcase
from avgzsl.archive.search import Searcher
from avgzsl.experiments.calibration import Recognition, read_recognition, write_recognition
from avgzsl.experiments.run import Run

SEARCHER = Mock(spec=Searcher)

RANKED = {
    "low": ["red bar low", "yellow bar high", "red bar slow low", "red bar high"],  # two clips have it; 1 of 2 first
    "red": ["red bar low", "red bar slow low", "red bar high", "yellow bar high"],
    "absent": ["red bar low"],
    "red bar high": ["red bar high", "red bar low"],
    "yellow bar high": ["red bar low", "yellow bar high"],
}


def test_precision_counts_whole_words_among_as_many_hits_as_there_can_be(monkeypatch):
    asked = []

    def search(searcher, words, top, where):
        asked.append(where)
        return [SimpleNamespace(label=label) for label in RANKED[words][:top]]

    monkeypatch.setattr(showcase, "search", search)
    found = showcase.find(SEARCHER, ["low with a red", "the absent"], ["red bar high", "yellow bar high"])
    assert found.words == {"absent": 0.0, "low": 0.5, "red": 1.0}
    assert found.precision == pytest.approx(0.5)
    assert found.phrases == {"red bar high": "red bar high", "yellow bar high": "red bar low"} and found.right == 1
    assert set(asked) == {"split = test"}


def test_the_first_ten_hits_count_where_more_clips_have_the_word(monkeypatch):
    labels = ["red"] * 9 + ["blue"] + ["red"] * 10
    monkeypatch.setattr(showcase, "search", lambda *_, top, where: [SimpleNamespace(label=one) for one in labels[:top]])
    assert showcase.find(SEARCHER, ["red"], []).words == {"red": 0.9}


def test_the_line_of_the_method_takes_the_place_of_the_one_of_validation(tmp_path):
    run = Mock(spec=Run, folder=tmp_path)
    showcase.take_lines_of_method(run)
    assert not list(tmp_path.iterdir())
    line = {"found": 13.5, "share": 0.9, "clips": 64}
    write_recognition(tmp_path, Recognition.model_validate({"modes": {}, "lines": {"both-equal": line}}))
    assert read_recognition(tmp_path).lines
    showcase.take_lines_of_method(run)
    assert read_recognition(tmp_path).lines == {}
