"""What a person reads: that it says what the numbers say, and that a failure leaves nothing half written."""

import itertools
import re
import sys

import matplotlib
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from avgzsl.errors import AvgzslError, ConfigError
from avgzsl.reports import per_class_chart as chart
from avgzsl.reports.per_class_chart import per_class_chart
from avgzsl.reports.plots import seen_unseen_curve
from avgzsl.reports.predictions import write_predictions
from avgzsl.reports.tables import markdown, render, sheets
from avgzsl.scores import scoring
from avgzsl.scores.metrics import ausuc

ROWS = [
    {"task": "classification", "modality": "audio", "fusion": None, "calibration": "validation", "gamma": -0.12345678,
     "S": 0.3329, "U": 0.2043, "HM": 0.2532, "ZSL": 0.31, "AUSUC": 0.0712, "clips": 31280, "per_class": {"dog": 0.5}},
    {"task": "classification", "modality": "both", "fusion": "equal", "calibration": "validation", "gamma": 0.5,
     "S": 0.4604, "U": 0.338, "HM": 0.3898, "ZSL": None, "AUSUC": float("nan"), "clips": None, "per_class": {}},
    {"task": "classification", "modality": "both", "fusion": "attention", "calibration": "oracle", "gamma": 1.0,
     "S": 0.5096, "U": 0.3273, "HM": 0.3986, "ZSL": 0.0, "AUSUC": 1.0, "clips": 7, "per_class": {}},
    {"task": "classification", "modality": "video", "fusion": "equal", "calibration": "none", "gamma": None,
     "S": 0.1, "U": 0.2, "HM": 0.1333, "ZSL": 0.3, "AUSUC": 0.1, "clips": 7, "per_class": {}},
    {"task": "retrieval", "modality": "audio", "fusion": None, "calibration": "validation", "gamma": None,
     "S": 0.5155, "U": 0.0385, "HM": 0.0717, "ZSL": None, "AUSUC": None, "clips": 31280, "per_class": {}},
    {"task": "retrieval", "modality": "video", "fusion": None, "calibration": "validation", "gamma": None,
     "S": 0.622, "U": 0.0639, "HM": 0.116, "ZSL": None, "AUSUC": None, "clips": 31280, "per_class": {}},
    {"task": "retrieval", "modality": "both", "fusion": "attention", "calibration": "validation", "gamma": None,
     "S": 0.6894, "U": None, "HM": None, "ZSL": None, "AUSUC": None, "clips": 31280, "per_class": {}},
]  # fmt: skip


def printed(rows, method="AVGZSLNet"):
    return "".join(render(rows, method, width=160))


# tables


def test_markdown_is_the_papers_tables():
    assert markdown([ROWS[0], ROWS[1], *ROWS[4:]], "AVGZSLNet") == (
        "**Table 1: classification, mean class accuracy (%)**\n\n"
        "| model | test | S | U | HM | ZSL | AUSUC | gamma | clips |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| AVGZSLNet | audio | 33.29 | 20.43 | 25.32 | 31.00 | 7.12 | -0.1235 | 31,280 |\n"
        "| AVGZSLNet (eq wt) | both | 46.04 | 33.80 | 38.98 | – | – | 0.5 | – |\n\n"
        "Calibration: validation; gamma is taken off the scores of seen classes.\n\n"
        "**Table 2: retrieval by class name, mAP (%)**\n\n"
        "| model | test | S | U | HM | clips |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
        "| AVGZSLNet | T→A | 51.55 | 3.85 | 7.17 | 31,280 |\n"
        "| AVGZSLNet | T→V | 62.20 | 6.39 | 11.60 | 31,280 |\n"
        "| AVGZSLNet (w/ attn) | T→AV | 68.94 | – | – | 31,280 |\n\n"
        "Every class name is a query over all clips, seen and unseen; no seen-class penalty.\n"
    )


def test_the_terminal_shows_the_same_cells_as_markdown():
    text = printed(ROWS)
    for line in markdown(ROWS, "AVGZSLNet").splitlines():
        if line.startswith("| ") and "---" not in line:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            shown = [re.split("  +", row.strip()) for row in text.splitlines()]
            assert any(all(cell in row for cell in cells) for row in shown), line
        elif line and "---" not in line:
            assert all(word in text for word in line.strip("*").split())


def test_each_calibration_has_its_own_table_and_the_oracle_is_an_upper_bound():
    captions = [sheet.caption for sheet in sheets(ROWS, "m")]
    assert len(captions) == 4
    assert [("upper bound" in caption) for caption in captions] == [False, True, False, False]
    assert "oracle" in captions[1]
    assert captions[2].startswith("Calibration: none")
    assert [len(sheet.lines) for sheet in sheets(ROWS, "m")] == [2, 1, 1, 3]
    assert all(caption in " ".join(part.split()) for caption, part in zip(captions, render(ROWS, "m"), strict=True))
    assert "upper bound" in markdown(ROWS, "m")


