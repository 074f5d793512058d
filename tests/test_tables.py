"""Tables and figures for a paper: right in every form, generated data called so, no spread where there is none."""

import csv
import io
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from avgzsl.cli import app, show
from avgzsl.data.clips import ClassTable, Dataset
from avgzsl.experiments.cells import Cell, Comparison, Result
from avgzsl.reports.benchmark_report import write_benchmark
from avgzsl.reports.comparison import as_csv, as_sheet, measured_lines
from avgzsl.reports.entries import default_opponent
from avgzsl.reports.per_class import best_but, gain_sentence, per_class, per_class_csv
from avgzsl.reports.published import TABLES
from avgzsl.reports.rankings import rankings
from avgzsl.reports.sheet import Sheet, as_latex, as_markdown, drawn
from avgzsl.reports.significance import cannot_compare, critical_difference
from avgzsl.reports.summary import counted, summary_csv, summary_markdown, summary_sheets
from avgzsl.reports.tables import markdown
from tests.latex_reader import check, read_table
from tests.small_set import write_set

CLASSES = tuple(f"class {i}" for i in range(8))
MADE_UP = "Made up: every clip (test, seed 0)."


def dataset(split: str = "s1", unseen: tuple[int, ...] = (6, 7), generated: str = "") -> Dataset:
    seen = torch.tensor([i not in unseen for i in range(8)])
    table = ClassTable(CLASSES, torch.eye(8), seen)
    return replace(Dataset.of(table, {}), class_split=split, source="/somewhere/things", generated=generated)


def result(label: str, split: str, seed: int, level: float, gains: dict[str, float] | None = None) -> Result:
    """A cell whose HM and accuracies are about `level`."""
    accuracies = {name: level + (gains or {}).get(name, 0.0) for name in CLASSES}
    shares = {"S": level, "U": level, "HM": level, "ZSL": level, "AUSUC": None, "clips": 10, "per_class": accuracies}
    fixed = {"modality": "both", "fusion": "equal", "calibration": "val", "gamma": 0.1, "stretch": None}
    rows = [
        {"task": "classification", "retrieval": None, **fixed, **shares},
        {"task": "retrieval", "retrieval": "plain", **fixed, **shares, "ZSL": None},
    ]
    cell = Cell(label, {}, split, seed, "val", "f" * 64, "c" * 16)
    return Result(label, cell, rows)


def grid(methods: dict[str, list[float]], splits=("s1",)) -> list[Result]:
    """Of each method the levels of its seeds, in every split a tenth of a point more."""
    return [
        result(label, split, seed, level + 0.001 * place)
        for label, levels in methods.items()
        for place, split in enumerate(splits)
        for seed, level in enumerate(levels)
    ]


# forms


