"""A run's results on a store of clips as one HTML page: two tables, clips that phrases find, one clip recognised."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from avgzsl.errors import MediaError
from avgzsl.experiments.train_evaluate import Evaluation
from avgzsl.features.feature_store import Store
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.recognition.results import Result
from avgzsl.reports.clip_sheet import ShownClip, clip_sheet
from avgzsl.reports.html import Page, write_page
from avgzsl.reports.plots import ENDINGS
from avgzsl.reports.recognised_figure import Guess, Moment, recognised_figure
from avgzsl.reports.retrieval_figure import top_retrieved
from avgzsl.reports.tables import sheets

SIDE = 160  # pixels of a clip's picture
PER_QUERY, QUERIES = 6, 4
MOMENTS = 4
_RATE = 8000  # samples a second of the drawn sound


def write_clip_report(folder: Path, store: Store, evaluation: Evaluation, recognised: Result, truth: str) -> list[Path]:
    """`report.html` and its figures in `folder`.

    Retrieval is that of the last equal-weight mode, for the first unseen classes. `recognised` is a clip of the store
    whose label is `truth`. Raises AvgzslError when the disk refuses.
    """
    found_figure, clip_figure = folder / "found-by-phrase.png", folder / "clip-recognised.png"
    names = evaluation.dataset.classes.names
    queries = [name for name, seen in zip(names, evaluation.dataset.classes.seen.tolist(), strict=True) if not seen]
    best = _best_clips(store, evaluation, queries[:QUERIES])
    moments, wave = _moments(Path(recognised.path), Span(*recognised.span))
    guesses = [Guess(one.label, one.seen, one.score, one.label == truth) for one in recognised.top]
    title = f"A clip of “{truth}”, unseen in training, recognised"
    for form in ENDINGS:
        clip_sheet(found_figure.with_suffix(form), best, "Clips found by phrases that training never saw")
        recognised_figure(clip_figure.with_suffix(form), moments, wave, _RATE, guesses, title)
    page = Page(
        "avgzsl: clips of classes it never saw",
        (
            "Rendered clips, whose names are phrases. The unseen phrases were not in training, though each of their "
            "words was; the numbers are of this small world and compare with nothing published.",
        ),
    )
    for sheet in sheets(evaluation.results, evaluation.provenance["method"], evaluation.dataset.generated):
        page.add_rows(sheet.title, sheet.header, sheet.lines, sheet.caption)
    legend = "Best first. Blue, whole frames and ✓: of the class asked for; dashed and ✗: of another."
    page.add_figure(found_figure, legend)
    page.add_figure(
        clip_figure,
        f"Moments of a clip of “{truth}”, its sound, and the nearest classes; ✓ is its own. Higher is nearer.",
    )
    write_page(folder / "report.html", page)
    figures = [figure.with_suffix(form) for figure in (found_figure, clip_figure) for form in ENDINGS]
    return [folder / "report.html", *figures]


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
        return _picture(store.file(row), span)

    shown = [[ShownClip(picture(clip), label, right) for clip, label, right in clips] for clips in lists]
    return list(zip(queries, shown, strict=True))


def _picture(path: Path, span: Span) -> UInt8[np.ndarray, "s s 3"] | None:
    """A frame from the middle of a clip; None where it has no picture or cannot be read."""
    try:
        frames = decode(path, span, frames=FrameNeeds(size=SIDE, count=1, short_side=SIDE)).frames
    except MediaError:
        return None
    return None if frames is None else frames[0]


def _moments(path: Path, span: Span) -> tuple[list[Moment], Float32[np.ndarray, " t"] | None]:
    """Frames from equal parts of a clip, and its sound: what it has of them and what can be read."""
    needs = FrameNeeds(size=SIDE, count=MOMENTS, short_side=SIDE), SoundNeeds(rate=_RATE)
    try:
        clip = decode(path, span, *needs)
    except MediaError:
        return [], None
    if clip.frames is None or clip.times is None:
        return [], clip.waveform
    return [Moment(*one) for one in zip(clip.frames, (clip.times - span.start).tolist(), strict=True)], clip.waveform
