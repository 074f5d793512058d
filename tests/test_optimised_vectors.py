"""Class vectors: loss and gradient against loops, placing against the batch, what a run keeps, and every kind of method.

(`test_class_vectors.py` is of files of text vectors.)
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avgzsl.errors import ConfigError
from avgzsl.learning.training import Job
from avgzsl.methods import build, dimensions
from avgzsl.methods._class_vectors import ALPHA, LR, MARGIN, ClassVectors, _distances, _neighbours, loss, slope
from avgzsl.testing import MethodSuite
from avgzsl.testing.scores import all_scores, assert_same
from avgzsl.testing.worlds import in_parts, small_world, some_world

QUICK = {"epochs": 3, "batch_size": 64, "attention_epochs": 1}


def unit(count, width, seed):
    rows = torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


def by_loops(w, t):
    """The published formula, one triple at a time."""

    def d(x, c, k):
        return math.sqrt(sum((x[c][i] - x[k][i]) ** 2 for i in range(len(x[c]))))

    total = 0.0
    for c in range(len(w)):
        others = [k for k in range(len(w)) if k != c]
        total -= ALPHA * min(d(w, c, k) for k in others)
        for i in others:
            for j in others:
                if i != j:
                    sign = np.sign(d(t, c, i) - d(t, c, j))
                    total += (1 - ALPHA) * max(0.0, MARGIN - sign * (d(w, c, i) - d(w, c, j)))
    return total


def of_all(text):
    """What the loss of classes among each other asks for, with all pairs."""
    itself = torch.eye(len(text), dtype=torch.bool)
    return _neighbours(_distances(text, text), itself, torch.Generator())


def test_the_loss_is_that_of_the_paper():
    t, w = unit(6, 5, 0), unit(6, 5, 1)
    assert float(loss(_distances(w, w), of_all(t), ALPHA, MARGIN).sum()) == pytest.approx(
        by_loops(w.tolist(), t.tolist())
    )


def test_the_slope_is_that_of_the_loss():
    t, w = unit(6, 5, 0), unit(6, 5, 1)
    distance, near = _distances(w, w), of_all(t)
    for c, k in [(0, 1), (2, 5), (4, 3)]:
        step = torch.zeros_like(distance)
        step[c, k] = 1e-6
        ends = [loss(distance + sign * step, near, ALPHA, MARGIN).sum() for sign in (1, -1)]
        assert float(slope(distance, near, ALPHA, MARGIN)[c, k]) == pytest.approx(
            float(ends[0] - ends[1]) / 2e-6, abs=1e-6
        )


def test_a_first_step_is_adams_along_the_gradient_of_the_loops():
    """Adam's first step is the rate against the sign of each part of the gradient; here by finite differences."""
    t = unit(5, 4, 2)
    gradient = np.zeros(t.shape)
    for c in range(5):
        for i in range(4):
            ends = []
            for sign in (1, -1):
                moved = t.clone()
                moved[c, i] += sign * 1e-6
                ends.append(by_loops(moved.tolist(), t.tolist()))
            gradient[c, i] = (ends[0] - ends[1]) / 2e-6
    expected = t.numpy() - LR * np.sign(gradient)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = ClassVectors.of(t, seed=0, steps=1).vectors.numpy()
    assert found == pytest.approx(expected, abs=1e-6)


def test_optimising_lowers_the_loss_and_keeps_the_length():
    t = unit(12, 8, 3)
    made = ClassVectors.of(t, seed=0)
    w = made.vectors.double()
    assert by_loops(w.tolist(), t.tolist()) < by_loops(t.tolist(), t.tolist())
    assert torch.allclose(w.norm(dim=1), torch.ones(12, dtype=torch.float64), atol=1e-6)


def test_placing_lowers_the_own_terms_of_a_name_and_moves_no_other():
    made, name = ClassVectors.of(unit(12, 8, 3), seed=0), unit(1, 8, 4)
    placed = made(name.float())
    near = _neighbours(_distances(name, made.text.double()), torch.zeros(1, 12, dtype=torch.bool), torch.Generator())
    before, after = (loss(_distances(w, made.vectors.double()), near, ALPHA, MARGIN) for w in (name, placed.double()))
    assert float(after) < float(before)
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
    near = _neighbours(_distances(text, text), torch.eye(80, dtype=torch.bool), torch.Generator().manual_seed(0))
    assert near.pairs.shape[1] * near.scale == pytest.approx(80 * 79)


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


@pytest.mark.parametrize("name", ["least-squares", "exemplars", "eszsl", "conse", "avgzslnet", "audio-only"])
def test_a_run_of_it_is_restored_as_it_was(name):
    data = small_world()
    method = prepared(name)
    again = build(name, settings={key: getattr(method, key) for key in ("text_prepare",)})
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


def test_encoders_as_they_are_take_none():
    data = some_world()
    with pytest.raises(ConfigError, match="frozen has no text_prepare=ez"):
        build("frozen", settings={"text_prepare": "ez", "space": "shared"}).fit(*data.training())


class Suite(MethodSuite):
    """The whole contract, with the vectors of the seen classes optimised."""

    def make(self, **settings):
        return super().make(**{"text_prepare": "ez", **settings})


for _name in ("least-squares", "devise", "avgzslnet", "gcca"):
    globals()[f"Test{_name.title().replace('-', '')}"] = type(f"Test{_name}", (Suite,), {"method": _name})
