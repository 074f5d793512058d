"""Tables of the command line at any width: names in full, numbers whole, paths unbroken, no cursor moved."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avgzsl.archive.hits import Hit
from avgzsl.cli import show
from avgzsl.cli.classes_table import class_columns, clip_columns
from avgzsl.cli.fetch import file_columns, weight_columns
from avgzsl.cli.hits_table import hit_columns
from avgzsl.cli.tune import trial_columns
from avgzsl.data.inspection.inspect import Inspection
from avgzsl.experiments.tuning import Trial
from avgzsl.fetching.fetch import FetchedFile, Weights
from avgzsl.recognition.answers import Answer, Candidate
from avgzsl.recognition.results import Result
from avgzsl.reports.inspection_report import inspection_text
from avgzsl.reports.sheet import Sheet, drawn
from avgzsl.reports.tables import sheets
from avgzsl.reports.terminal_table import Column, as_typed, cells_of, fitted, table, terminal_width, wrapped
from avgzsl.support.showing import printable

NAMES = [
    "dog",
    "a class of a great many words, such as annotators write where nobody told them to be brief about it",
    "pneumonoultramicroscopicsilicovolcanoconiosis-and-some-more-of-it-without-a-blank",
    "雨の中で太鼓を叩きながら踊っている大勢の人々と犬の行列を遠くから見ている",
    "כלב נובח בחצר של הבית הגדול ליד הים התיכון בשעות הבוקר",
    "🐕 barking 🥁 and a 👨‍👩‍👧 family",
    "[red]not markup[/red] [/] :smile:",
    "moves\x1b[2J the\ncursor\r and\u202e turns",
]
PATHS = [f"clips/of a folder/{name}/000.mp4" for name in NAMES]
WIDTHS = (40, 80, 200)


def hit(name: str, path: str, **more) -> Hit:
    known = {"start": 2.0, "end": 12.5, "seen": False, "split": None, "licence": None, "source": None}
    near = {"score": -1.2345, "distance": 1.2345, "distances": {"audio": 1.111, "video": None}, "weights": {}}
    return Hit("id", path, False, None, label=name, evidence=2.5, likely=True, **{**known, **near, **more})


def candidate(name: str) -> Candidate:
    return Candidate(name, True, -1.2345, 1.2345, {"audio": 1.111, "video": 1.222}, {"audio": 0.333, "video": -0.444})


def answer(*names: str, none: bool | None = False) -> Answer:
    return Answer("both", "equal", {"audio": 0.5, "video": 0.5}, 0.1, none, tuple(map(candidate, names)))


def result_row(name: str, task: str) -> dict:
    figures = {"S": 0.4567, "U": 0.3456, "HM": 0.3935, "ZSL": 0.5678, "AUSUC": 0.2468, "clips": 31280}
    about = {"retrieval": "plain", "modality": "both", "fusion": "attention", "calibration": "val"}
    return {"task": task, "model": name, "gamma": -0.00630712, **about, **figures}


def inspection() -> Inspection:
    clips = {name: {"train": 12345, "val": 0, "test": 67890} for name in NAMES}
    spans = {"audio": {"dimension": 1024, "min": -0.4751, "max": None, "mean_norm": 6.409}}
    text = [{"file": "text.npy", "dimension": 512}]
    splits = {name: {"seen": NAMES, "unseen": NAMES[:3]} for name in NAMES}
    return Inspection("data/set", "store", spans, text, splits, clips, ["a problem"], [])


def weights(name: str) -> Weights:
    return Weights(name, f"about {name}", f"--audio {name}", "Apache-2.0", 605157884, True, 1, 2, Path("x"))


def paired(names: list[str]) -> Sheet:
    header = ("method", "test", "S", "U", "HM", "ZSL", "AUSUC", "HM paired with avgzslnet [95 %]")
    lines = [(name, "both (w/ attn)", *["41.2 ± 10.1"] * 5, "+10.0 [-10.0, +10.0]") for name in names]
    return Sheet("Classification", header, lines, "A caption of the table.")


TABLES = {  # how to draw it, and the numbers that stand at any width
    "search": (lambda w: table(hit_columns(list(map(hit, NAMES, PATHS))), w, (3,), "---"), ()),
    "search, a tagger": (lambda w: table(hit_columns([hit(name, "a", because=(name,)) for name in NAMES]), w), ()),
    "predict, one clip": (lambda w: table(class_columns(answer(*NAMES)), w), ("1.234",)),
    "predict, many clips": (
        lambda w: table(
            clip_columns([(Result(p, (0.0, None)), answer(n, "dog")) for n, p in zip(NAMES, PATHS, strict=True)]), w
        ),
        (),
    ),
    "tune": (lambda w: table(trial_columns([Trial({"lr": name}, 0.5) for name in NAMES]), w), ("50.0",)),
    "fetch --list": (lambda w: table(weight_columns(list(map(weights, NAMES))), w), ("605", "1 of 2")),
    "fetch": (
        lambda w: table(file_columns([FetchedFile(n, Path(p), 605157884, "f" * 64, "fetched", "its card")
                                      for n, p in zip(NAMES, PATHS, strict=True)]), w),
        ("605,157,884",),
    ),
    "inspect": (lambda w: inspection_text(inspection(), w), ("1024", "12345", "67890")),
    "evaluate": (
        lambda w: "".join(
            part
            for sheet in sheets([result_row(n, task) for task in ("classification", "retrieval") for n in NAMES], "m")
            for part in drawn(sheet, w)
        ),
        ("45.67", "34.56", "39.35"),
    ),
    "benchmark": (lambda w: "".join(drawn(paired(NAMES), w)), ("41.2 ± 10.1", "+10.0 [-10.0, +10.0]")),
}  # fmt: skip


def solid(text: str) -> str:
    """Without blanks and ends of lines."""
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_a_table_reads_well(name, width):
    draw, numbers = TABLES[name]
    text = draw(width)
    paths = [printable(path) for path in PATHS]
    for line in text.splitlines():
        assert cells_of(line) <= width or any(path in line for path in paths), line
        assert "…" not in line and line == line.rstrip()
    assert not [char for char in text if not char.isprintable() and char != "\n"]
    for number in numbers:
        assert text.count(number) >= len(NAMES) or (name == "inspect" and number in text)
    if any(path in text for path in paths):
        assert all(path in text for path in paths)  # each on one line


ONE_NAME = {  # tables of one name, so that the pieces of its column are the name alone
    "search": lambda name: hit_columns([hit(name, "a.mp4")]),
    "predict, one clip": lambda name: class_columns(answer(name)),
    "predict, many clips": lambda name: clip_columns([(Result("a.mp4", (0.0, None)), answer(name))]),
    "tune": lambda name: trial_columns([Trial({"lr": name}, None, "why")]),
    "fetch --list": lambda name: weight_columns([weights(name)]),
    "fetch": lambda name: file_columns([FetchedFile(name, Path("a"), 5, "f" * 64, "fetched", "its card")]),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ONE_NAME)
def test_the_name_that_tells_rows_apart_is_there_in_full(which, name, width):
    kept = fitted(ONE_NAME[which](name), width)
    column = next(one for one in kept if any(printable(name) in cell for cell in one.shown))
    assert column.rank == 0
    assert solid(printable(name)) in solid("".join(table([column], width - 30).splitlines()[2:]))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_a_sheet_names_its_lines_in_full(name, width):
    for sheet in (paired([name]), sheets([result_row(name, "retrieval")], "m")[0]):
        for part in drawn(sheet, width):
            rows = part[part.index("──") :].splitlines()
            assert solid(printable(name)) in solid("".join(first_cell(rows)))


def first_cell(rows: list[str]) -> list[str]:
    """The first column of what is below a rule, which is as wide as it; counted in cells."""
    width, cells = len(rows[0].split(" ")[0]), []
    for row in rows[1:]:
        taken, text = 0, ""
        for char in row:
            if taken >= width:
                break
            taken, text = cells_of(text + char), text + char
        cells.append(text)
    return cells


def test_columns_go_by_rank_and_those_of_one_rank_together():
    columns = [
        Column("name", ["x" * 10]),
        Column("first", ["12345"], rank=1, number=True),
        Column("left", ["12345"], rank=2, number=True),
        Column("right", ["12345"], rank=2, number=True),
    ]
    for width, heads in ((28, 4), (27, 2), (16, 2), (15, 1), (3, 1)):
        assert len(fitted(columns, width)) == heads
    assert " ".join(table(columns, 27).split()).endswith("(not shown at this width: left, right)")


def test_a_path_stands_in_the_table_or_on_a_line_of_its_own():
    columns = [Column("clip", ["a/b.mp4"], path=True), Column("class", ["dog"])]
    assert table(columns, 40) == "clip     class\n───────  ─────\na/b.mp4  dog\n"
    assert table(columns, 10) == "class\n─────\na/b.mp4\ndog\n"
    assert table(columns[::-1], 10) == "class\n─────\ndog\n  a/b.mp4\n"


def test_a_row_goes_on_further_in():
    lines = table([Column("class", ["red square sliding with a bell"]), Column("n", ["7"], number=True)], 21)
    assert lines.splitlines()[2:] == ["red square sliding  7", "  with a bell"]


def test_a_setting_is_broken_where_its_parts_meet():
    tried = Trial({"attention_threshold": 0.25, "hidden_sizes": [512, 256, 128], "learning_rate": 0.00012345}, 0.5)
    cells = [line[7:28].strip() for line in table(trial_columns([tried]), 40).splitlines()[3:]]
    assert cells == ["attention_threshold=", "0.25", "hidden_sizes=512,", "256,128", "learning_rate=", "0.00012345"]


def test_paths_are_as_one_types_them_here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    long = tmp_path / "out" / ("x" * 100) / "results.json"
    assert as_typed(long) == f"out/{'x' * 100}/results.json"
    assert as_typed("out/a") == "out/a" and as_typed("/elsewhere/a") == "/elsewhere/a"
    assert as_typed(f"{tmp_path}-more/a") == f"{tmp_path}-more/a" and as_typed(tmp_path) == str(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")
    show.files([long])
    assert capsys.readouterr().out == f"wrote:\n  out/{'x' * 100}/results.json\n"


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_the_width_is_that_of_columns_whatever_the_terminal(term, monkeypatch):
    monkeypatch.setenv("TERM", term)
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        assert terminal_width() == width


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4), st.integers(min_value=8, max_value=60))
@settings(max_examples=200, deadline=None)
def test_whatever_the_names_nothing_of_them_is_lost(names, width):
    text = table([Column("name", names), Column("n", ["1"] * len(names), number=True)], width)
    assert all(cells_of(line) <= width for line in text.splitlines())
    for name in names:
        assert all(cells_of(line) <= width for line in wrapped(printable(name), width))
        assert solid("".join(wrapped(printable(name), width, "  "))) == solid(printable(name))


@pytest.mark.parametrize("terminal", [True, False])
def test_sentences_are_broken_between_words_on_a_terminal_alone(terminal, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    text = "note: no row frozen: what made the features is not known, so nothing relates them to words"
    show.notes([text.removeprefix("note: ")])
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(line.strip() for line in lines) == text
    assert len(lines) == (3 if terminal else 1) and (not terminal or max(map(len, lines)) <= 40)


def test_ascii_terminals_get_dashes(monkeypatch):
    monkeypatch.setattr("sys.stdout", type("Ascii", (), {"encoding": "ascii"})())
    assert show.plain("──  –") == "--  -"