@given(st.lists(st.text(max_size=12), min_size=3, max_size=3), st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_whatever_the_text_latex_takes_it(cells, note):
    sheet = Sheet(cells[0] or "t", ("a_b", "50 %", "S & U"), [tuple(cells), ("[1]", "x\\\\", "$")], note, "some-table")
    assert len(read_table(as_latex(sheet))) == 3


def test_latex_says_what_the_sheet_says():
    lines = [("a_b & c", "both (50 %)", "41.2 ± –"), ("[x] → é~^\\", "T→A", "-1.5 [–]")]
    text = as_latex(Sheet("HM of #1", ("method", "test", "HM"), lines, "See α & <b>.", "hm", 2))
    assert read_table(text) == [
        ["method", "test", "HM"],
        [r"a\_b \& c", r"both (50 \%)", r"41.2 $\pm$ --"],
        [r"{}[x] $\to$ \'{e}\textasciitilde{}\textasciicircum{}\textbackslash{}", r"T$\to$A", "-1.5 [--]"],
    ]
    assert r"\caption{HM of \#1}" in text and r"\label{tab:hm}" in text and r"\begin{tabular}{llr}" in text
    assert r"{\footnotesize See U+03B1 \& \textless{}b\textgreater{}.}" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")


@pytest.mark.parametrize("broken", ["50 % of", r"\foo", "a_b", "a & b", "{", "$x", "é", r"\begin{table}"])
def test_the_reader_of_latex_is_strict(broken):
    with pytest.raises(AssertionError):
        check(broken)


def test_a_table_is_drawn_within_the_terminal_and_loses_nothing():
    header = ("method", "test", *(f"figure {i}" for i in range(9)), "HM paired with another one [95 %]")
    lines = [(f"method {i}", "both (eq wt)", *(f"{i}{j}.0 ± 0.1" for j in range(9)), f"+{i}.0 [–]") for i in range(3)]
    sheet = Sheet("A title", header, lines, "A caption that is longer than the terminal is wide. " * 3)
    for width in (80, 100, 300):
        tables = drawn(sheet, width)
        text = "\n".join(tables)
        assert max(map(len, text.splitlines())) <= width
        assert (len(tables) == 1) == (width == 300)
        assert all(cell in text for line in lines for cell in line)
        assert all(" ".join(word) in " ".join(text.split()) for word in zip(sheet.caption.split()[:3]))


def test_a_terminal_and_a_pipe_get_the_same_drawing(monkeypatch, capsys):
    sheet = Sheet("A title", ("method", "HM"), [("one", "1.0")], "Notes.", texts=1)
    for terminal in (True, False):
        monkeypatch.setattr("sys.stdout.isatty", lambda terminal=terminal: terminal)
        show.sheets([sheet])
        printed = capsys.readouterr().out
        assert printed.splitlines()[:4] == ["A title", "method   HM", "──────  ───", "one     1.0"]
        assert "Notes." in printed and "|" not in printed


# no spread where there is none


def test_one_class_split_and_a_method_without_chance_have_no_spread():
    methods = {"fixed": [0.4, 0.4], "other": [0.5, 0.5], "drawn": [0.3, 0.5]}
    text = summary_markdown(grid(methods), "val", "fixed")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.split("**Retrieval")[0].splitlines()}
    assert "| 40.0 ± – | 40.0 ± – | 40.0 ± – | 40.0 ± – | – | – |" in rows["fixed"]
    assert rows["other"].endswith("| +10.0 [–] |")
    assert "40.0 ± 14.1" in rows["drawn"] and re.search(r"\| \+0\.0 \[-10\.0, \+10\.0\] \|$", rows["drawn"])
    assert "± 0.0" not in text and "nan" not in text
    assert "1 class split, 2 seeds" in text
    one = summary_markdown(grid({"fixed": [0.4], "other": [0.5]}), "val", "fixed")
    assert "50.0 ± –" in one and "+10.0 [–]" in one and "± 0" not in one
    several = summary_markdown(grid(methods, ("s1", "s2")), "val", "fixed")
    assert "40.0 ± 0.1" in several and "+10.0 [+10.0, +10.0]" in several and "2 class splits, 2 seeds" in several


def test_the_csv_of_a_summary_has_the_numbers_and_nothing_for_what_is_not_there():
    rows = list(csv.DictReader(io.StringIO(summary_csv(grid({"fixed": [0.4, 0.4], "drawn": [0.3, 0.5]}), "fixed"))))
    by_line = {(row["task"], row["method"]): row for row in rows}
    fixed, other = by_line["classification", "fixed"], by_line["classification", "drawn"]
    assert (fixed["HM"], fixed["HM_sd"], fixed["AUSUC"], fixed["HM_gain"]) == ("40.00", "", "", "")
    assert (other["HM_sd"], other["HM_gain"], other["HM_gain_low"]) == ("14.14", "0.00", "-10.00")
    assert by_line["retrieval", "drawn"]["HM_gain"] == ""


def test_counted():
    assert [counted(1, "seed"), counted(2, "seed"), counted(0, "class")] == ["1 seed", "2 seeds", "0 classes"]


# generated data


