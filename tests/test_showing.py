"""Results show themselves: rows, a Markdown table, a notebook's table, a DataFrame."""

from dataclasses import dataclass

import pytest

from avgzsl.errors import ConfigError
from avgzsl.support.showing import Shown


@dataclass(frozen=True)
class Two(Shown):
    """Two rows with different columns, and text that is no HTML and no Markdown."""

    def rows(self):
        return [{"name": "<b>|", "HM": 0.123456}, {"name": "x", "count": 3, "HM": None}]


def test_a_table_in_markdown_escapes_its_marks():
    assert Two().table().splitlines() == [
        "| name | HM | count |",
        "| --- | --- | --- |",
        "| <b>\\| | 0.1235 | – |",
        "| x | – | 3 |",
    ]


def test_a_notebook_shows_text_as_text():
    shown = Two()._repr_html_()
    assert "<b>" not in shown and "&lt;b&gt;|" in shown
    assert shown.count("<tr>") == 3 and shown.count("<td>") == 6


def test_a_frame_has_the_rows_and_all_columns():
    frame = Two().to_frame()
    assert list(frame.columns) == ["name", "HM", "count"] and len(frame) == 2
    assert frame["HM"][0] == 0.123456


def test_json_is_plain():
    assert Two().json() == [{"name": "<b>|", "HM": 0.123456}, {"name": "x", "count": 3, "HM": None}]


def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"avgzsl\[frames\]"):
        Two().to_frame()
