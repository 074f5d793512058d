"""Losses, gradients, attention, scores and calibration: what the device makes of numbers that the CPU makes, too."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from avgzsl.learning import losses
from avgzsl.learning.nets import Attention, Decoder, Projection, unit_rows
from avgzsl.scores.choosing import Problem, choose_energy, choose_stacking
from avgzsl.scores.energy import corrected
from avgzsl.scores.metrics import classification, retrieval
from avgzsl.scores.scoring import best_penalty, fuse, predict, rank, sweep, top
from avgzsl.scores.similarity import SIMILARITIES
from benchmarks.gpu.part import Row, Where, apart, must, near

NEEDS: tuple[str, ...] = ()
SECONDS = 40
LIMIT = 1e-4  # of float32: sums of thousands, and differences of like numbers


def drawn(*shapes: tuple[int, ...]) -> list[Tensor]:
    """Random numbers on the CPU, the same each time."""
    generator = Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


def gaps(device: str, call: Callable[..., Tensor], inputs: Sequence[Tensor]) -> tuple[float, float]:
    """How far the value and the gradients by the inputs are from those of the CPU."""
    results = []
    for at in ("cpu", device):
        leaves = [x.detach().to(at).requires_grad_() for x in inputs]
        value = call(*leaves)
        slopes = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
        results.append((value, [slope for slope in slopes if slope is not None]))
    (here, slopes_here), (there, slopes_there) = results
    slopes = [apart(y, x) for x, y in zip(slopes_here, slopes_there, strict=True)]
    return apart(there, here), max(slopes, default=0.0)


def loss_rows(where: Where) -> list[Row]:
    """Every loss on random embeddings."""
    n, c = where.size(4096, 64), 23
    z_p, z_q, t, x, y, alpha = drawn((n, 64), (n, 64), (n, 64), (n, 300), (n, 300), (n,))
    text = drawn((c, 64))[0]
    cases: dict[str, tuple[Callable[..., Tensor], list[Tensor]]] = {
        **{f"distance {name}": (d, [z_p, t]) for name, d in losses.DISTANCES.items()},
        "triplets": (lambda p, q, t: losses.text_anchored(_pairs(p, q, t), 1.0), [z_p, z_q, t]),
        "reconstruction": (losses.reconstruction, [x, y]),
        "decoded triplet": (lambda a, p, q: losses.decoded_triplet(a, p, q, "euclidean", 1.0), [x, y, x.flip(0)]),
        "attention, mse": (lambda a: losses.attention_loss(a.sigmoid(), a.detach().sigmoid().round(), "mse"), [alpha]),
        "attention, bce": (lambda a: losses.attention_loss(a.sigmoid(), a.detach().sigmoid().round(), "bce"), [alpha]),
        "relation": (losses.relation, [z_p, x]),
        "distribution gap": (losses.distribution_gap, [x, y]),
    }
    found = {name: gaps(where.device, *case) for name, case in cases.items()}
    targets = [losses.attention_target(z_p.to(at), z_q.to(at), text.to(at), 0.1).cpu() for at in ("cpu", where.device)]
    return [
        near(f"losses ({', '.join(cases)}): farthest value from the CPU's", max(v for v, _ in found.values()), LIMIT),
        near("losses: farthest gradient from the CPU's", max(slope for _, slope in found.values()), LIMIT),
        near("attention: share of targets that differ", float((targets[0] != targets[1]).double().mean()), 1e-3),
    ]


def _pairs(p: Tensor, q: Tensor, t: Tensor) -> losses.PairDistances:
    d = losses.DISTANCES["euclidean"]
    return losses.PairDistances(d(p, t), d(p, t.flip(0)), d(q, t), d(q, t.flip(0)))


def net_rows(where: Where) -> list[Row]:
    """Networks at rest, and the scaling of rows."""
    n = where.size(4096, 64)
    x, v, z = drawn((n, 1024), (n, 1024), (n, 64))
    cases = {}
    for name, make, inputs in (
        ("projection", lambda g: Projection(1024, 256, 64, 0.5, g), [x]),
        ("decoder", lambda g: Decoder(64, 128, 300, g), [z]),
        ("attention", lambda g: Attention(2048, g), [x, v]),
    ):
        net = make(Generator().manual_seed(1))
        here = net(*inputs)
        there = net.to(where.device)(*(value.to(where.device) for value in inputs))
        cases[name] = apart(there, here)
    cases["rows of length 1"] = apart(unit_rows(x.to(where.device)), unit_rows(x))
    for name, similarity in SIMILARITIES.items():
        cases[name] = apart(similarity(z.to(where.device), z[:33].to(where.device)), similarity(z, z[:33]))
    return [
        near(f"networks and similarities ({', '.join(cases)}): farthest from the CPU's", max(cases.values()), LIMIT)
    ]


def score_rows(where: Where) -> list[Row]:
    """From the same scores the same decisions, to the last one: there is nothing to round."""
    n, c = where.size(31_280, 300), 33
    scores, other = drawn((n, c), (n, c))
    scores, labels = scores.mul(50).round() / 50, torch.arange(n) % c  # ties are met, too
    seen = torch.arange(c) % 3 > 0
    has = torch.arange(n) % 7 > 0

    def all_of(at: str) -> list[Tensor | float]:
        s, o, y, k, h = (value.to(at) for value in (scores, other, labels, seen, has))
        stacking = choose_stacking([Problem(s, y, k)], (0.0,))
        energy = choose_energy([Problem(s, y, k)])
        figures = classification(s, y, k, stacking.gamma)
        found = retrieval(corrected(s, k, energy.share, energy.temperature), y, k)
        return [
            predict(s, k, 0.1), top(s, k, 0.1, 5)[0], rank(s), *sweep(s, y, k), fuse(s, o, h, torch.ones_like(h)),
            *best_penalty(s, y, k), stacking.gamma, energy.share, figures.HM, figures.AUSUC, found.HM,
        ]  # fmt: skip

    here, there = all_of("cpu"), all_of(where.device)
    exact = all(
        torch.equal(x.cpu(), y.cpu()) if isinstance(x, Tensor) and isinstance(y, Tensor) else abs(x - y) < 1e-9
        for x, y in zip(here, there, strict=True)
    )
    return [
        must(f"scores of {n:,} clips: predictions, ranks, curve, penalty, calibration, figures are the CPU's", exact)
    ]


def rows(where: Where) -> list[Row]:
    """All of them."""
    return loss_rows(where) + net_rows(where) + score_rows(where)
