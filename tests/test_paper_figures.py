"""The paper's Figures 5 to 7: what they show, against loops; that they are drawn whole, legible and repeatable."""

import csv
import io
import itertools
import math

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.text import Text
from sklearn.manifold import TSNE

from avgzsl.errors import ConfigError, DataError, UnknownNameError
from avgzsl.reports import cd_figure as cd
from avgzsl.reports import plots
from avgzsl.reports import rank_figure as pair
from avgzsl.reports import retrieval_figure as ret
from avgzsl.reports import tsne_figure as tsne
from avgzsl.reports.significance import compare_methods

NAMES = ["dog", "church-bell", "people eating crisps and drinking", "WWWWWW MMMMMM", "bus $_x"]


def comparison(k, n=33, spread=0.9):
    generator = torch.Generator().manual_seed(k)
    scores = torch.rand(n, k, generator=generator) + torch.linspace(spread, 0, k)
    return compare_methods(scores, [f"method {j} $_" for j in range(k)])


def two(n=33):
    generator = torch.Generator().manual_seed(n)
    percent = 100 * torch.rand(n, 2, generator=generator)
    percent[:2, 1] = percent[:2, 0]
    return compare_methods(percent / 100, ["ours $_", "theirs"]), percent


def panels(count=4, clips=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(3, 6, generator=generator)
    labels = torch.arange(3).repeat_interleave(clips)
    return {
        f"panel {p} $_": (text[labels] + 0.4 * torch.randn(3 * clips, 6, generator=generator), text, labels, NAMES[:3])
        for p in range(count)
    }


def columns(queries, k=10):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(5, (60,), generator=generator)
    ids = np.array([f"-0DdlOuIFUI_{i}30000_{i}40000.mp4" for i in range(60)])

    def lists():
        scores = torch.randn(60, 5, generator=generator) + torch.nn.functional.one_hot(labels, 5)
        return ret.top_retrieved(scores, labels, ids, NAMES, queries, k)

    return {method: {mode: lists() for mode in ("audio", "both-equal")} for method in ("ours", "theirs $_")}


DRAW = {
    "cd-2": lambda path: cd.cd_figure(path, comparison(2)),
    "cd-12": lambda path: cd.cd_figure(path, comparison(12)),
    "cd-few": lambda path: cd.cd_figure(path, comparison(2, n=3)),
    "pair": lambda path: pair.rank_figure(path, *two()),
    "retrieval": lambda path: ret.retrieval_figure(path, NAMES[:2], columns(NAMES[:2])),
    "tsne": lambda path: tsne.tsne_figure(path, panels()),
}


def drawn(monkeypatch, path, draw):
    """The figure, as it was handed over to be saved."""
    kept = []
    for module in (cd, pair, ret, tsne):
        inner = module.finish
        monkeypatch.setattr(
            module, "finish", lambda p, f, *a, _inner=inner, **k: (kept.append(f), _inner(p, f, *a, **k))
        )
    draw(path)
    return kept[0]


# all figures


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_the_same_figure_has_the_same_bytes(tmp_path, name, ending):
    before = dict(matplotlib.rcParams)
    one, two = tmp_path / f"one{ending}", tmp_path / f"two{ending}"
    DRAW[name](one)
    DRAW[name](two)
    assert one.read_bytes() == two.read_bytes()
    assert dict(matplotlib.rcParams) == before
    assert sorted(tmp_path.iterdir()) == [one, two]
    if ending == ".png":
        assert min(imread(one).shape[:2]) > 400
    elif ending == ".svg":
        assert "<svg" in one.read_text()
    else:
        content = one.read_bytes()
        assert content.startswith(b"%PDF-") and b"CreationDate" not in content
        assert b"/Type3" not in content and b"/FontFile2" in content  # fonts as they are, no drawings of them


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_for_a_paper_has_no_title(tmp_path, monkeypatch, name):
    titled = drawn(monkeypatch, tmp_path / "f.png", DRAW[name])
    bare = drawn(monkeypatch, tmp_path / "f.pdf", DRAW[name])
    assert titled.get_suptitle() and not bare.get_suptitle()


@pytest.mark.parametrize("name", ["cd-2", "cd-12", "cd-few", "pair", "retrieval"])
def test_no_two_texts_overlap_and_none_is_cut(tmp_path, monkeypatch, name):
    figure = drawn(monkeypatch, tmp_path / "f.png", DRAW[name])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    texts = [text for text in texts if not text.axes or text.axes.axison or text in text.axes.texts]  # hidden ticks
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    assert len(boxes) > 5
    width, height = figure.bbox.size
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text
    for (one, box), (other, rest) in itertools.combinations(boxes, 2):
        across = min(box.x1, rest.x1) - max(box.x0, rest.x0)
        along = min(box.y1, rest.y1) - max(box.y0, rest.y0)
        assert across <= 1 or along <= 1, (one, other)


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_is_as_wide_as_a_page_and_its_letters_are_legible(tmp_path, monkeypatch, name):
    figure = drawn(monkeypatch, tmp_path / "f.png", DRAW[name])
    assert figure.get_figwidth() == plots.WIDTH == 6.3
    FigureCanvasAgg(figure).draw()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) >= plots.SMALL - 0.5


