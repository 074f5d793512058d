"""audio-only, video-only and concat: the one triplet, tuple by tuple; the clips that each learns from and scores."""

from dataclasses import replace

import pytest
import torch

from avgzsl.data.clips import ClipSet
from avgzsl.errors import ModalityError
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.protocol import Mode
from avgzsl.learning.train_set import load_train_set
from avgzsl.methods import build, dimensions
from avgzsl.methods._one_projection import OneProjection
from tests.worlds import world

QUICK = {"epochs": 6, "batch_size": 64, "lr": 0.1, "milestones": (4,)}
READS = {"audio-only": ("audio",), "video-only": ("video",), "concat": ("audio", "video")}
EVERY = pytest.mark.parametrize("name", READS)


def same_state(x, y) -> bool:
    a, b = x.state(), y.state()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def without(clips: ClipSet, modality: str) -> ClipSet:
    return replace(clips, **{modality: None, f"has_{modality}": torch.zeros(len(clips), dtype=torch.bool)})


@EVERY
@pytest.mark.parametrize("settings", [{}, {"distance": "mse", "margin": 0.02, "normalise": False}])
def test_the_triplet_and_its_gradient_equal_the_equation(name, settings):
    train, classes = world(clips=6).training()
    method = build(name, settings={"dropout": 0.0, "embedding": 16, **settings})
    assert isinstance(method, OneProjection)
    nets = method.networks_ = method.build(dimensions(train, classes), torch.Generator().manual_seed(0))
    rows = torch.randint(len(train), (400, 2), generator=torch.Generator().manual_seed(1))
    pairs = rows[train.labels[rows[:, 0]] != train.labels[rows[:, 1]]][:40].T
    (net,) = nets.project.values()

    def scaled(x):
        return x / x.norm() if method.normalise else x

    def distance(x, y):
        square = ((x - y) ** 2).sum()
        return square.sqrt() if method.distance == "euclidean" else square / len(x)

    values = []
    for p, q in pairs.T.tolist():
        t = nets.text(scaled(classes.text[train.labels[p]]))
        z = [net(torch.cat([scaled(train.feature(m)[row]) for m in READS[name]])[None])[0] for row in (p, q)]
        values.append((distance(z[0], t) - distance(z[1], t) + method.margin).clamp(min=0))
    expected = sum(values) / len(values)
    assert 0 < sum(value.item() > 0 for value in values) < 40 or method.margin == 1  # both sides of the hinge
    data = load_train_set(train, classes, method.normalise, torch.device("cpu"))
    found = method.loss(data, pairs, None)
    assert found.keys() == {"triplet"} and found["triplet"].item() == pytest.approx(expected.item(), abs=2e-5)
    weights = list(nets.parameters())
    gradients = (torch.autograd.grad(loss, weights, retain_graph=True) for loss in (found["triplet"], expected))
    for x, y in zip(*gradients, strict=True):
        assert torch.allclose(x, y, atol=2e-5)


@pytest.mark.parametrize(("name", "term"), [("audio-only", "ta"), ("video-only", "tv")])
def test_one_modality_is_avgzslnet_with_one_term_on_that_modality_alone(name, term):
    train, classes = world().training()
    alone = without(train, "video" if name == "audio-only" else "audio")
    settings = {**QUICK, "attention": "none", "symmetric": False, "terms": (term,)}
    other = build("avgzslnet", settings=settings).fit(alone, classes).state()
    for key, value in build(name, settings=QUICK).fit(train, classes).state().items():
        assert torch.allclose(value, other[key], atol=1e-6), key


@pytest.mark.parametrize(("name", "other"), [("audio-only", "video"), ("video-only", "audio")])
def test_the_other_modality_is_not_looked_at(name, other):
    data = world()
    train, classes = data.training()
    method = build(name, settings=QUICK).fit(train, classes)
    assert same_state(method, build(name, settings=QUICK).fit(without(train, other), classes))
    test = data.split("test")
    (modality,) = READS[name]
    scores = method.scores(test, classes.text, modality)
    wider = replace(test, **{other: torch.zeros(len(test), 99)})
    twin = build(name, settings=QUICK).restore(method.state(), dimensions(train, classes))  # as a run is read back
    for clips in (test, without(test, other), wider):
        for one in (method, twin):
            assert torch.equal(scores, one.scores(clips, classes.text, modality))
    assert list(map(str, gallery_of(method, test, classes).modes)) == [modality]
    assert getattr(method.embed_clips(test), other) is None


@EVERY
def test_learns_from_the_clips_that_have_what_it_reads(name):
    train, classes = world(missing=0.5).training()
    full = torch.stack([train.has(modality) for modality in READS[name]]).all(0)
    assert 0 < int(full.sum()) < len(train)
    method = build(name, settings=QUICK).fit(train, classes)
    assert same_state(method, build(name, settings=QUICK).fit(train.where(full), classes))


@EVERY
def test_a_class_without_such_clips_is_left_out_and_fewer_than_two_are_a_clear_error(name):
    train, classes = world().training()
    modality = READS[name][-1]
    some = replace(train, **{f"has_{modality}": train.labels != 2})
    method = build(name, settings=QUICK).fit(some, classes)
    kept = torch.arange(len(classes)) != 2
    relabelled = replace(some.where(kept[some.labels]), labels=(kept.cumsum(0) - 1)[some.labels[kept[some.labels]]])
    assert same_state(method, build(name, settings=QUICK).fit(relabelled, classes.take(kept.nonzero().squeeze(1))))
    one = replace(train, **{f"has_{modality}": train.labels == 2})
    for few, count in ((one, "24 training clips of 1 classes"), (without(train, modality), "0 training clips of 0")):
        with pytest.raises(ModalityError, match=rf"{name} learns from clips with .*{modality}; {count}"):
            build(name, settings=QUICK).fit(few, classes)


def test_concat_scores_only_clips_with_both():
    data = world(missing=0.4)
    method = build("concat", settings=QUICK).fit(*data.training())
    test, classes = data.split("test"), data.classes
    full = test.has_audio & test.has_video
    lacking = int((~full).sum())
    with pytest.raises(ModalityError, match=f"{lacking} of {len(test)} clips lack audio or video; concat needs both"):
        method.scores(test, classes.text)
    for modality in ("audio", "video"):
        with pytest.raises(ModalityError, match=f"{len(test)} of {len(test)} clips lack"):
            method.scores(without(test, modality), classes.text)
    (mode,) = gallery_of(method, test, classes).modes
    assert mode == Mode("both", "equal")
    (measured,) = gallery_of(method, test, classes).measure([mode], {})
    assert torch.equal(measured.scored.rows, full.nonzero().squeeze(1))
    assert torch.equal(measured.scored.scores, method.scores(test.where(full), classes.text))


def test_concat_feels_both_modalities():
    data = world()
    method = build("concat", settings=QUICK).fit(*data.training())
    test = data.split("test")
    scores = method.scores(test, data.classes.text)
    for modality in ("audio", "video"):
        changed = replace(test, **{modality: test.feature(modality).flip(0)})
        assert not torch.allclose(scores, method.scores(changed, data.classes.text), atol=1e-3)
