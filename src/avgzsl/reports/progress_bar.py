"""Progress as bars, for any call that takes `progress=`: on a terminal and in a notebook.

train("features", out="run", progress=ProgressBar())
"""

import importlib
import sys
import time
import weakref
from collections.abc import Callable
from html import escape
from statistics import fmean
from types import TracebackType
from typing import Any, Protocol

from avgzsl.reports.terminal_table import cells_of
from avgzsl.support.progress import Step

CELLS = "cells"  # the task of a benchmark: its steps have the method as `item` and, of a cell that is whole, its HM
_SECONDS = 0.1  # between two drawings
_HEAD = ("method", "cells", "failed", "mean HM (%)")
_BAR, _LEAST_BAR = 40, 8  # cells of a terminal: of a bar, and of the least that shows anything
_FIGURES: dict[str, Callable[[float], str]] = {  # those that are shown, in this order
    "loss": lambda value: f"loss {value:.4f}",
    "HM": lambda value: f"HM {100 * value:.1f} %",
    "val_HM": lambda value: f"validation HM {100 * value:.1f} %",
    "clips/s": lambda value: f"{value:.1f} clips/s",
}


class ProgressBar:
    """One bar a task, with the time left, the failed, and the figures of a step: loss, HM, val_HM, clips/s.

    The cells of a benchmark have a table, too, of the mean HM of each method. Bars are drawn on stderr, in a notebook
    below the cell, and nothing is drawn before the first step. They end, on a line of their own, when all that was
    begun is done, when the `with` ends, or when nobody holds the bar any more; the next step draws new ones.
    """

    def __init__(self) -> None:
        self._drawing: _Drawing | None = None
        self._end: Callable[[], object] = lambda: None

    def __call__(self, step: Step, /) -> None:
        """Draw a step."""
        if self._drawing is None:
            self._drawing = _Notebook() if _in_notebook() else _Terminal()
            self._end = weakref.finalize(self, self._drawing.end)
        self._drawing.draw(step)
        if self._drawing.steps.all_done():
            self.close()

    def close(self) -> None:
        """Draw the bars as they are for the last time."""
        self._end()
        self._drawing, self._end = None, lambda: None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: object, traceback: TracebackType | None) -> None:
        self.close()


class _Steps:
    """The last step of each task, with the figures that stood in any of its steps, and the cells of each method."""

    def __init__(self) -> None:
        self.last: dict[str, Step] = {}
        self.figures: dict[str, dict[str, float]] = {}
        self.cells: dict[str, list[float]] = {}
        self.failed: dict[str, int] = {}

    def take(self, step: Step) -> None:
        before = self.last.get(step.task)
        if step.task == CELLS and step.item:
            hms, failed = self.cells.setdefault(step.item, []), step.failed - (before.failed if before else 0)
            if "HM" in step.figures:
                hms.append(step.figures["HM"])
            self.failed[step.item] = self.failed.get(step.item, 0) + failed
        else:
            self.figures[step.task] = {**self.figures.get(step.task, {}), **step.figures}
        self.last[step.task] = step

    def all_done(self) -> bool:
        return all(_is_done(step) for step in self.last.values())

    def state(self, task: str, left: float | None, width: int | None = None) -> str:
        """The text behind a bar: figures, the time left, and how many failed; of these the last that fit a width."""
        step, figures = self.last[task], self.figures.get(task, {})
        parts = [shown(figures[name]) for name, shown in _FIGURES.items() if name in figures]
        if left is not None and not _is_done(step):
            parts.append(f"{_clock(left)} left")
        if step.failed:
            parts.append(f"{step.failed} failed")
        while parts and width is not None and len("  ".join(parts)) > width:
            parts = parts[1:]
        return "  ".join(parts)

    def count(self, task: str) -> str:
        """How many units of how many are done."""
        step = self.last[task]
        return f"{step.done}/{'?' if step.total is None else step.total}"

    def table(self) -> list[tuple[str, str, str, str]]:
        """The table of a benchmark: of each method, its name, finished cells, failed cells and mean HM in %."""
        means = {method: f"{100 * fmean(hms):.1f}" if hms else "–" for method, hms in self.cells.items()}
        return [(m, str(len(hms)), str(self.failed[m]), means[m]) for m, hms in self.cells.items()]


class _Drawing(Protocol):
    steps: _Steps

    def draw(self, step: Step) -> None: ...

    def end(self) -> None: ...