def test_every_caption_says_that_data_are_generated(tmp_path):
    results = grid({"fixed": [0.4], "other": [0.5]}, ("s1", "s2"))
    for made_up in (MADE_UP, ""):
        out = tmp_path / (made_up[:4] or "real")
        out.mkdir()
        data = {split: dataset(split, generated=made_up) for split in ("s1", "s2")}
        files, _ = write_benchmark(out, Comparison(tuple(results)), data, "val", "fixed")
        said = [sheet.title + sheet.caption for sheet in summary_sheets(results, "val", "fixed", made_up)]
        table = as_sheet(TABLES["table1"], measured_lines(TABLES["table1"], results), "table1", made_up)
        said += [table.title + table.caption, markdown(results[0].rows, "m", made_up)]
        said += re.findall(r"\\caption\{.*\}", (out / "summary.tex").read_text())
        said += re.findall(r"\\caption\{.*\}", (out / "figures.tex").read_text())
        page = (out / "report.html").read_text()
        said += re.findall("<figcaption>(.*?)</figcaption>", page)
        said += re.findall("<h1>(.*?)</h1>", page) + re.findall('class="caption">(.*?)</p>', page)
        assert len(said) == 13
        assert [("enerated" in one) for one in said] == [bool(made_up)] * 13
        assert all(file.is_file() for file in files)


# ranks


def test_critical_differences_go_on_where_the_published_table_ends():
    for k, q in {11: 3.219, 12: 3.268, 15: 3.391, 20: 3.544}.items():  # of longer tables than Demsar's
        assert critical_difference(k, 30) == pytest.approx(q * (k * (k + 1) / 180) ** 0.5, rel=3e-4)
    assert critical_difference(60, 30) > critical_difference(50, 30)


def test_it_is_said_when_methods_cannot_be_ranked():
    assert cannot_compare(33, 2) is None and cannot_compare(5, 3) is None
    assert cannot_compare(33, 1) == "1 method cannot be ranked; it takes two"
    assert cannot_compare(1, 3, "class splits") == "one of the class splits cannot rank methods; it takes two"
    why = cannot_compare(2, 5, "class splits")
    assert why.startswith("2 class splits cannot tell 5 methods apart: mean ranks would have to differ by 4.3")
    assert critical_difference(5, 2) > 4  # no two mean ranks can be so far apart


def test_methods_are_ranked_over_classes_and_over_class_splits():
    splits = tuple(f"s{i}" for i in range(12))
    results = grid({"a": [0.4], "b": [0.5], "c": [0.6]}, splits)
    by_class, by_split = rankings(results, per_class(results, {split: dataset(split) for split in splits}))
    assert by_class.comparison.n == 8 and by_split.comparison.n == 12
    assert by_split.comparison.mean_ranks == (3.0, 2.0, 1.0)
    assert "Over 12 class splits, c has the best mean rank" in by_split.comparison.sentence()
    assert "class splits share their clips" in by_split.comparison.sentence()


# class by class


def test_classes_are_compared_by_the_role_they_have():
    data = {"s1": dataset("s1", (6, 7)), "s2": dataset("s2", (0, 7))}
    results = grid({"a": [0.4]}, ("s1", "s2"))
    results += [result("b", split, 0, 0.4, {"class 0": 0.2, "class 3": -0.1}) for split in ("s1", "s2")]
    alone = result("audio", "s1", 0, 0.9)
    alone.rows[0].update(modality="audio", fusion=None)
    table = per_class([*results, alone], data)
    assert table.methods == ("a", "b") and table.left_out == ("audio",)
    assert len(table.classes) == 10 and table.classes.count("class 0") == 2 and table.classes.count("class 7") == 1
    rows = list(csv.DictReader(io.StringIO(per_class_csv(table, "a"))))
    gain = {(row["class"], row["role"]): float(row["b over a"]) for row in rows}
    assert gain["class 0", "seen"] == 20.0 and gain["class 3", "seen"] == -10.05  # less what a gained in the second
    assert gain["class 0", "unseen"] == pytest.approx(19.9)
    assert best_but(table, "a") == "b" and best_but(table, "c") is None
    said = gain_sentence(table, "b", "a")
    assert said.startswith("b gains on 2 classes over a, loses on") and "Most: class 0 (+20.0)" in said
    assert "least: class 3 (-10.1)" in said or "least: class 3 (-10.0)" in said


