"""What the AVGZSLNet paper (WACV 2021) published, in its row order: the columns labelled published, and nothing else.

A line names the entry of the grid and the test mode that it is measured by; figures are in %.
"""

from typing import NamedTuple

from avgzsl.types import Fusion, TestModality


class Line(NamedTuple):
    """A row of a table of the paper: its model, how it is measured here, and the published S, U, HM in %."""

    model: str
    entry: str
    modality: TestModality
    fusion: Fusion
    published: tuple[float, float, float]


class PaperTable(NamedTuple):
    """A table: its number, what it shows, the task its rows measure, its rows."""

    name: str
    title: str
    task: str
    lines: tuple[Line, ...]


TABLE1 = PaperTable(
    "table1",
    "Table 1: generalized zero-shot classification, mean class accuracy (%)",
    "classification",
    (
        Line("audio only", "audio-only", "audio", "equal", (28.35, 18.35, 22.22)),
        Line("CJME", "cjme", "audio", "equal", (25.58, 20.30, 22.64)),
        Line("AVGZSLNet", "avgzslnet", "audio", "equal", (33.29, 20.43, 25.32)),
        Line("video only", "video-only", "video", "equal", (43.27, 27.11, 33.34)),
        Line("CONSE", "conse", "video", "equal", (48.50, 19.60, 27.90)),
        Line("DEVISE", "devise", "video", "equal", (39.80, 26.00, 31.50)),
        Line("SAE", "sae", "video", "equal", (29.30, 19.30, 23.20)),
        Line("ESZSL", "eszsl", "video", "equal", (33.80, 19.00, 24.30)),
        Line("ALE", "ale", "video", "equal", (47.90, 25.20, 33.00)),
        Line("CJME", "cjme", "video", "equal", (41.53, 28.76, 33.99)),
        Line("AVGZSLNet", "avgzslnet", "video", "equal", (48.05, 30.71, 37.47)),
        Line("audio-video concat", "concat", "both", "equal", (45.83, 27.91, 34.70)),
        Line("CJME (eq wt)", "cjme", "both", "equal", (30.29, 31.30, 30.79)),
        Line("AVGZSLNet (eq wt)", "avgzslnet", "both", "equal", (46.04, 33.80, 38.98)),
        Line("CJME (w/ attn)", "cjme-attention", "both", "attention", (41.07, 29.58, 34.39)),
        Line("AVGZSLNet (w/ attn)", "avgzslnet", "both", "attention", (50.96, 32.73, 39.86)),
    ),
)

TABLE2 = PaperTable(
    "table2",
    "Table 2: generalized zero-shot retrieval by class name, mean average precision (%)",
    "retrieval",
    (
        Line("pre-trained model", "pretrained-audio", "audio", "equal", (3.83, 1.66, 2.32)),
        Line("GCCA", "gcca", "audio", "equal", (49.84, 2.39, 4.56)),
        Line("audio only", "audio-only", "audio", "equal", (43.16, 3.34, 6.20)),
        Line("CJME", "cjme", "audio", "equal", (48.24, 3.32, 6.21)),
        Line("AVGZSLNet", "avgzslnet", "audio", "equal", (51.55, 3.85, 7.17)),
        Line("pre-trained model", "pretrained-video", "video", "equal", (3.83, 2.53, 3.05)),
        Line("GCCA", "gcca", "video", "equal", (57.67, 3.54, 6.67)),
        Line("video only", "video-only", "video", "equal", (48.62, 5.25, 9.47)),
        Line("CJME", "cjme", "video", "equal", (59.39, 5.55, 10.15)),
        Line("AVGZSLNet", "avgzslnet", "video", "equal", (62.20, 6.39, 11.60)),
        Line("CJME (eq wt)", "cjme", "both", "equal", (65.45, 5.40, 9.97)),
        Line("AVGZSLNet (eq wt)", "avgzslnet", "both", "equal", (72.25, 6.91, 12.61)),
        Line("CJME (w/ attn)", "cjme-attention", "both", "attention", (62.97, 5.67, 10.41)),
        Line("AVGZSLNet (w/ attn)", "avgzslnet", "both", "attention", (68.94, 7.08, 12.84)),
    ),
)

TABLE3 = PaperTable(
    "table3",
    "Table 3: AVGZSLNet (eq wt) without parts of the cross-modal decoder loss, mean class accuracy (%)",
    "classification",
    (
        Line("without L_REC", "without-rec", "both", "equal", (42.76, 32.88, 37.17)),
        Line("without L_CTA", "without-cta", "both", "equal", (46.40, 31.84, 37.77)),
        Line("without L_CTV", "without-ctv", "both", "equal", (45.87, 31.54, 37.38)),
        Line("full model", "avgzslnet", "both", "equal", (46.04, 33.80, 38.98)),
    ),
)

TABLE4 = PaperTable(
    "table4",
    "Table 4: AVGZSLNet (eq wt) without parts of the composite triplet loss, mean class accuracy (%)",
    "classification",
    (
        Line("without L_TA", "without-ta", "both", "equal", (48.91, 27.65, 35.33)),
        Line("without L_AT", "without-at", "both", "equal", (44.28, 29.96, 35.74)),
        Line("without L_TV", "without-tv", "both", "equal", (51.27, 28.54, 36.67)),
        Line("without L_VT", "without-vt", "both", "equal", (45.91, 27.90, 34.71)),
        Line("full model", "avgzslnet", "both", "equal", (46.04, 33.80, 38.98)),
    ),
)

TABLES = {table.name: table for table in (TABLE1, TABLE2, TABLE3, TABLE4)}
