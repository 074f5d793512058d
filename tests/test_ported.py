"""SJE and APN, and the ports of ALE and DeViSE, held against loops."""

import numpy as np
import pytest
import torch

from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.scores.similarity import euclidean
from tests.worlds import world


def test_sje_looks_at_the_worst_wrong_class_alone() -> None:
    scores = torch.randn(9, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2, 3])
    value, gradient = 0.0, np.zeros((9, 5))
    table = scores.detach().numpy()
    for n, right in enumerate(labels.tolist()):
        worst = max((c for c in range(5) if c != right), key=lambda c: table[n, c])
        gap = 0.3 + table[n, worst] - table[n, right]
        if gap > 0:
            value += gap
            gradient[n, worst] += 1
            gradient[n, right] -= 1
    loss = build("sje", settings={"margin": 0.3}).loss(scores, labels)
    loss.backward()
    assert loss.item() == pytest.approx(value / 9, rel=1e-6)
    np.testing.assert_allclose(scores.grad, gradient / 9, atol=1e-7)


@pytest.mark.parametrize("twice", [True, False])
def test_apn_takes_the_softmax_as_often_as_it_says(twice: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    mapped, text = torch.randn(6, 8, generator=generator), torch.randn(3, 4, generator=generator)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    terms = build("apn", settings={"twice": twice}).terms(mapped, text, labels)

    def softmax(row: np.ndarray) -> np.ndarray:
        e = np.exp(row - row.max())
        return e / e.sum()

    for name, part in (("attributes", mapped[:, :4]), ("prototypes", mapped[:, 4:])):
        entropy = square = 0.0
        for x, y in zip(part.double().numpy(), labels.tolist(), strict=True):
            logits = np.array([float(x @ t) for t in text.double().numpy()])
            entropy -= np.log(softmax(softmax(logits) if twice else logits)[y])
            square += float(((x - text[y].double().numpy()) ** 2).mean())
        assert terms[f"{name}_ce"].item() == pytest.approx(entropy / 6, rel=1e-5)
        assert terms[f"{name}_mse"].item() == pytest.approx(square / 6, rel=1e-5)


def test_apn_scores_by_its_first_map_which_starts_small_and_positive() -> None:
    data = world(clips=6)
    train, classes = data.training()
    quick = {"epochs": 1, "steps": 1, "lr": 1e-9, "optimiser": "sgd", "batch_size": 8}
    method = build("apn", settings=quick).fit(train, classes)
    weight = method.state()["weight"]
    assert weight.shape == (train.audio.shape[1] + train.video.shape[1], classes.text.shape[1])
    assert weight.min() >= 0 and weight.max() <= 2e-4
    assert weight.std() == pytest.approx(2e-4 / 12**0.5, rel=0.1)


@pytest.mark.parametrize("name", ["ale", "devise", "sje", "apn"])
def test_ports_meet_raw_word_vectors_by_distance(name: str) -> None:
    data = world(clips=6)
    train, classes = data.training()
    preset = "avca-main"
    method = build(name, preset, {"epochs": 2, "steps": 3, "batch_size": 16}).fit(train, classes, Job(seed=1))
    scores = method.scores(train, 3 * classes.text)
    z = torch.cat([train.audio, train.video], 1) @ method.state()["weight"]
    for n in range(0, len(train), 7):
        for c in range(len(classes)):
            expected = -float((z[n] - 3 * classes.text[c]).norm())
            assert float(scores[n, c]) == pytest.approx(expected, rel=1e-4)


def test_both_features_together_have_length_1() -> None:
    train, classes = world(clips=6).training()
    method = build("sje", None, {"epochs": 1, "steps": 1}).fit(train, classes)
    joint = torch.cat([train.audio, train.video], 1)
    z = (joint / joint.norm(dim=1, keepdim=True)) @ method.state()["weight"]
    torch.testing.assert_close(method.embed_clips(train).joint, z, atol=1e-5, rtol=1e-4)


def test_distances_of_far_points_do_not_overflow() -> None:
    far, near = torch.full((2, 3), 1e25), torch.ones(1, 3)
    assert euclidean(far, near)[0, 0].item() == pytest.approx(-1e25 * 3**0.5, rel=1e-5)
    assert torch.equal(euclidean(near, 2 * near), -torch.cdist(near, 2 * near))


@pytest.mark.parametrize(("name", "direction"), [("eszsl", {}), ("sae", {"direction": "F->S"})])
def test_closed_bilinear_forms_compare_by_distance_too(name: str, direction: dict[str, str]) -> None:
    train, classes = world(clips=6).training()
    method = build(name, settings={**direction, "compare_by": "euclidean"}).fit(train, classes)
    z, text = method.embed_clips(train).video, classes.text / classes.text.norm(dim=1, keepdim=True)
    scores = method.scores(train, classes.text, "video")
    for n in range(0, len(train), 5):
        for c in range(len(classes)):
            assert float(scores[n, c]) == pytest.approx(-float((z[n] - text[c]).norm()), rel=1e-4)
