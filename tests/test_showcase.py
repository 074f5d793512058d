"""What the demo says of its own search, and by which line its hits are likely."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from avgzsl import showcase
from avgzsl.archive.search import Searcher
from avgzsl.errors import DataError
from avgzsl.experiments.calibration import Recognition, read_recognition, write_recognition
from avgzsl.experiments.run import Run
from avgzsl.experiments.train_evaluate import Evaluation
from avgzsl.features.feature_store import Store
from avgzsl.recognition.results import Result
from avgzsl.reports.clip_report import write_clip_report
from avgzsl.reports.clip_sheet import clip_sheet

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


def test_a_clip_that_was_not_recognised_ends_the_report_with_its_reason_and_no_file(tmp_path):
    failed = Result("films/one.mp4", (0.0, None), error="its decoder ran out of memory")
    with pytest.raises(DataError, match=r"films/one\.mp4: was not recognised \(its decoder ran out of memory\)"):
        write_clip_report(tmp_path / "report", Mock(spec=Store), Mock(spec=Evaluation), {}, failed, "red bar")
    assert not (tmp_path / "report").exists()


def test_a_phrase_that_found_nothing_is_still_drawn(tmp_path):
    clip_sheet(tmp_path / "sheet.png", [("red bar", [])], "Nothing found")
    assert (tmp_path / "sheet.png").stat().st_size > 1000
