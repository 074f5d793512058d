"""A run's results on a store of clips as one HTML page: two tables, clips that phrases find, one clip recognised."""

from collections.abc import Mapping, Sequence
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
from avgzsl.reports.tables import sheets

SIDE = 160  # pixels of a clip's picture


Found = Mapping[str, Sequence[tuple[str, str, bool]]]
"""Of each phrase the clips that it found, best first: id, label, and whether that is the phrase."""


def write_clip_report(
    folder: Path, store: Store, evaluation: Evaluation, found: Found, recognised: Result, truth: str
) -> list[Path]:
    """`report.html` and its figures in `folder`.

    `found` are clips of the store, and so is `recognised`, whose label is `truth`. Raises AvgzslError when the disk
    refuses.
    """
    found_figure, clip_figure = folder / "found-by-phrase.png", folder / "clip-recognised.png"
    best = [(phrase, _shown(store, clips)) for phrase, clips in found.items()]
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


def _shown(store: Store, clips: Sequence[tuple[str, str, bool]]) -> list[ShownClip]:
    row_of = {clip: row for row, clip in enumerate(store.clips["id"].to_pylist())}

    def picture(clip: str) -> UInt8[np.ndarray, "s s 3"] | None:
        row = row_of[clip]
        span = Span(store.clips["start"][row].as_py(), store.clips["end"][row].as_py())
        return _pictures(store.file(row), span, 1)[0]

    return [ShownClip(picture(clip), label, right) for clip, label, right in clips]


def _pictures(path: Path, span: Span, count: int) -> list[UInt8[np.ndarray, "s s 3"] | None]:
    """`count` frames of a clip, from equal parts of it; a single None where it has no picture or cannot be read."""
    try:
        frames = decode(path, span, frames=FrameNeeds(size=SIDE, count=count, short_side=SIDE)).frames
    except MediaError:
        frames = None
    return [None] if frames is None else list(frames)
