"""What was recognised as tables: the nearest classes of one clip, or one row a clip of many."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avgzsl.recognition.answers import Answer
    from avgzsl.recognition.results import Result
    from avgzsl.reports.terminal_table import Column

ADDS = (
    "audio adds, video adds: by how much the sound and the picture bring the clip nearer to this class than to the "
    "average one"
)


def show_clip(result: "Result", answer: "Answer") -> None:
    """Print a clip and its nearest classes: distance, that by each modality, and what each adds to the lead."""
    from avgzsl.cli import show
    from avgzsl.reports.terminal_table import as_typed, fitted, terminal_width, wrapped

    counts = ", ".join(f"{m} {100 * w:.0f} %" for m, w in answer.weights.items() if w is not None)
    print(show.printable(as_typed(result.path)) + (f"  (weight: {counts})" if counts else ""))
    if answer.none_of_these:
        print("none of these; the nearest:")
    columns = class_columns(answer)
    show.table(columns)
    if any(column.head.endswith("adds") for column in fitted(columns, terminal_width())):
        print("\n".join(wrapped(ADDS, terminal_width())))


def show_clips(results: "Sequence[Result]") -> None:
    """Print one row a clip: its nearest class, how near, and the second."""
    from avgzsl.cli import show

    if told := [(result, result.answer) for result in results if result.answer is not None]:
        show.table(clip_columns(told))


def class_columns(answer: "Answer") -> "list[Column]":
    """The nearest classes of a clip. Score and distance are one thing: where there is a distance, it is told."""
    from avgzsl.reports.terminal_table import Column

    top, far = answer.top, answer.top[0].distance is not None
    columns = [
        Column("class", [one.label for one in top]),
        Column("", ["seen" if one.seen else "unseen" for one in top], rank=1, called="seen or unseen"),
        _figures("distance" if far else "score", [one.distance if far else one.score for one in top]),
    ]
    columns += [_figures(f"{m} alone", [one.distances[m] for one in top], rank=2) for m in top[0].distances]
    columns += [_figures(f"{m} adds", [one.support[m] for one in top], rank=3) for m in top[0].support]
    return columns


def clip_columns(told: "Sequence[tuple[Result, Answer]]") -> "list[Column]":
    """One row a clip."""
    from avgzsl.reports.terminal_table import Column, as_typed

    first = [answer.top[0] for _, answer in told]
    far = first[0].distance is not None
    names = [
        f"none of these; nearest: {one.label}" if answer.none_of_these else one.label
        for one, (_, answer) in zip(first, told, strict=True)
    ]
    second = [answer.top[1].label if answer.top[1:] else "" for _, answer in told]
    columns = [
        Column("clip", [as_typed(result.path) for result, _ in told], path=True),
        Column("class", names),
        Column("", ["seen" if one.seen else "unseen" for one in first], rank=1, called="seen or unseen"),
        _figures("distance" if far else "score", [one.distance if far else one.score for one in first], rank=2),
        Column("second", second, rank=3),
    ]
    return columns if any(second) else columns[:-1]


def _figures(head: str, values: "Sequence[float | None]", rank: int = 0) -> "Column":
    """Numbers to three digits, a dash for what there is not."""
    from avgzsl.reports.terminal_table import Column

    return Column(head, ["–" if value is None else f"{value:.3f}" for value in values], rank=rank, number=True)
