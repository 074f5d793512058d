"""Bars for any call: what they show, when they begin and end, on a terminal, in a file and in a notebook."""

import gc
import io
import sys
from types import SimpleNamespace

import pytest

from avgzsl.reports import progress_bar
from avgzsl.reports.progress_bar import ProgressBar
from avgzsl.reports.terminal_table import cells_of
from avgzsl.support.progress import Step


def as_terminal(monkeypatch) -> io.StringIO:
    """A terminal of 100 columns on stderr. No fixture: pytest sets stderr anew after these."""
    written = io.StringIO()
    written.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress_bar, "_SECONDS", 0.0)
    return written


def test_nothing_is_shown_before_the_first_step(capsys):
    with pytest.raises(ValueError, match="early"), ProgressBar():
        raise ValueError("early")
    assert capsys.readouterr() == ("", "")


def test_in_a_file_the_last_state_stands_once_and_ends_its_line(capsys):
    with ProgressBar() as progress:
        for done in range(1, 4):
            progress(Step("extract", done, 4, left=61.0, failed=2, figures={"clips/s": 3.25}))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("extract") == 1 and err.endswith("\n")
    assert "3/4" in err and "3.2 clips/s  0:01:01 left  2 failed" in err


def test_a_training_keeps_its_last_validation_hm(capsys):
    with ProgressBar() as progress:
        progress(Step("train", 1, 3, left=9.0, figures={"loss": 0.5, "val_HM": 0.123}))
        progress(Step("train", 2, 3, left=4.0, figures={"loss": 0.25, "step_size": 0.1}))
    assert "loss 0.2500  validation HM 12.3 %  0:00:04 left" in capsys.readouterr().err


def test_all_done_ends_the_bars_and_the_next_step_begins_new_ones(capsys):
    progress = ProgressBar()
    progress(Step("train stage-1", 1, 2))
    progress(Step("train stage-1", 2, 2))
    first = capsys.readouterr().err
    assert "2/2" in first and first.endswith("\n")
    progress(Step("train stage-2", 1, 2))
    assert capsys.readouterr().err == ""
    progress.close()
    second = capsys.readouterr().err
    assert "train stage-2" in second and "stage-1" not in second


def test_a_bar_that_nobody_holds_any_more_ends(capsys):
    ProgressBar()(Step("index", 1, 2))
    gc.collect()
    said = capsys.readouterr().err
    assert "1/2" in said and said.endswith("\n")


def test_cells_have_a_table_of_mean_hm(capsys):
    with ProgressBar() as progress:
        progress(Step("cells", 1, 9, item="avgzslnet", figures={"HM": 0.2}))
        progress(Step("cells", 2, 9, item="avgzslnet", figures={"HM": 0.3}))
        progress(Step("cells", 3, 9, item="devise", failed=1))
        progress(Step("cells", 4, 9, item="avgzslnet", failed=2))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().err.splitlines()]
    assert ["avgzslnet", "2", "1", "25.0"] in rows
    assert ["devise", "0", "1", "–"] in rows


def test_on_a_terminal_it_is_drawn_at_every_step_and_the_cursor_stays(monkeypatch):
    terminal = as_terminal(monkeypatch)
    progress = ProgressBar()
    progress(Step("count", 1, None))
    assert "1/?" in terminal.getvalue()
    progress(Step("count", 2, 4))
    assert "2/4" in terminal.getvalue()
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")
    print("a result", file=sys.stderr)  # above the bar, which is drawn again below it
    progress.close()
    shown = terminal.getvalue()
    assert shown.index("a result") < shown.rindex("2/4") and shown.replace("\x1b[?25h", "").endswith("\n")
    assert sys.stderr is terminal


def test_names_are_no_markup(capsys):
    with ProgressBar() as progress:
        progress(Step("[red]x[/nothing]", 1, 2))
    assert "[red]x[/nothing]" in capsys.readouterr().err


def test_in_a_notebook_one_display_is_updated(monkeypatch, capsys):
    shown = []
    handle = SimpleNamespace(update=shown.append)
    display = SimpleNamespace(HTML=str, display=lambda html, display_id: (shown.append(html), handle)[1])
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(progress_bar, "_SECONDS", 0.0)
    progress = ProgressBar()
    progress(Step("a < b", 1, 2, figures={"loss": 1.0}))
    progress(Step("cells", 1, 1, item="avgzslnet", figures={"HM": 0.5}))
    progress(Step("a < b", 2, 2))
    assert len(shown) == 4  # three steps, and the end
    assert '<div>a &lt; b <progress value="2" max="2"></progress> 2/2  loss 1.0000</div>' in shown[-1]
    assert "<td>avgzslnet</td><td>1</td><td>0</td><td>50.0</td>" in shown[-1]
    assert capsys.readouterr() == ("", "")
    del shell.kernel  # IPython on a terminal
    with ProgressBar() as progress:
        progress(Step("index", 1, 2))
    assert len(shown) == 4 and "index" in capsys.readouterr().err


@pytest.mark.parametrize("width", [5, 40, 80])
def test_bars_fit_the_width_and_figures_go_before_counts_and_times(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    with ProgressBar() as progress:
        progress(Step("networks", 30, 50, left=61.0, figures={"loss": 0.5018, "val_HM": 0.989}))
        progress(Step("cells", 1, 9, item="avgzslnet-with-attention", figures={"HM": 0.2}))
    lines = capsys.readouterr().err.splitlines()
    assert all(cells_of(line) <= width for line in lines)
    if width >= 40:
        (bar,) = [line for line in lines if line.startswith("networks")]
        assert "━" in bar and ("loss 0.5018  validation HM 98.9 %" in bar) == (width == 80)
        assert bar.rstrip().endswith("0:01:01 left") and " 30/50 " in bar
        assert "".join(line.split("│")[1].strip() for line in lines if "│" in line) == "avgzslnet-with-attention"
