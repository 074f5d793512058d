"""The scores by labels of others (`experiments.relabelled`) as two tables, classification and retrieval."""

from avgzsl.experiments.relabelled import LABELS, Relabelled
from avgzsl.reports.sheet import Sheet, explained, titled
from avgzsl.reports.tables import model_and_test, number, percent

_SHORT = dict(zip(LABELS, ("published", "all", "A only", "V only", "AV"), strict=True))
_KINDS = (
    "published: the data set's one label, on the same clips; A only: by labels that are audible and not visible, "
    "V only: visible and not audible, AV: both."
)
_TASKS = {
    "classification": (
        "classification by the labels of {} (%)",
        ("S", "U", "HM", "ZSL", "hit", "F1"),
        "S, U: an answer is right for a class of the clip if it is one of the clip's classes, of the same group (seen "
        "or unseen); hit: share of clips answered with any of their classes; F1: mean over classes. ",
    ),
    "retrieval": (
        "retrieval by class name, by the labels of {}, mAP (%)",
        ("S", "U", "HM"),
        "A clip is right for the name of each of its classes. ",
    ),
}


def relabelled_sheets(relabelled: Relabelled, method: str, generated: str = "") -> list[Sheet]:
    """The tables; `generated` is what is made up of the data."""
    drawn = []
    for place, (task, (title, figures, caption)) in enumerate(_TASKS.items(), 3):
        lines = [
            (
                *model_and_test(row, method),
                _SHORT[row["labels"]],
                *(percent(row[name]) for name in figures),
                number(row["clips"], "{:,}"),
            )
            for row in relabelled.results
            if row["task"] == task
        ]
        header = ("model", "test", "labels", *figures, "clips")
        title = titled(f"Table {place}: {title.format(relabelled.file)}", generated)
        if lines:
            drawn.append(Sheet(title, header, lines, explained(caption + _KINDS, generated), f"relabelled-{task}", 3))
    return drawn