def test_an_ending_that_is_no_figure_is_refused(tmp_path):
    for name in ("cd-2", "retrieval"):
        with pytest.raises(ConfigError, match=r"\.png, \.svg or \.pdf"):
            DRAW[name](tmp_path / "f.gif")
    with pytest.raises(ConfigError, match=r"\.png, \.svg or \.pdf"):
        tsne.tsne_figure(tmp_path / "f.gif", panels(1, clips=4))
    assert list(tmp_path.iterdir()) == []


# Figure 5


@pytest.mark.parametrize("levels", [None, 3])
def test_the_top_list_by_a_loop(levels):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(40, 4, generator=generator)
    scores = scores if levels is None else (scores * levels).round()
    labels = torch.randint(4, (40,), generator=generator)
    ids = np.array([f"clip {i}" for i in range(40)])
    found = ret.top_retrieved(scores, labels, ids, NAMES[:4], ["church-bell", "dog"], top=7, seed=5)
    shuffled = torch.randperm(40, generator=torch.Generator().manual_seed(5)).tolist()
    for row, query in zip(found, (1, 0), strict=True):
        best = sorted(shuffled, key=lambda i: -scores[i, query].item())[:7]
        assert row == [(f"clip {i}", NAMES[labels[i]], labels[i].item() == query) for i in best]


def test_a_small_gallery_is_listed_whole():
    found = ret.top_retrieved(torch.rand(3, 2), torch.tensor([0, 1, 1]), np.array(list("abc")), NAMES[:2], ["dog"])
    assert sorted(clip for clip, *_ in found[0]) == ["a", "b", "c"]


def test_a_query_that_is_no_class_is_answered_with_near_ones():
    with pytest.raises(UnknownNameError, match="church-bell"):
        ret.top_retrieved(torch.rand(3, 2), torch.tensor([0, 1, 1]), np.array(list("abc")), NAMES[:2], ["churchbell"])
    with pytest.raises(DataError, match="1 class names for 2 columns"):
        ret.top_retrieved(torch.rand(3, 2), torch.tensor([0, 1, 1]), np.array(list("abc")), NAMES[:1], ["dog"])


