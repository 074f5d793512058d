"""Each loss term by value and gradient against loops that follow the paper's equations letter by letter."""

import math

import pytest
import torch

from avgzsl.learning import losses
from avgzsl.learning.losses import PairDistances

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
DISTANCE = pytest.mark.parametrize("distance", ["euclidean", "mse"])


def vectors(*shape: int, dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def slow_distance(x: list[float], y: list[float], distance: str) -> float:
    square = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    return math.sqrt(square) if distance == "euclidean" else square / len(x)


def distances_of(z_p, z_q, t_p, t_q, distance):
    d = losses.DISTANCES[distance]
    return PairDistances(d(z_p, t_p), d(z_p, t_q), d(z_q, t_p), d(z_q, t_q))


def slow_terms(z_p, z_q, t_p, t_q, distance, margin):
    """Eqs. 7 and 8 for each tuple, and with p and q exchanged."""
    rows = zip(*(x.tolist() for x in (z_p, z_q, t_p, t_q)), strict=True)
    out = []
    for zp, zq, tp, tq in rows:
        d = lambda x, y: slow_distance(x, y, distance)  # noqa: E731
        out.append(
            [
                max(d(zp, tp) - d(zq, tp) + margin, 0),
                max(d(tp, zp) - d(tq, zp) + margin, 0),
                max(d(zq, tq) - d(zp, tq) + margin, 0),
                max(d(tq, zq) - d(tp, zq) + margin, 0),
            ]
        )
    return torch.tensor(out, dtype=torch.float64)


@DTYPES
@DISTANCE
@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_triplets_by_value(dtype, distance, margin):
    z_p, z_q, t_p, t_q = (vectors(17, 6, dtype=dtype, seed=i) for i in range(4))
    d = distances_of(z_p, z_q, t_p, t_q, distance)
    found = [
        losses.text_anchored(d, margin),
        losses.clip_anchored(d, margin),
        losses.text_anchored(d.mirrored(), margin),
        losses.clip_anchored(d.mirrored(), margin),
    ]
    expected = slow_terms(z_p, z_q, t_p, t_q, distance, margin)
    assert torch.allclose(torch.stack(found, 1).double(), expected, atol=1e-5 if dtype is torch.float32 else 1e-12)
    assert 0 < (expected == 0).float().mean() < 1  # both sides of the hinge are met


@DTYPES
@DISTANCE
def test_decoded_triplet_and_reconstruction_by_value(dtype, distance):
    t, p, q = (vectors(11, 9, dtype=dtype, seed=i) for i in range(3))
    rows = list(zip(t.tolist(), p.tolist(), q.tolist(), strict=True))
    triplet = [max(slow_distance(a, b, distance) - slow_distance(a, c, distance) + 0.5, 0) for a, b, c in rows]
    rebuilt = [slow_distance(b, a, "mse") for a, b, _ in rows]
    tolerance = 1e-5 if dtype is torch.float32 else 1e-12
    found = losses.decoded_triplet(t, p, q, distance, 0.5)
    assert torch.allclose(found.double(), torch.tensor(triplet, dtype=torch.float64), atol=tolerance)
    assert torch.allclose(losses.reconstruction(p, t).double(), torch.tensor(rebuilt).double(), atol=tolerance)


def in_both_precisions(function, *inputs: torch.Tensor) -> None:
    """The gradient agrees with finite differences in float64, and in float32 with the one in float64."""
    wide = [x.double().requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(function, wide)
    narrow = [x.detach().float().requires_grad_() for x in inputs]
    grads = [torch.autograd.grad(function(*xs).sum(), xs, materialize_grads=True) for xs in (narrow, wide)]
    for a, b in zip(*grads, strict=True):
        assert torch.allclose(a.double(), b, atol=1e-5)


@DISTANCE
def test_gradients(distance):
    z_p, z_q, t_p, t_q = (vectors(5, 4, dtype=torch.float64, seed=i) for i in range(4))
    for term in (losses.text_anchored, losses.clip_anchored):
        in_both_precisions(
            lambda a, b, c, d, term=term: term(distances_of(a, b, c, d, distance), 1.0), z_p, z_q, t_p, t_q
        )
    in_both_precisions(lambda t, p, q: losses.decoded_triplet(t, p, q, distance, 1.0), z_p, z_q, t_p)
    in_both_precisions(losses.reconstruction, z_p, z_q)


def test_euclidean_gradient_at_distance_zero_is_zero():
    x = torch.ones(2, 3, requires_grad=True)
    losses.euclidean(x, x.detach().clone()).sum().backward()
    assert torch.equal(x.grad, torch.zeros(2, 3))


def test_mean_where_counts_only_defined_tuples():
    values, weight = torch.tensor([1.0, 2.0, 4.0, torch.inf]), torch.tensor([1.0, 2.0, 0.5, 1.0])
    defined = torch.tensor([True, False, True, False])
    assert losses.mean_where(values, defined) == 2.5
    assert losses.mean_where(values[:3], None, weight[:3]) == (1 + 4 + 2) / 3
    assert losses.mean_where(values, defined, weight) == 1.5
    assert losses.mean_where(values, torch.zeros(4, dtype=torch.bool)) == 0


def test_weights_are_per_sample_not_batch_means():
    """The public port multiplies (B, 1) by (B,), and so weighs batch means: that gives another number here."""
    values, weight = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0])
    assert losses.mean_where(values, None, weight) == 3.0
    assert (weight[:, None] * values).mean() == 2.0


@DTYPES
def test_attention_target_by_value(dtype):
    audio, video, text = (vectors(n, 5, dtype=dtype, seed=i) * 0.8 for i, n in enumerate((40, 40, 6)))
    target = losses.attention_target(audio, video, text, 0.1)

    def entropy(z):
        logits = [sum(a * b for a, b in zip(z, t, strict=True)) for t in text.tolist()]
        total = sum(math.exp(x) for x in logits)
        return -sum(math.exp(x) / total * math.log(math.exp(x) / total) for x in logits)

    expected = []
    for a, v in zip(audio.tolist(), video.tolist(), strict=True):
        gap = entropy(v) - entropy(a)
        expected.append(0.0 if gap > 0.1 else 1.0 if gap < -0.1 else 0.5)
    assert target.tolist() == expected and set(expected) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize("kind", ["mse", "bce"])
def test_attention_loss(kind):
    alpha, target = torch.tensor([0.2, 0.9, 0.5]).double(), torch.tensor([0.0, 1.0, 0.5]).double()
    expected = [(a - t) ** 2 if kind == "mse" else -t * math.log(a) - (1 - t) * math.log(1 - a)
                for a, t in zip(alpha.tolist(), target.tolist(), strict=True)]  # fmt: skip
    assert torch.allclose(losses.attention_loss(alpha, target, kind), torch.tensor(expected).double())
    in_both_precisions(lambda a: losses.attention_loss(a, target.to(a.dtype), kind), alpha)
