"""Kernel exemplars against loops over clips and classes, and what the trust in a clip does and does not change."""

from dataclasses import replace
from math import exp, sqrt

import numpy as np
import pytest
import torch

from avgzsl.data.clips import ClipSet
from avgzsl.methods import build
from avgzsl.scores.scoring import best_of
from tests.test_exemplars import problem, slow_parts, slow_text, unit


def bend(row, power):
    """Number by number."""
    length = sqrt(sum(value * value for value in row))
    return np.array([np.sign(value) * abs(value / length) ** power for value in row])


def alike(left, right, sharpness):
    return exp(-sharpness * sum((a - b) ** 2 for a, b in zip(left, right, strict=True)))


def slow_scores(train, labels, tested, seen_text, text, settings):
    """g^trust times the cosine with the exemplar that the kernel of texts predicts."""
    train, tested = ([bend(row, settings["power"]) for row in rows] for rows in (train, tested))
    mu, root, exemplars = slow_parts(train, labels, len(seen_text), settings["rho"])
    gram = np.array([[alike(s, t, settings["sharpness"]) for t in seen_text] for s in seen_text])
    scores = np.zeros((len(tested), len(text)))
    for c, t in enumerate(text):
        near = np.array([alike(s, t, settings["sharpness"]) for s in seen_text])
        a = np.linalg.solve(gram + settings["ridge"] * np.eye(len(gram)), near)
        predicted = sum(a[s] * exemplars[s] for s in exemplars)
        for i, x in enumerate(tested):
            z = unit(root @ (unit(x) - mu))
            trust = max(max(z @ unit(e) for e in exemplars.values()), 0.01)
            scores[i, c] = trust ** settings["trust"] * (z @ unit(predicted))
    return scores


SETTINGS = [
    {"rho": 0.9, "ridge": 0.3, "power": 0.5, "sharpness": 1.0, "trust": 1.0},
    {"rho": 0.5, "ridge": 0.05, "power": 0.8, "sharpness": 2.5, "trust": 1.7},
    {"rho": 1.0, "ridge": 2.0, "power": 1.0, "sharpness": 0.3, "trust": 0.0},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("parts", [(8,), (5, 3)])
def test_scores_are_those_of_loops_over_clips_and_classes(settings, parts):
    data, train, seen = problem(parts)
    method = build("kernel-exemplars", settings=settings).fit(train, seen)
    test, rows = data.split("test"), seen.text.double().numpy()
    text = slow_text(seen, data.classes.text.double().numpy(), rows, parts)
    seen_text = slow_text(seen, rows, rows, parts)
    expected = {}
    for modality in ("audio", "video"):
        x, y = (clips.feature(modality).double().numpy() for clips in (train, test))
        expected[modality] = slow_scores(x, train.labels.tolist(), y, seen_text, text, settings)
        got = method.scores(test, data.classes.text, modality)
        np.testing.assert_allclose(got, expected[modality], atol=2e-5)
    mean = (expected["audio"] + expected["video"]) / 2
    np.testing.assert_allclose(method.scores(test, data.classes.text), mean, atol=2e-5)


def test_the_defaults_are_those_that_were_chosen():
    method = build("kernel-exemplars")
    assert {name: getattr(method, name) for name in SETTINGS[0]} == SETTINGS[0]
    assert method.text_scale == "centred"


def test_trust_is_a_factor_of_the_clip_which_changes_no_order_within_seen_or_unseen_classes():
    data, train, seen = problem()
    plain, trusting = (
        build("kernel-exemplars", settings={"trust": trust}).fit(train, seen).scores(data.split("test"), text, "video")
        for trust, text in ((0.0, data.classes.text), (1.0, data.classes.text))
    )
    factor = trusting / plain
    assert torch.allclose(factor, factor[:, :1].expand_as(factor), rtol=1e-3)
    assert bool((factor > 0).all()) and bool((factor <= 1 + 1e-5).all())
    assert float(factor.std()) > 0.01
    for group in (data.classes.seen, ~data.classes.seen):
        assert torch.equal(best_of(plain, group)[0], best_of(trusting, group)[0])


def test_a_clip_like_nothing_seen_is_trusted_little_and_never_nothing_nor_backwards():
    _data, train, seen = problem()
    method = build("kernel-exemplars").fit(train, seen)
    z = torch.cat([-method.state()["exemplars.audio"].mean(0, keepdim=True), torch.zeros(1, train.audio.shape[1])])
    numbers = z @ method.state()["exemplars.audio"].T
    assert torch.equal(method.trusted(numbers.clamp(max=0), "audio"), numbers.clamp(max=0) * 0.01)


def test_a_class_without_the_modality_lends_no_trust_there():
    data, train, seen = problem()
    deaf = ClipSet(train.audio, train.video, train.labels, train.ids, has_audio=train.labels != 2)
    method = build("kernel-exemplars").fit(deaf, seen)
    scores = method.scores(data.split("test"), data.classes.text, "audio")
    assert bool(torch.isfinite(scores).all()) and bool(scores.abs().sum(1).all())


def test_a_class_without_clips_of_a_modality_plays_no_part_there():
    """Its text is zeros then, which a kernel of distances would take for a text like others."""
    data, train, seen = problem()
    bare = train.labels == 0
    lacking = replace(train, has_audio=train.has_audio & ~bare)
    without = train.where(~bare)
    fewer = replace(without, labels=without.labels - 1)
    classes = seen.take(torch.arange(1, len(seen)))
    settings = {"text_scale": "unit"}  # no mean of the seen classes' texts, which would differ
    left, right = (
        build("kernel-exemplars", settings=settings).fit(*given).scores(data.split("test"), data.classes.text, "audio")
        for given in ((lacking, seen), (fewer, classes))
    )
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-6)
