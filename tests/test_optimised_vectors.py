"""Class vectors: loss and gradient against loops, placing against the batch, what a run keeps, and every method.

(`test_class_vectors.py` is of files of text vectors.)
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avgzsl.archive.indexing import index
from avgzsl.archive.search import search
from avgzsl.data.clips import ClipSet
from avgzsl.errors import ConfigError
from avgzsl.experiments.cells import Cell, Comparison, Result
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.learning.training import Job
from avgzsl.methods import DAGGER, FOOTNOTE, build, dimensions
from avgzsl.methods._class_vectors import ALPHA, LR, MARGIN, ClassVectors, _triples, drawn_triples, gradient
from avgzsl.reports.comparison import as_csv, as_sheet, measured_lines
from avgzsl.reports.evaluation_files import write_evaluation
from avgzsl.reports.published import TABLES
from avgzsl.reports.sheet import as_latex, as_markdown
from avgzsl.reports.summary import summary_markdown
from avgzsl.testing import MethodSuite
from avgzsl.testing.scores import all_scores, assert_same
from avgzsl.testing.worlds import in_parts, small_world, some_world
from avgzsl.text.encoders import load as load_text
from tests import clip_runs

QUICK = {"epochs": 3, "steps": 5, "batch_size": 64, "attention_epochs": 1}


def unit(count, width, seed):
    rows = torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


def d(x, y):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


def terms(w, t, ws, ts):
    """Those of one class, at w with the text t, among others at ws with the texts ts, one triple at a time."""
    total = -ALPHA * min(d(w, other) for other in ws)
    for i in range(len(ws)):
        for j in range(len(ws)):
            if i != j:
                sign = np.sign(d(t, ts[i]) - d(t, ts[j]))
                total += (1 - ALPHA) * max(0.0, MARGIN - sign * (d(w, ws[i]) - d(w, ws[j])))
    return total


def by_loops(w, t):
    """The published formula, of all classes."""
    return sum(terms(w[c], t[c], [*w[:c], *w[c + 1 :]], [*t[:c], *t[c + 1 :]]) for c in range(len(w)))


def by_differences(value, w):
    """The gradient of a value at w."""
    found = np.zeros(w.shape)
    for c, i in np.ndindex(*w.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = w.clone()
            moved[c, i] += step
            ends.append(value(moved.tolist()))
        found[c, i] = (ends[0] - ends[1]) / 2e-6
    return found


@pytest.mark.parametrize("apart", [1.0, 0.03], ids=["far", "nearer than the margin"])
def test_the_gradient_is_that_of_the_published_loss(apart):
    t, w = unit(6, 5, 0), unit(1, 5, 2) + apart * unit(6, 5, 1)
    expected = by_differences(lambda rows: by_loops(rows, t.tolist()), w)
    found = gradient(w, None, next(drawn_triples(t, None, 0)))
    assert found.numpy() == pytest.approx(expected, abs=1e-5)


def test_the_gradient_of_a_name_is_that_of_its_own_terms():
    t, w, known, standing = unit(2, 5, 0), unit(2, 5, 1), unit(6, 5, 2), unit(6, 5, 3)
    expected = by_differences(
        lambda rows: sum(terms(rows[n], t[n].tolist(), standing.tolist(), known.tolist()) for n in range(2)), w
    )
    found = gradient(w, standing, next(drawn_triples(t, known, 0)))
    assert found.numpy() == pytest.approx(expected, abs=1e-5)


def test_a_first_step_is_adams_and_ends_on_the_sphere():
    """Adam's first step is the rate against the sign of each part of the gradient."""
    t = unit(5, 4, 2)
    expected = t.numpy() - LR * np.sign(by_differences(lambda rows: by_loops(rows, t.tolist()), t))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert ClassVectors.of(t, seed=0, steps=1).vectors.numpy() == pytest.approx(expected, abs=1e-6)


def test_optimising_lowers_the_loss_and_keeps_the_length():
    t = unit(12, 8, 3)
    made = ClassVectors.of(t, seed=0)
    w = made.vectors.double()
    assert by_loops(w.tolist(), t.tolist()) < by_loops(t.tolist(), t.tolist())
    assert torch.allclose(w.norm(dim=1), torch.ones(12, dtype=torch.float64), atol=1e-6)


def test_placing_lowers_the_own_terms_of_a_name_and_moves_no_other():
    made, name = ClassVectors.of(unit(12, 8, 3), seed=0), unit(1, 8, 4)
    placed = made(name.float())
    before, after = (
        terms(w[0].tolist(), name[0].tolist(), made.vectors.tolist(), made.text.tolist()) for w in (name, placed)
    )
    assert after < before
    assert torch.equal(made(torch.cat([made.text, name.float()]))[:12], made.vectors)


@pytest.mark.parametrize("classes", [12, 80], ids=["all pairs", "pairs are drawn"])
def test_a_name_is_placed_by_itself(classes):
    made, names = ClassVectors.of(unit(classes, 16, 5).float(), seed=7), unit(20, 16, 6).float()
    together = made(names)
    alone = torch.cat([made(row[None]) for row in names])
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.allclose(made(names.flip(0)).flip(0), together, atol=1e-6)
    assert torch.equal(made(names), together)
    assert not torch.allclose(together, names, atol=1e-3)