def test_a_fusion_is_named_for_both_modalities_only():
    lines = markdown(ROWS, "m").splitlines()
    assert sum("(eq wt)" in line for line in lines) == 1
    assert any(line.startswith("| m | video | 10.00") for line in lines)


def test_names_are_not_read_as_markup():
    assert "[red]a|b[/red]" in printed(ROWS[:1], "[red]a|b[/red]")
    assert r"a\|b" in markdown(ROWS[:1], "a|b")


def test_no_rows_give_no_tables():
    assert render([], "m") == []
    assert markdown([], "m") == ""


# one row per clip

IDS = np.array(["a.mp4", 'b "x", y.mp4', "ü.mp4"])
NAMES = ("dog", "church-bell", "cat, big")


def predictions_case(dtype=torch.float32):
    scores = torch.tensor([[-1.0, -2.0, -3.0], [-5.0, -4.5, -6.0], [0.1, 0.2, 0.3]], dtype=dtype)
    return scoring.top(scores, torch.tensor([True, True, False]), 1.0, 2)


@pytest.mark.parametrize("ending", [".csv", ".CSV", ".parquet"])
def test_predictions_come_back_as_they_were_written(tmp_path, ending):
    classes, scores = predictions_case()
    path = tmp_path / f"deep/predictions{ending}"
    write_predictions(path, IDS, NAMES, torch.tensor([0, 2, 1]), classes, scores)
    read = pyarrow.parquet.read_table if ending == ".parquet" else pyarrow.csv.read_csv
    table = read(path)
    assert table.column_names == ["id", "label", "prediction", "top1", "top1_score", "top2", "top2_score"]
    columns = table.to_pydict()
    assert columns["id"] == IDS.tolist()
    assert columns["label"] == ["dog", "cat, big", "church-bell"]
    assert columns["prediction"] == columns["top1"] == ["dog", "church-bell", "cat, big"]
    assert columns["top2"] == ["cat, big", "cat, big", "church-bell"]
    assert columns["top1_score"] == scores[:, 0].tolist()
    assert columns["top2_score"] == scores[:, 1].tolist()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_predictions_of_no_clips_have_a_header(tmp_path):
    path = tmp_path / "none.csv"
    nothing = torch.zeros(0, 1, dtype=torch.int64)
    write_predictions(path, IDS[:0], NAMES, nothing[:, 0], nothing, torch.zeros(0, 1))
    assert path.read_text().replace('"', "").strip() == "id,label,prediction,top1,top1_score"


def test_another_ending_is_refused_before_anything_is_written(tmp_path):
    classes, scores = predictions_case()
    with pytest.raises(ConfigError, match=r"p\.xlsx.*\.csv or \.parquet"):
        write_predictions(tmp_path / "p.xlsx", IDS, NAMES, torch.tensor([0, 2, 1]), classes, scores)
    with pytest.raises(ConfigError, match=r"p\.gif.*\.png, \.svg or \.pdf"):
        per_class_chart(tmp_path / "p.gif", *chart_case(2), "title")
    assert list(tmp_path.iterdir()) == []


def test_parquet_names_its_extra_and_csv_needs_none(tmp_path, monkeypatch):
    classes, scores = predictions_case()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"avgzsl\[parquet\]"):
        write_predictions(tmp_path / "p.parquet", IDS, NAMES, torch.tensor([0, 2, 1]), classes, scores)
    write_predictions(tmp_path / "p.csv", IDS, NAMES, torch.tensor([0, 2, 1]), classes, scores)
    assert (tmp_path / "p.csv").read_text().splitlines()[2].startswith('"b ""x"", y.mp4","cat, big","church-bell"')
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_a_write_that_fails_leaves_what_stood_there(tmp_path, monkeypatch):
    classes, scores = predictions_case()
    path = tmp_path / "p.parquet"
    path.write_text("before")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", refuse)
    with pytest.raises(AvgzslError, match="No space left"):
        write_predictions(path, IDS, NAMES, torch.tensor([0, 2, 1]), classes, scores)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


# figures


def chart_case(c):
    generator = torch.Generator().manual_seed(c)
    accuracy = torch.rand(c, generator=generator, dtype=torch.float64)
    accuracy[0] = 0.0
    if c > 3:
        accuracy[2] = torch.nan
    counts = torch.randint(1, 3000, (c,), generator=generator)
    names = [f"class $_{{{i}}} number {i}" for i in range(c)]
    return names, torch.arange(c) % 3 > 0, accuracy, counts


