"""A run's results on a store of clips as one HTML page: two tables, clips that phrases find, one clip recognised."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from avgzsl.errors import DataError, MediaError
from avgzsl.experiments.train_evaluate import Evaluation
from avgzsl.features.feature_store import Store
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.recognition.results import Result
from avgzsl.reports.clip_sheet import ShownClip, clip_sheet
from avgzsl.reports.html import Page, write_page
from avgzsl.reports.plots import ENDINGS
from avgzsl.reports.recognised_figure import Guess, Moment, recognised_figure
from avgzsl.reports.tables import sheets

SIDE = 160  # pixels of a clip's picture
MOMENTS = 4
_RATE = 8000  # samples a second of the drawn sound


Found = Mapping[str, Sequence[tuple[str, str, bool]]]
"""Of each phrase the clips that it found, best first: id, label, and whether that is the phrase."""


def write_clip_report(
    folder: Path, store: Store, evaluation: Evaluation, found: Found, recognised: Result, truth: str
) -> list[Path]:
    """`report.html` and its figures in `folder`.

    `found` are clips of the store, and so is `recognised`, whose label is `truth`. Raises DataError for a clip that was
    not recognised, AvgzslError when the disk refuses.
    """
    if not recognised.top:
        raise DataError(f"{recognised.path}: was not recognised ({recognised.error}); see that the file is whole")
    found_figure, clip_figure = folder / "found-by-phrase.png", folder / "clip-recognised.png"
    best = [(phrase, _shown(store, clips)) for phrase, clips in found.items()]
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


def _shown(store: Store, clips: Sequence[tuple[str, str, bool]]) -> list[ShownClip]:
    row_of = {clip: row for row, clip in enumerate(store.clips["id"])}

    def picture(clip: str) -> UInt8[np.ndarray, "s s 3"] | None:
        row = row_of[clip]
        span = Span(store.clips["start"][row], store.clips["end"][row])
        return _picture(store.file(row), span)

    return [ShownClip(picture(clip), label, right) for clip, label, right in clips]


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
