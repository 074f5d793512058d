"""Methods of one feature: what they take and how they scale it; ConSE, and the losses of DeViSE and ALE, by loops."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ConfigError, DataError, ModalityError, NotFittedError
from avgzsl.learning.training import Job
from avgzsl.methods import build, method_class, methods
from avgzsl.methods._examples import Examples, Scale
from avgzsl.methods._single import Input, SingleFeature
from avgzsl.methods.conse import softmax_regression
from tests.worlds import world

SINGLE = [name for name in methods() if issubclass(method_class(name), SingleFeature)]
QUICK = {"input": "video", "epochs": 3, "steps": 0, "batch_size": 64, "max_steps": 50}


def quick(name: str, **settings) -> SingleFeature:
    method = build(name, settings={**{k: v for k, v in QUICK.items() if hasattr(method_class(name), k)}, **settings})
    assert isinstance(method, SingleFeature)
    return method


def test_there_are_such_methods():
    assert SINGLE == ["ale", "apn", "conse", "devise", "eszsl", "pretrained", "sae", "sje"]


@pytest.mark.parametrize("input_", get_args(Input))
@pytest.mark.parametrize("scale", get_args(Scale))
@pytest.mark.parametrize("name", SINGLE)
def test_every_input_and_scale_is_served_saved_and_restored(name, input_, scale):
    data = world(clips=6)
    method = quick(name, input=input_, scale=scale).fit(*data.training())
    modality = "both" if input_ == "concat" else input_
    assert method.modalities == (modality,)
    scores = method.scores(data.split("test"), data.classes.text, modality)
    assert torch.isfinite(scores).all() and scores.shape == (54, 9)
    sizes = {"audio": 20, "video": 24, "text": 8}
    twin = quick(name, input=input_, scale=scale).restore(load(save(method.state())), sizes)
    assert torch.equal(scores, twin.scores(data.split("test"), data.classes.text, modality))
    embedded = method.embed_clips(data.split("test"))
    given = {"audio": embedded.audio, "video": embedded.video, "concat": embedded.joint}
    assert [key for key, z in given.items() if z is not None] == [input_]


@pytest.mark.parametrize("name", SINGLE)
def test_a_method_of_one_modality_reads_nothing_of_the_other(name):
    data = world(clips=6)
    train, classes = data.training()
    changed = replace(train, audio=train.audio[:, :5] * 3)
    method = quick(name).fit(train, classes)
    state = quick(name).fit(changed, classes).state()
    assert all(torch.equal(value, state[key]) for key, value in method.state().items())
    scores = (method.scores(clips, classes.text, "video") for clips in (train, changed))
    assert torch.equal(*scores)


@pytest.mark.parametrize("name", SINGLE)
def test_concat_learns_from_complete_clips_and_scores_no_others(name):
    data = world(missing=0.4)
    train, classes = data.training()
    both = train.where(train.has_audio & train.has_video)
    method = quick(name, input="concat").fit(train, classes)
    state = quick(name, input="concat").fit(both, classes).state()
    assert all(torch.equal(value, state[key]) for key, value in method.state().items())
    lacking = int((~(train.has_audio & train.has_video)).sum())
    with pytest.raises(ModalityError, match=f"{lacking} of {len(train)} clips lack audio or video"):
        method.scores(train, classes.text)
    deaf = ClipSet(None, train.video, train.labels, train.ids, has_video=train.has_video)
    with pytest.raises(ModalityError, match="these clips have no audio"):
        method.scores(deaf, classes.text)


@pytest.mark.parametrize("name", SINGLE)
def test_training_without_the_feature_is_a_clear_error(name):
    train, classes = world(clips=6).training()
    deaf = ClipSet(None, train.video, train.labels, train.ids)
    for input_, lacking in (("audio", "audio"), ("concat", "audio and video")):
        with pytest.raises(ModalityError, match=f"no training clip has {lacking};"):
            quick(name, input=input_).fit(deaf, classes)
    bare = replace(train, has_video=train.labels != 2)
    with pytest.raises(DataError, match=f"no training clip with video of: {classes.names[2]}"):
        quick(name).fit(bare, classes)


def test_z_score_is_scikit_learns_with_training_statistics_and_drops_constants():
    data = world(clips=6)
    train, classes = data.training()
    video = train.video * 3 + 5
    video[:, :2] = 0.1
    video[0, 1] = float(np.nextafter(np.float32(0.1), np.float32(1)))  # rounding of a constant
    train = replace(train, video=video)
    method = quick("sae", scale="z-score").fit(train, classes)
    test = data.split("test")
    expected = StandardScaler().fit(video.double()).transform(test.video.double())
    expected[:, :2] = 0
    np.testing.assert_allclose(method.embed_clips(test).video, expected, rtol=1e-5, atol=1e-5)


def examples(x: torch.Tensor, labels: torch.Tensor, classes: ClassTable) -> Examples:
    return Examples(labels, classes.text.double(), x.shape[1], lambda rows: x[rows].float())


@pytest.mark.parametrize("inverse_penalty", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("balanced", [False, True])
def test_softmax_regression_is_scikit_learns(inverse_penalty, balanced):
    train, classes = world(clips=8, sizes=(3, 5, 4)).training()
    train = train.take(torch.arange(35))  # classes of different sizes
    found = softmax_regression(examples(train.video, train.labels, classes), inverse_penalty, balanced, 1e-10, 2000)
    reference = LogisticRegression(
        C=inverse_penalty, tol=1e-10, max_iter=10000, class_weight="balanced" if balanced else None
    ).fit(train.video.double(), train.labels)
    np.testing.assert_allclose(found[:-1], reference.coef_.T, atol=1e-4)
    logits = train.video.double() @ found[:-1] + found[-1]
    np.testing.assert_allclose(logits.softmax(1), reference.predict_proba(train.video.double()), atol=1e-5)


@pytest.mark.parametrize("top", [1, 2, 5, 23])
def test_conse_is_the_mean_of_the_most_probable_text_vectors(top):
    data = world(clips=6)
    train, classes = data.training()
    method = build("conse", settings={"T": top, "tolerance": 1e-10}).fit(train, classes)
    unit = train.video / train.video.norm(dim=1, keepdim=True)
    reference = LogisticRegression(tol=1e-10, max_iter=10000).fit(unit.double(), train.labels)
    test = data.split("test")
    scores, embedded = method.scores(test, data.classes.text, "video"), method.embed_clips(test).video
    for row in range(0, len(test), 7):
        x = test.video[row] / test.video[row].norm()
        p = reference.predict_proba(x[None].double())[0]
        best = sorted(range(len(p)), key=lambda c: -p[c])[:top]
        f = sum(p[c] * classes.text[c].double().numpy() for c in best) / sum(p[c] for c in best)
        np.testing.assert_allclose(embedded[row], f, atol=1e-4)
        for c in range(len(data.classes)):
            s = data.classes.text[c].double().numpy()
            assert scores[row, c] == pytest.approx(f @ s / np.linalg.norm(f) / np.linalg.norm(s), abs=1e-4)


def slow_hinge(scores, labels, margin: float, ranked: bool) -> tuple[float, np.ndarray]:
    """Value and gradient of the hinge, clip by clip, class by class."""
    value, gradient = 0.0, np.zeros(scores.shape)
    for n, right in enumerate(labels):
        wrong = [c for c in range(scores.shape[1]) if c != right and margin + scores[n, c] - scores[n, right] > 0]
        weight = 1.0
        if ranked:
            weight = sum(1 / i for i in range(1, len(wrong) + 1)) / max(len(wrong), 1)
        for c in wrong:
            value += weight * (margin + scores[n, c] - scores[n, right])
            gradient[n, c] += weight
            gradient[n, right] -= weight
    return value / len(labels), gradient / len(labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [0.5, 2.0])
@pytest.mark.parametrize(("name", "ranked"), [("devise", False), ("ale", True)])
def test_losses_by_value_and_gradient(name, ranked, margin, dtype):
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(12, 6, generator=generator, dtype=dtype)
    labels = torch.randint(6, (12,), generator=generator)
    scores[0, labels[0]] = 100.0  # no violation
    scores[1] = 0.0  # all violate alike
    scores[2] = torch.where(torch.arange(6) == labels[2], margin, 0.0)  # on the edge: none violates
    scores.requires_grad_()
    loss = build(name, settings={"margin": margin}).loss(scores, labels)
    loss.backward()
    value, gradient = slow_hinge(scores.detach().double().numpy(), labels.tolist(), margin, ranked)
    tolerance = 1e-6 if dtype is torch.float32 else 1e-13
    assert loss.item() == pytest.approx(value, rel=tolerance)
    np.testing.assert_allclose(scores.grad, gradient, atol=tolerance)


def test_ale_loss_without_violation_is_zero_with_zero_gradient():
    scores = torch.tensor([[5.0, 0.0, 0.0]], requires_grad=True)
    loss = build("ale").loss(scores, torch.tensor([0]))
    loss.backward()
    assert loss.item() == 0 and not scores.grad.any()


@pytest.mark.parametrize("name", ["devise", "ale"])
def test_training_can_be_watched_and_every_setting_counts(name):
    data = world(clips=6)
    train, classes = data.training()
    method = quick(name)
    seen: list[torch.Tensor] = []

    def monitor() -> dict[str, float]:
        seen.append(method.scores(data.split("val"), data.classes.text, "video"))
        return {"val_HM": 0.0}

    method.fit(train, classes, Job(monitor=monitor, monitor_every=1))
    assert len(seen) == 3 and not torch.equal(seen[0], seen[1])
    torch.testing.assert_close(seen[-1], method.scores(data.split("val"), data.classes.text, "video"))
    plain = method.state()["weight"]
    for change in (
        {"class_prior": "uniform"},
        {"dropout": 0.0},
        {"margin": 0.01},
        {"precision": "bf16"},
        {"scale": "none"},
    ):
        assert not torch.equal(quick(name, **change).fit(train, classes).state()["weight"], plain), change
    by_cosine = quick(name, compare_by="cosine").fit(train, classes).scores(train, classes.text, "video")
    assert by_cosine.abs().max() <= 1 + 1e-6


def test_what_overflows_is_a_clear_error_and_leaves_nothing_fitted(monkeypatch):
    train, classes = world(clips=6).training()
    diverging = quick("devise", scale="none", optimiser="sgd", lr=1e38)
    with pytest.raises(ConfigError, match="lower it"):
        diverging.fit(replace(train, video=train.video * 1e10), classes)
    overflowing = quick("sae", scale="none")
    monkeypatch.setattr(type(overflowing), "learn", lambda *_: {"weight": torch.full((24, 8), torch.inf)})
    with pytest.raises(DataError, match="sae with scale=none overflows float32"):
        overflowing.fit(train, classes)
    for method in (diverging, overflowing):
        with pytest.raises(NotFittedError):
            method.state()


@pytest.mark.parametrize("name", SINGLE)
def test_z_scores_of_far_clips_stay_finite(name):
    data = world(clips=6)
    method = quick(name, scale="z-score").fit(*data.training())
    test = data.split("test")
    far = replace(test, video=test.video / test.video.abs().max() * 3e38)
    assert torch.isfinite(method.scores(far, data.classes.text, "video")).all()


def test_pretrained_random_projection_hangs_on_the_seed():
    train, classes = world(clips=6).training()
    first, other = (
        build("pretrained", settings={"projection": "random"}).fit(train, classes, Job(seed=seed)) for seed in (0, 1)
    )
    assert not torch.equal(first.state()["weight"], other.state()["weight"])
    for method in (first, build("pretrained").fit(train, classes)):
        z = method.embed_clips(train).video
        assert z.shape == (len(train), 8) and torch.allclose(z.norm(dim=1), torch.ones(len(train)))