class _Terminal:
    """Bars of rich, redrawn when a step comes, and by no thread: a bar that nobody ended leaves the terminal alone.

    A line is as wide as the terminal at most: the task and how much of it is done have room first, then the last parts
    of the state, then the bar.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import Progress

        self.steps, self._drawn = _Steps(), -1.0
        self._tasks: dict[str, Any] = {}
        self._bars = Progress()  # never shown itself: it estimates the time left
        self._live = Live(console=Console(stderr=True), auto_refresh=False)

    def draw(self, step: Step) -> None:
        self.steps.take(step)
        if step.task not in self._tasks:
            self._tasks[step.task] = self._bars.add_task(step.task, total=step.total)
        self._bars.update(self._tasks[step.task], completed=step.done, total=step.total)
        if not self._live.is_started:
            self._live.start()
            self._live.console.show_cursor(True)
        if self._drawn < 0 or time.monotonic() - self._drawn >= _SECONDS:
            self._live.update(self._shown(), refresh=True)
            self._drawn = time.monotonic()

    def end(self) -> None:
        """Whatever comes next begins on a line of its own, also where stderr is no terminal."""
        if self._live.is_started:
            self._live.update(self._shown())
            self._live.stop()
            if not self._live.console.is_terminal:
                self._live.console.line()

    def _shown(self) -> Any:
        from rich.console import Group

        return Group(*([self._cells()] if self.steps.cells else []), self._lines())

    def _cells(self) -> Any:
        from rich.table import Table

        table = Table()
        for head in _HEAD:
            table.add_column(head, overflow="fold")  # a name that is cut would tell no methods apart
        for row in self.steps.table():
            table.add_row(*row)
        return table

    def _lines(self) -> Any:
        from rich.progress import BarColumn
        from rich.table import Table
        from rich.text import Text

        counts = {task: self.steps.count(task) for task in self._tasks}
        width = self._live.console.width - max(map(len, counts.values())) - 1
        name = min(max(map(cells_of, counts)), max(width - 1, 1))
        rest = width - name - 1
        states = {task: self.steps.state(task, self._left(task), rest - 1) for task in counts}
        bar = min(_BAR, rest - 1 - max(map(len, states.values())) - 1)
        lines = Table.grid(padding=(0, 1))
        lines.add_column(width=name, no_wrap=True, overflow="ellipsis")
        for task, count in counts.items():
            bars = [] if bar < _LEAST_BAR else [BarColumn(bar).render(self._bars.tasks[self._tasks[task]])]
            lines.add_row(Text(task), *bars, Text(count, "progress.download", justify="right"), Text(states[task]))
        return lines

    def _left(self, task: str) -> float | None:
        """Seconds to its end: what its step says, else an estimate."""
        step, estimate = self.steps.last[task], self._bars.tasks[self._tasks[task]].time_remaining
        return float(estimate) if step.left is None and estimate is not None else step.left


class _Notebook:
    """Bars of HTML below the cell that runs."""

    def __init__(self) -> None:
        self.steps, self._drawn, self._begun = _Steps(), -1.0, time.monotonic()
        self._display: Any = importlib.import_module("IPython.display")
        self._handle: Any = None

    def draw(self, step: Step) -> None:
        self.steps.take(step)
        if self._handle is None:
            self._handle = self._display.display(self._html(), display_id=True)
        elif time.monotonic() - self._drawn >= _SECONDS:
            self._handle.update(self._html())
        else:
            return
        self._drawn = time.monotonic()

    def end(self) -> None:
        if self._handle is not None:
            self._handle.update(self._html())

    def _html(self) -> Any:
        bars = []
        for task, step in self.steps.last.items():
            most = "" if step.total is None else f' value="{step.done}" max="{step.total}"'
            text = f"{self.steps.count(task)}  {self.steps.state(task, step.left)}"
            bars.append(f"<div>{escape(task)} <progress{most}></progress> {escape(text)}</div>")
        rows = [_HEAD, *self.steps.table()]
        cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
        table = "".join(f"<tr>{row}</tr>" for row in cells) if len(rows) > 1 else ""
        return self._display.HTML((f"<table>{table}</table>" if table else "") + "".join(bars))


def _in_notebook() -> bool:
    """Whether this runs in a notebook: unlike there, IPython on a terminal has no kernel."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _is_done(step: Step) -> bool:
    return step.total is not None and step.done >= step.total


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