def test_drawn_pairs_hang_on_the_seed_and_stand_for_all():
    text = unit(80, 16, 5)
    one, again, other = (ClassVectors.of(text.float(), seed=seed).vectors for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
    steps = drawn_triples(text, None, 0)
    first, second = next(steps), next(steps)
    assert not torch.equal(first.first, second.first)
    assert len(first.first) * first.scale == pytest.approx(80 * 79)


def test_drawn_pairs_come_to_the_gradient_of_all():
    t, w = unit(70, 6, 0), unit(70, 6, 1)
    steps = drawn_triples(t, None, 0)
    mean = torch.stack([gradient(w, None, next(steps)) for _ in range(300)]).mean(0)
    pairs = torch.combinations(torch.arange(70)).T
    every = gradient(w, None, _triples(torch.cdist(t, t), pairs, 2.0, True))
    assert float((mean - every).norm() / every.norm()) < 0.05


def test_rows_without_a_direction_and_equal_texts_stay_finite():
    text = torch.cat([unit(4, 6, 1).float(), torch.zeros(1, 6)])
    text[1] = text[0]
    made = ClassVectors.of(text, seed=0)
    assert torch.isfinite(made.vectors).all() and torch.allclose(made.vectors[0], made.vectors[1], atol=1e-6)
    assert torch.equal(made.vectors[4], torch.zeros(6))
    assert torch.equal(made(torch.zeros(2, 6)), torch.zeros(2, 6))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_text_of_any_size(scale):
    text = unit(5, 6, 1).float()
    assert torch.allclose(ClassVectors.of(text * scale, 0).vectors, ClassVectors.of(text, 0).vectors, atol=1e-5)


def test_other_names_are_optimised_along_and_each_once():
    text = unit(6, 8, 1).float()
    made = ClassVectors.of(text[:4], 0, others=text)
    assert torch.allclose(made.text, text, atol=1e-6) and made.text.shape == text.shape
    assert torch.equal(made.vectors, ClassVectors.of(text, 0).vectors)


# of methods


def prepared(name, way="ez", data=None, **settings):
    kind = build(name)
    quick = {key: value for key, value in QUICK.items() if hasattr(kind, key)}
    data = data or small_world()
    method = build(name, settings={**quick, "text_prepare": way, **settings})
    return method.fit(*data.training(), Job(all_text=data.classes.text))


def test_without_it_a_state_has_nothing_of_it():
    plain = build("devise", settings={"epochs": 2}).fit(*small_world().training())
    assert not any(name.startswith("class_text") for name in plain.state())


@pytest.mark.parametrize(
    "name", ["least-squares", "exemplars", "eszsl", "conse", "avgzslnet", "audio-only", "clipclap", "hsp-moe"]
)
def test_a_run_of_it_is_restored_as_it_was(name):
    data = small_world()
    method = prepared(name)
    again = replace(method).restore(method.state(), dimensions(data.split("train"), data.classes))
    assert_same(
        all_scores(method, data.split("test"), data.classes), all_scores(again, data.split("test"), data.classes)
    )
    plain = prepared(name, "none")
    assert not torch.equal(
        *(one.scores(data.split("test"), data.classes.text, one.modalities[-1]) for one in (method, plain))
    )


def test_seen_classes_have_the_vectors_that_were_trained_on():
    data = small_world()
    method, (_, classes) = prepared("least-squares"), data.training()
    given = method.embed_text(classes.text).audio
    assert torch.equal(given, method.text_.vectors[None].vectors)
    assert torch.equal(method.embed_text(data.classes.text).audio[data.classes.seen], given)


def test_unseen_names_play_no_part_unless_asked_for():
    data = small_world()
    noise = torch.randn(data.classes.text.shape, generator=torch.Generator().manual_seed(5))
    text = torch.where(data.classes.seen[:, None], data.classes.text, noise)
    other = replace(data, classes=replace(data.classes, text=text))

    def differ(way):
        one, two = (prepared("least-squares", way, data).state() for data in (data, other))
        return any(not torch.equal(value, two[key]) for key, value in one.items())

    assert not differ("ez") and differ("ez-all-names")


def test_the_published_form_needs_the_names():
    with pytest.raises(ConfigError, match=r"Job\(all_text=dataset\.classes\.text\)"):
        build("eszsl", settings={"text_prepare": "ez-all-names"}).fit(*small_world().training())


@pytest.mark.parametrize("name", ["least-squares", "exemplars", "audio-only"])
def test_a_text_for_each_modality_has_vectors_for_each(name):
    data = small_world()
    parted = replace(data, classes=in_parts(data.classes, ("audio", "video")))
    method = prepared(name, data=parted)
    vectors = method.text_.vectors
    assert vectors.keys() == ({"audio"} if name == "audio-only" else {"audio", "video"})
    assert vectors["audio"].vectors.shape[1] == data.classes.text.shape[1]
    again = replace(method).restore(method.state(), dimensions(data.split("train"), parted.classes))
    assert_same(
        all_scores(method, data.split("test"), parted.classes), all_scores(again, data.split("test"), parted.classes)
    )


@pytest.mark.parametrize("name", ["clipclap", "hsp-moe"])
def test_vectors_of_both_modalities_are_read_side_by_side(name):
    """Video's first, of length 1 together."""
    data = small_world()
    parted = replace(data, classes=in_parts(data.classes, ("audio", "video")))
    method, text = prepared(name, data=parted), parted.classes.text
    video, audio = (method.text_.vectors[m](part) for m, part in (("video", text[:, -7:]), ("audio", text[:, :-7])))
    torch.testing.assert_close(method.read_text(text), torch.cat([video, audio], 1) / math.sqrt(2))
    again = replace(method).restore(method.state(), dimensions(data.split("train"), parted.classes))
    assert_same(
        all_scores(method, data.split("test"), parted.classes), all_scores(again, data.split("test"), parted.classes)
    )


def test_distances_to_the_text_as_it_was_made_need_it():
    train, classes = small_world().training()
    with pytest.raises(ConfigError, match="text_prepare=ez moves it; set text_prepare=none, or space=apart"):
        build("hsp-moe", settings={"text_prepare": "ez", "space": "shared"}).fit(train, classes, Job())


def test_encoders_as_they_are_take_none():
    data = some_world()
    with pytest.raises(ConfigError, match="frozen has no text_prepare=ez"):
        build("frozen", settings={"text_prepare": "ez", "space": "shared"}).fit(*data.training())


def cell(label, way):
    """A finished cell of a comparison, on made-up figures."""
    row = {"task": "classification", "retrieval": None, "modality": "both", "fusion": "equal", "calibration": "val"}
    figures = dict.fromkeys(("S", "U", "HM", "ZSL", "AUSUC"), 0.5)
    rows = [{**row, "gamma": 0.1, "stretch": None, "clips": 3, **figures}]
    return Result(label, Cell("avgzslnet", {"text_prepare": way}, "a", 0, "val", "", ""), rows)


def test_tables_of_a_grid_mark_the_published_form():
    plain, along = cell("gcca", "ez"), cell("avgzslnet", "ez-all-names")
    told = summary_markdown([plain, along], "val", "gcca")
    assert f"| avgzslnet{DAGGER} | both (eq wt) |" in told and "| gcca | both (eq wt) |" in told and FOOTNOTE in told
    assert DAGGER not in summary_markdown([plain], "val", "gcca")
    assert [row["label"] for row in Comparison((plain, along)).rows()] == ["gcca", f"avgzslnet{DAGGER}"]
    table = TABLES["table1"]
    marked, without = (measured_lines(table, cells) for cells in ([along], [plain]))
    for form, mark in ((as_markdown, DAGGER), (as_latex, r"$\dagger$")):
        assert mark in form(as_sheet(table, marked)) and mark not in form(as_sheet(table, without))
    assert DAGGER in as_csv(table, marked) and DAGGER not in as_csv(table, without)
    assert FOOTNOTE in as_markdown(as_sheet(table, marked))


@pytest.mark.parametrize("way", ["ez", "ez-all-names"])
def test_a_run_an_evaluation_and_an_index_with_it(way, tmp_path):
    files = clip_runs.clips(tmp_path / "clips")
    settings = {"text_prepare": way}
    run = train(clip_runs.dataset(files), "least-squares", out=tmp_path / "run", settings=settings)
    evaluation = evaluate(run, clip_runs.dataset(files))
    write_evaluation(evaluation, tmp_path / "told")
    told = (tmp_path / "told" / "tables.md").read_text()
    assert (f"least-squares{DAGGER} (" in told) == (FOOTNOTE in told) == (way == "ez-all-names")
    index(run.folder, tmp_path / "clips", tmp_path / "index", engine="memory")
    clips = [clip_runs.features(files[name]) for name in clip_runs.NAMES]
    audio, video = (torch.from_numpy(np.stack([row[m] for row in clips])) for m in ("audio", "video"))
    rows = ClipSet(audio, video, torch.arange(len(files)), np.array([files[name].name for name in clip_runs.NAMES]))
    for phrase in (clip_runs.NAMES[0], clip_runs.UNSEEN[0], "a red thing"):
        text = load_text("hashed-words:64").encode([phrase])
        scores = dict(
            zip(rows.ids.tolist(), load_run(run.folder).method.scores(rows, text)[:, 0].tolist(), strict=True)
        )
        hits = search(tmp_path / "index", phrase, modality="both", fusion="equal", retrieval="plain")
        assert {hit.id: hit.score for hit in hits} == pytest.approx(scores, abs=1e-5)


class Suite(MethodSuite):
    """The whole contract, with the vectors of the seen classes optimised."""

    def make(self, **settings):
        return super().make(**{"text_prepare": "ez", **settings})


for _name in ("least-squares", "devise", "avgzslnet", "gcca"):
    globals()[f"Test{_name.title().replace('-', '')}"] = type(f"Test{_name}", (Suite,), {"method": _name})
