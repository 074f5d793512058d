"""A run's results on a store of clips as one HTML page: two tables, clips that phrases find, one clip recognised."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from avgzsl.errors import MediaError
from avgzsl.experiments.train_evaluate import Evaluation
from avgzsl.features.feature_store import Store
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, Span
from avgzsl.recognition.results import Result
from avgzsl.reports.clip_sheet import ShownClip, clip_sheet
from avgzsl.reports.html import Page, write_page
from avgzsl.reports.retrieval_figure import top_retrieved
from avgzsl.reports.tables import sheets

SIDE = 160  # pixels of a clip's picture
PER_QUERY, QUERIES = 6, 4


def write_clip_report(folder: Path, store: Store, evaluation: Evaluation, recognised: Result, truth: str) -> list[Path]:
    """`report.html` and its figures in `folder`.

    Retrieval is that of the last equal-weight mode, for the first unseen classes. `recognised` is a clip of the store
    whose label is `truth`. Raises AvgzslError when the disk refuses.
    """
    found_figure, clip_figure = folder / "found-by-phrase.png", folder / "clip-recognised.png"
    names = evaluation.dataset.classes.names
    queries = [name for name, seen in zip(names, evaluation.dataset.classes.seen.tolist(), strict=True) if not seen]
    best = _best_clips(store, evaluation, queries[:QUERIES])
    clip_sheet(found_figure, best, "Clips found by phrases that training never saw")
    moments = _pictures(Path(recognised.path), Span(*recognised.span), 4)
    frames = [ShownClip(picture, truth, True) for picture in moments]
    clip_sheet(clip_figure, [(f"“{truth}”, unseen in training", frames)], "A clip to recognise")
    page = Page(
        "avgzsl: clips of classes it never saw",
        (
            "Rendered clips, whose names are phrases. The unseen phrases were not in training, though each of their "
            "words was; the numbers are of this small world and compare with nothing published.",
        ),
    )
    for sheet in sheets(evaluation.results, evaluation.provenance["method"], evaluation.dataset.generated):
        page.add_rows(sheet.title, sheet.header, sheet.lines, sheet.caption)
    nearest = [(name.label, "seen" if name.seen else "unseen", f"{name.score:.3f}") for name in recognised.top]
    page.add_rows("The clip below, recognised", ("class", "in training", "score"), nearest, "Higher is nearer.")
    legend = "Best first. Blue, whole frames and ✓: of the class asked for; dashed and ✗: of another."
    page.add_figure(found_figure, legend)
    page.add_figure(clip_figure, f"Four moments of a clip of “{truth}”.")
    write_page(folder / "report.html", page)
    return [folder / "report.html", found_figure, clip_figure]


def _best_clips(store: Store, evaluation: Evaluation, queries: Sequence[str]) -> list[tuple[str, list[ShownClip]]]:
    equal = [measured for measured in evaluation.measured if measured.scored.mode.fusion == "equal"]
    scored = equal[-1].scored
    ids = evaluation.dataset.split(evaluation.split).ids[scored.rows.numpy()]
    names = evaluation.dataset.classes.names
    lists = top_retrieved(scored.scores, scored.labels, ids, names, queries, PER_QUERY)
    row_of = {clip: row for row, clip in enumerate(store.clips["id"])}

    def picture(clip: str) -> UInt8[np.ndarray, "s s 3"] | None:
        row = row_of[clip]
        span = Span(store.clips["start"][row], store.clips["end"][row])
        return _pictures(store.file(row), span, 1)[0]

    shown = [[ShownClip(picture(clip), label, right) for clip, label, right in clips] for clips in lists]
    return list(zip(queries, shown, strict=True))


def _pictures(path: Path, span: Span, count: int) -> list[UInt8[np.ndarray, "s s 3"] | None]:
    """`count` frames of a clip, from equal parts of it; a single None where it has no picture or cannot be read."""
    try:
        frames = decode(path, span, frames=FrameNeeds(size=SIDE, count=count, short_side=SIDE)).frames
    except MediaError:
        frames = None
    return [None] if frames is None else list(frames)