def test_lists_say_which_are_right_and_what_the_others_are(tmp_path, monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")  # text stays text
    one = [("a1", "dog", True), ("a2", "bus", False), ("a3", "church-bell", False), ("a4", "bus", False)]
    two = [("=b1", "church-bell", False)]
    path = tmp_path / "f.svg"
    given = {"ours": {"audio": [one]}, "theirs": {"audio": [two]}}
    ret.retrieval_figure(path, ["dog"], given, "The title")
    text = path.read_text()
    for part in ("The title", "query: dog", "ours", "theirs", ">audio<", "1 of 4 right; else bus (2), church-bell",
                 "0 of 1 right; else church-bell", "of the class asked for", "of another class"):  # fmt: skip
        assert part in text, part
    assert text.count(">✓<") == 1 and text.count(">✗<") == 4
    for fill, ink, _ in (ret.RIGHT, ret.WRONG):
        assert fill.lower() in text and ink.lower() in text
    rows = list(csv.reader(io.StringIO(ret.retrieval_csv(["dog"], given))))
    assert rows[1:3] == [
        ["dog", "ours", "audio", "1", "a1", "dog", "yes"],
        ["dog", "ours", "audio", "2", "a2", "bus", "no"],
    ]
    assert rows[-1] == ["dog", "theirs", "audio", "1", "'=b1", "church-bell", "no"]  # no formula for a spreadsheet


def test_no_word_of_a_long_name_is_lost(tmp_path, monkeypatch):
    long = "a very long name of a class whose last word decides " + "which one it is and so must not be cut off: flute"
    lists = {"ours": {"audio": [[("a1", long, False)]]}, "theirs": {"audio": [[("a1", long, False)]]}}
    figure = drawn(monkeypatch, tmp_path / "f.png", lambda path: ret.retrieval_figure(path, ["dog"], lists))
    said = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert said.count(long) == 2 and "…" not in said


@pytest.mark.parametrize(("queries", "given"), [
    ([], {"ours": {"audio": []}}), (["dog"], {}), (["dog"], {"ours": {"audio": []}}),
    (["dog"], {"ours": {"audio": [[]]}, "theirs": {"video": [[]]}}),
])  # fmt: skip
def test_lists_that_do_not_match_are_refused(tmp_path, queries, given):
    with pytest.raises(DataError, match="expected"):
        ret.retrieval_figure(tmp_path / "f.png", queries, given)


# Figure 6


def test_own_text_ratio_by_a_loop():
    generator = torch.Generator().manual_seed(2)
    clips, text = torch.randn(9, 4, generator=generator), torch.randn(3, 4, generator=generator)
    labels = torch.randint(3, (9,), generator=generator)
    own = sum(math.dist(clips[i], text[labels[i]]) for i in range(9))
    other = sum(min(math.dist(clips[i], text[c]) for c in range(3) if c != labels[i]) for i in range(9))
    assert tsne.own_text_ratio(clips, text, labels) == pytest.approx(own / other, rel=1e-6)
    assert tsne.own_text_ratio(text, text, torch.arange(3)) == 0
    assert tsne.own_text_ratio(text[:2], text[:2], torch.tensor([1, 0])) == math.inf


def test_own_text_ratio_needs_a_clip_and_two_texts():
    for clips, texts, labels in ((0, 3, []), (2, 1, [0, 0]), (1, 2, [2])):
        with pytest.raises(DataError):
            tsne.own_text_ratio(torch.rand(clips, 2), torch.rand(texts, 2), torch.tensor(labels, dtype=torch.long))


def test_chosen_clips_are_of_seen_classes_and_few_of_each():
    labels = torch.cat([torch.full((60,), c) for c in range(9)] + [torch.full((7,), 9)])
    seen = torch.arange(12) % 2 > 0  # 1 3 5 7 9 and, without clips, 11
    rows = tsne.choose_clips(labels, seen, seed=1)
    counts = torch.bincount(labels[rows], minlength=12).tolist()
    assert counts == [0, 40, 0, 40, 0, 40, 0, 40, 0, 7, 0, 0]
    assert len(set(rows.tolist())) == len(rows)
    assert torch.equal(rows, tsne.choose_clips(labels, seen, seed=1))
    few = [tsne.choose_clips(labels, seen, n_classes=2, per_class=3, seed=seed) for seed in range(8)]
    assert {len(rows) for rows in few} == {6}
    assert len({tuple(labels[rows].unique().tolist()) for rows in few}) > 2
    assert len({tuple(rows.tolist()) for rows in few}) == 8


def test_classes_too_few_for_a_picture_are_refused():
    for seen, n_classes in (([True, False], 5), ([True, True], 1)):
        with pytest.raises(DataError, match="at least 2"):
            tsne.choose_clips(torch.tensor([0, 1]), torch.tensor(seen), n_classes)


def test_panels_show_stars_classes_and_the_ratio(tmp_path, monkeypatch):
    given = panels(3)
    figure = drawn(monkeypatch, tmp_path / "f.png", lambda path: tsne.tsne_figure(path, given))
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 3
    for axes, (name, (clips, text, labels, _)) in zip(shown, given.items(), strict=True):
        ratio = tsne.own_text_ratio(clips, text, labels)
        assert axes.get_title() == f"{name}\nown text / nearest other text: {ratio:.2f}"
        sizes = [len(points.get_offsets()) for points in axes.collections]
        assert sizes == [20, 1, 20, 1, 20, 1, 1, 1, 1, 0]
        clip_colors = [tuple(points.get_facecolor()[0, :3]) for points in axes.collections[:6:2]]
        star_colors = [tuple(points.get_edgecolor()[0, :3]) for points in axes.collections[1:6:2]]
        assert clip_colors == star_colors and len(set(clip_colors)) == 3
        for field, outline in zip(axes.collections[1:6:2], axes.collections[6:9], strict=True):
            assert field.get_zorder() < axes.collections[0].get_zorder() < outline.get_zorder()
            assert len(outline.get_facecolor()) == 0  # no clip is hidden under it
            assert (field.get_offsets() == outline.get_offsets()).all()
        plane = [points.get_offsets() for points in axes.collections]
        for place in range(3):  # in so clear a case each star stands nearest to its own clips
            centres = [np.linalg.norm(plane[2 * c].mean(0) - plane[2 * place + 1]) for c in range(3)]
            assert np.argmin(centres) == place
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [*NAMES[:3], "text of the class"]


def test_the_seed_reaches_tsne(tmp_path, monkeypatch):
    given = []
    inner = TSNE.__init__
    monkeypatch.setattr(TSNE, "__init__", lambda self, **k: (given.append(k), inner(self, **k))[1])
    tsne.tsne_figure(tmp_path / "f.png", panels(1, clips=4), seed=7)
    assert given == [
        {"n_components": 2, "perplexity": 14 / 3, "init": "pca", "learning_rate": "auto", "random_state": 7}
    ]


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda c, t, y, n: (c * math.nan, t, y, n), "NaN"),
    (lambda c, t, y, n: (c * 0, t * 0, y, n), "all embeddings are equal"),
    (lambda c, t, y, n: (c[:, :1], t[:, :1], y, n), "dimensions"),
    (lambda c, t, y, n: (c, t, y, [*n[:2], "x"]), "same classes"),
])  # fmt: skip
def test_panels_that_cannot_be_drawn_are_refused(tmp_path, spoil, message):
    one, two = panels(2, clips=3).values()
    with pytest.raises(DataError, match=message):
        tsne.tsne_figure(tmp_path / "f.png", {"one": spoil(*one), "two": two})
    assert list(tmp_path.iterdir()) == []