def curve_case(seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(6, (300,), generator=generator)
    scores = torch.rand(300, 6, generator=generator)
    scores[torch.arange(300), labels] += 0.2 + 0.2 * seed
    return scoring.sweep(scores, labels, torch.arange(6) < 4)


@pytest.mark.parametrize("c", [1, 33, 130])
def test_a_chart_is_a_picture_whose_size_grows_with_its_classes(tmp_path, c):
    path = tmp_path / "chart.png"
    per_class_chart(path, *chart_case(c), "per class")
    height, width = imread(path).shape[:2]
    assert width == 945 and 200 < height <= 150 * (2 + 0.3 * c)  # as wide as a page, whatever their number


def test_no_word_of_a_class_is_lost_and_no_two_names_meet(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(chart, "finish", lambda path, figure, *a, **k: kept.append(figure))
    names = [f"{'a name of many words ' * (n % 7)}that ends in flute {n}" for n in range(70)]
    per_class_chart(tmp_path / "c.png", names, torch.arange(70) % 2 > 0, torch.rand(70), torch.ones(70).long(), "t")
    canvas = FigureCanvasAgg(kept[0])
    canvas.draw()
    labels = [label for axes in kept[0].axes for label in axes.get_yticklabels()]
    assert sorted(" ".join(label.get_text().split()) for label in labels) == sorted(f"{name} (1)" for name in names)
    for axes in kept[0].axes:
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in axes.get_yticklabels()]
        assert all(over.y0 >= under.y1 - 1 for over, under in itertools.pairwise(boxes))
        assert min(box.x0 for box in boxes) >= 0


def test_the_chart_says_every_name_number_and_group(tmp_path, monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")  # text stays text
    path = tmp_path / "chart.svg"
    names = ["dog", "a name that is much too long to be shown in full", "nobody $x_", "cat"]
    accuracy = torch.tensor([0.25, 0.5, torch.nan, 1.0])
    per_class_chart(
        path, names, torch.tensor([True, True, True, False]), accuracy, torch.tensor([1234, 5, 0, 9]), "The title"
    )
    text = path.read_text()
    for part in (
        "The title", "dog (1,234)", "a name that is much too long to be shown", "in full (5)", "nobody $x_ (0)",
        "cat (9)", "25.0", "50.0", "100.0", "no clips", "seen classes: mean 37.5 %",
        "unseen classes (in italics): mean 100.0 %", "accuracy (%)", "number of clips",
    ):  # fmt: skip
        assert part in text, part
    assert text.index("cat (9)") < text.index("a name") < text.index("dog (1,234)") < text.index("nobody")
    assert "#0072b2" in text
    assert "#d55e00" in text
    names = [f"class {c}" for c in range(4)]
    per_class_chart(path, names, torch.tensor([True, False, False, False]), torch.ones(4), torch.ones(4).long(), "t")
    assert path.read_text().count("url(#h") - text.count("url(#h") == 2  # the hatch of two more unseen bars


def test_the_curve_says_labels_areas_and_points(tmp_path, monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    curves = {"ours": curve_case(2), "theirs $_": curve_case(0)}
    path = tmp_path / "curve.svg"
    seen_unseen_curve(path, curves, {"ours": (0.25, 0.75)}, "Seen against unseen")
    text = path.read_text()
    area = [f"{100 * ausuc(curve):.1f}" for curve in curves.values()]
    assert f">ours: AUSUC {area[0]} %; chosen S 75.0, U 25.0, HM 37.5 %<" in text
    assert f">theirs $_: AUSUC {area[1]} %<" in text
    assert "unseen classes, mean over classes (%)" in text
    seen_unseen_curve(tmp_path / "curve.png", curves, {}, "t")
    assert imread(tmp_path / "curve.png").shape[1] == 945


def test_a_point_without_a_curve_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no curve for the point of other; curves: ours"):
        seen_unseen_curve(tmp_path / "c.png", {"ours": curve_case(0)}, {"other": (0.1, 0.2)}, "t")
    assert list(tmp_path.iterdir()) == []


def test_drawing_touches_no_global_state_and_is_repeatable(tmp_path):
    before = dict(matplotlib.rcParams)
    for name in ("a.png", "b.png"):
        per_class_chart(tmp_path / name, *chart_case(5), "t")
    assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_table_names_its_models_in_full_on_a_narrow_terminal():
    row = {"task": "classification", "modality": "both", "fusion": "weighted", "calibration": "val", "clips": 11270}
    figures = dict.fromkeys(("S", "U", "HM", "ZSL", "AUSUC"), 1.0)
    rows = [{**row, **figures, "gamma": -0.00630712, "model": name} for name in ("least-squares", "frozen", "mixed")]
    (text,) = render(rows, "avgzslnet", width=80)
    assert "…" not in text and all(name in text for name in ("least-squares", "frozen", "mixed", "100.00", "11,270"))