def test_methods_are_paired_with_the_default_one_or_with_the_first():
    assert default_opponent(["eszsl", "avgzslnet"]) == "avgzslnet"
    assert default_opponent(["eszsl", "sje"]) == "eszsl"


def test_a_benchmark_leaves_the_same_files_each_time_and_says_what_cannot_be(tmp_path):
    results = grid({"fixed": [0.4, 0.4], "other": [0.5, 0.5], "drawn": [0.3, 0.45]})
    failed = Result("broken", results[0].cell, [], "it <broke>")
    comparison, data = Comparison((*results, failed)), {"s1": dataset()}
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files, missing = write_benchmark(tmp_path / name, comparison, data, "val", "fixed", about=["mind this"])
        made.append({file.name: file.read_bytes() for file in files})
    assert made[0] == made[1]
    assert {name.rpartition(".")[2] for name in made[0]} == {"md", "csv", "tex", "json", "pdf", "png", "svg", "html"}
    assert missing == [
        "no critical difference over class splits: one of the class splits cannot rank methods; it takes two"
    ]
    one_sided = Result("sound", results[0].cell, [dict(results[0].rows[0], modality="audio", fusion=None)], None)
    beside = Comparison((results[0], one_sided))
    _, missing = write_benchmark(tmp_path / "two", beside, data, "val", "fixed")
    assert "1 method cannot be ranked; it takes two (not tested on both: sound)" in missing[0]
    page = made[0]["report.html"].decode()
    assert "Failed: broken, s1, seed 0: it &lt;broke&gt;." in page and "Mind this." in page
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)  # it needs nothing else
    tables = made[0]["summary.tex"].decode().split("\\begin{table}")[1:]
    assert [len(read_table("\\begin{table}" + table)) for table in tables] == [4, 4]
    check(made[0]["figures.tex"].decode())
    assert all(name in made[0] for name in re.findall(r"\{([\w-]+\.pdf)\}", made[0]["figures.tex"].decode()))


def test_a_table_of_the_paper_in_all_forms():
    results = grid({"avgzslnet": [0.4, 0.4]})
    lines = measured_lines(TABLES["table1"], results)
    sheet = as_sheet(TABLES["table1"], lines, "table1")
    rows = read_table(as_latex(sheet))
    assert rows[0][2:] == ["S", "U", "HM", "S published", "U published", "HM published"]
    (own,) = [row for row in rows if row[0] == "AVGZSLNet (eq wt)"]
    assert (own[2:5] == [r"40.00 $\pm$ --"] * 3 and own[5] == "54.76") or float(own[5]) > 0
    assert as_csv(TABLES["table1"], lines).splitlines()[0].startswith("model,modality,S,U,HM,S_sd")
    assert "nan" not in as_markdown(sheet) + as_csv(TABLES["table1"], lines)


def test_the_command_draws_tables_names_its_files_and_says_what_to_cite(tmp_path):
    data = write_set(tmp_path / "set")
    arguments = ["--methods", "least-squares,exemplars", "--seeds", "1", "--no-baselines", "--processes", "1", "--cite"]
    done = CliRunner().invoke(app, ["benchmark", str(data), "--out", str(tmp_path / "out"), *arguments])
    assert done.exit_code == 0, done.output
    assert re.search(r"^exemplars +both \(eq wt\) +\d", done.stdout, re.M) and "± –" in done.stdout
    named = re.findall(r"^  (/.*)$", done.stdout, re.M)
    assert {"summary.tex", "summary.csv", "per-class.csv", "report.html"} <= {name.rpartition("/")[2] for name in named}
    assert done.stdout.rstrip().endswith("}") and "@inproceedings{exemplars," in done.stdout
    assert "% set is no data set that is known here" in done.stdout
