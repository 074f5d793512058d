"""Text from outside in tables for spreadsheets: never a formula, and read back as it was; numbers stay numbers."""

import csv
import io
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avgzsl.errors import DataError
from avgzsl.features.extract import FAILURES, extract
from avgzsl.reports.predictions import write_predictions
from avgzsl.support.spreadsheet import escaped, read_table, table, unescaped, write_table
from avgzsl.types import EncoderChoice

FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", '=HYPERLINK("http://x","y")'),
    *(" =1", "\t=1", "\r=1", "\n=1", "\u00a0=1", "\u3000=1", "\ufeff=1", "\u200b=1", "\x00=1", "  \t +1"),
    *("＝1+1", "＋1", "－1", "＠SUM(A1)", "﹢1", "﹣1", "﹦1", "﹫1", "⁼1", "\u22121"),
    *("'=1", "''=1", '"=1', "a;=1+1", 'a"; =1', "a\t=1", "a\n=1", "a\r\n=1"),
    *("bell\x07", "escape\x1b[31m", "zero\x00", "del\x7f", "next\x85", "line\u2028", "turned\u202etxt", "tab\t"),
]
HARMLESS = [
    "dog barking",
    "C:\\clips\\new",
    "école",
    "a=1",
    "3-1",
    "犬",
    "👩‍👩‍👧",
    "می‌خواهم",
    "a;b",
    "1",
    "",
    "x'",
    "\\x41",
    '"a"',
]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_run_is_text(text):
    cell = escaped(text)
    assert cell.startswith("'")
    assert not any(unicodedata.category(c) == "Cc" for c in cell)
    assert not any(part.strip(" \"'").startswith(("=", "+", "-", "@")) for part in cell.split(";")[1:])
    assert unescaped(cell) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays_as_it_is(text):
    assert escaped(text) == text == unescaped(text)


@given(st.text(st.characters(codec=None), max_size=20), st.sampled_from(["", "'", "\\", "\\x41", "=", "; ="]))
def test_every_text_comes_back(text, before):
    assert unescaped(escaped(before + text)) == before + text
    assert escaped(before + text).isascii() or escaped(before + text).encode()  # no halves of characters


@given(st.lists(st.tuples(st.text(max_size=8), st.floats(allow_nan=False), st.sampled_from(FORMULAS)), max_size=5))
def test_a_table_comes_back(rows):
    lines = list(csv.reader(io.StringIO(table(("=name", "number", "formula"), rows), newline="")))
    assert [float(line[1]) for line in lines[1:]] == [number for _, number, _ in rows]
    assert [(unescaped(line[0]), unescaped(line[2])) for line in lines[1:]] == [(name, one) for name, _, one in rows]


def test_a_file_comes_back(tmp_path):
    write_table(tmp_path / "t.csv", ("id", "score"), [(text, -0.5) for text in (*FORMULAS, *HARMLESS)])
    assert read_table(tmp_path / "t.csv") == [{"id": text, "score": "-0.5"} for text in (*FORMULAS, *HARMLESS)]
    (tmp_path / "t.csv").write_text("a,b\n1\n")
    with pytest.raises(DataError, match=r"t\.csv: expected a line of columns"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predictions_keep_numbers_and_text_apart(tmp_path, ending):
    path = tmp_path / f"predictions.{ending}"
    names = ("-1", "=1+1", "@dog")
    scores = torch.tensor([[-1.5, -2.5], [0.5, -0.25]])
    write_predictions(
        path, np.array(["+clip", "a"]), names, torch.tensor([0, 1]), torch.tensor([[0, 2], [1, 0]]), scores
    )
    if ending == "parquet":
        read = pyarrow.parquet.read_table(path).to_pydict()
        assert read["label"] == ["-1", "=1+1"]
    else:
        read = pyarrow.csv.read_csv(path).to_pydict()
        assert read["id"] == ["'+clip", "a"] and read["label"] == ["'-1", "'=1+1"]
        rows = read_table(path)
        assert [row["id"] for row in rows] == ["+clip", "a"] and [row["top2"] for row in rows] == ["@dog", "-1"]
    assert read["top1_score"] == [-1.5, 0.5]
    assert read["top2_score"] == [-2.5, -0.25]


def test_numbers_are_floats_to_other_readers(tmp_path):
    write_table(tmp_path / "t.csv", ("id", "score"), [("=a", -0.5), ("b", 2.0), ("c", None)])
    read = pyarrow.csv.read_csv(tmp_path / "t.csv")
    assert str(read.schema.field("score").type) == "double"
    assert read["score"].to_pylist() == [-0.5, 2.0, None]


def test_failures_with_names_from_outside(tmp_path: Path):
    names = ["=cmd|' /C calc'!A0.wav", "-1.wav", "@x;=1.wav"]
    for name in names:
        (tmp_path / "clips").mkdir(exist_ok=True)
        (tmp_path / "clips" / name.replace("/", "_")).write_bytes(b"no sound")
    with pytest.raises(DataError, match="none of 3 clips"):
        extract(tmp_path / "clips", tmp_path / "store", encoders=EncoderChoice(audio="descriptors"), workers=1)
    rows = read_table(tmp_path / "store" / FAILURES)
    assert sorted(row["path"] for row in rows) == sorted(name.replace("/", "_") for name in names)
    with (tmp_path / "store" / FAILURES).open(newline="") as stream:
        raw = list(csv.DictReader(stream))
    assert all(row["path"].startswith("'") and row["id"].startswith("'") for row in raw)
    assert {row["start"] for row in raw} == {"0.0"}