# Figure 7


def test_the_diagram_says_names_ranks_and_the_critical_difference(tmp_path, monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    found = comparison(5)
    path = tmp_path / "f.svg"
    cd.cd_figure(path, found, "The title")
    text = path.read_text()
    for name, rank in zip(found.names, found.mean_ranks, strict=True):
        assert f"{name} ({rank:.2f})" in text
    for part in ("The title", "critical difference 1.062", "mean rank (1 is best)", "over 33 classes, which are not"):
        assert part in text, part


@pytest.mark.parametrize("k", [2, 5, 12])
def test_marks_and_bars_stand_at_the_ranks(tmp_path, monkeypatch, k):
    found = comparison(k)
    figure = drawn(monkeypatch, tmp_path / "f.png", lambda path: cd.cd_figure(path, found))
    lines = figure.axes[0].lines
    marks = next(line for line in lines if line.get_marker() == "o")
    assert sorted(marks.get_xdata()) == sorted(found.mean_ranks)
    bars = [line.get_xdata() for line in lines if line.get_color() == cd.ORANGE]
    levels = {line.get_ydata()[0] for line in lines if line.get_color() == cd.ORANGE}
    assert len(bars) == len(levels) == len(found.groups())
    for (low, high), group in zip(bars, found.groups(), strict=True):
        inside = [m for m, rank in enumerate(found.mean_ranks) if low <= rank <= high]
        assert set(group) <= set(inside)
        assert low == pytest.approx(found.mean_ranks[group[0]], abs=0.02 * k)
        assert high == pytest.approx(found.mean_ranks[group[-1]], abs=0.02 * k)
    (whisker,) = [c for c in figure.axes[0].collections if len(c.get_segments()) == 1]
    (start, _), (end, _) = whisker.get_segments()[0]
    assert (start, end - start) == pytest.approx((1, found.critical_difference))


@pytest.mark.parametrize("k", [5, 12])
def test_no_elbow_crosses_another(tmp_path, monkeypatch, k):
    found = comparison(k)
    figure = drawn(monkeypatch, tmp_path / "f.png", lambda path: cd.cd_figure(path, found))
    elbows = [(x[0], x[2], y[1]) for x, y in (line.get_data() for line in figure.axes[0].lines) if len(x) == 3]
    assert len(elbows) == k
    for (rank, _, depth), (_, edge, level) in itertools.permutations(elbows, 2):
        start = next(r for r, e, d in elbows if (e, d) == (edge, level))
        assert not (min(start, edge) < rank < max(start, edge) and depth > level)


def test_two_methods_are_shown_class_by_class(tmp_path, monkeypatch):
    found, percent = two()
    figure = drawn(monkeypatch, tmp_path / "f.png", lambda path: pair.rank_figure(path, found, percent))
    points = {c.get_label(): np.asarray(c.get_offsets()) for c in figure.axes[1].collections}
    wins = sum(one > other for one, other in percent.tolist())
    assert list(map(len, points.values())) == [wins, 31 - wins, 2] == [found.pairs[0].wins, found.pairs[0].losses, 2]
    assert list(points) == [
        f"ours $_ is better: {wins} of 33 classes", f"theirs is better: {31 - wins} of 33 classes",
        "equal: 2 of 33 classes",
    ]  # fmt: skip
    assert sorted(map(tuple, np.concatenate(list(points.values())))) == sorted(map(tuple, percent.double().tolist()))
    ranks = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert sorted(ranks.get_xdata()) == sorted(found.mean_ranks)


def test_three_methods_have_a_diagram_alone(tmp_path, monkeypatch):
    figure = drawn(monkeypatch, tmp_path / "f.png", lambda p: pair.rank_figure(p, comparison(3), torch.rand(33, 3)))
    assert len(figure.axes) == 1
