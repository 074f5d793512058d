"""The loss of AVGZSLNet on a batch, against eqs. 3-12 written out tuple by tuple."""

import math
from dataclasses import replace

import pytest
import torch

from avgzsl.methods import build
from avgzsl.methods.avgzslnet import ALL_TERMS, AVGZSLNet, Networks
from avgzsl.methods.base import dimensions
from avgzsl.trainset import load_train_set
from tests.worlds import world


def prepared(dtype_missing: float = 0.0, **settings):
    data = world(missing=dtype_missing, clips=6)
    train, classes = data.training()
    method = build("avgzslnet", settings={"dropout": 0.0, **settings})
    assert isinstance(method, AVGZSLNet)
    method.networks_ = Networks(dimensions(train, classes), method, torch.Generator().manual_seed(0))
    tensors = load_train_set(train, classes, method.normalise, torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(len(train), (400, 2), generator=generator)
    pairs = rows[tensors.labels[rows[:, 0]] != tensors.labels[rows[:, 1]]][:40].T
    return method, tensors, pairs, train, classes


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm()


def slow_loss(method, pairs, train, classes) -> dict[str, float]:
    """One tuple after another, each network called on a single clip, from the raw features."""
    nets = method.networks_
    parts: dict[str, list[float]] = {}

    def distance(x, y):
        gap = (x - y).double()
        return math.sqrt((gap**2).sum()) if method.distance == "euclidean" else float((gap**2).mean())

    def add(name, value):
        parts.setdefault(name, []).append(value)

    def hinge(near, far):
        return max(near - far + method.margin, 0)

    def embed(modality, row):
        if not train.has(modality)[row]:
            return None
        return nets.project[modality](unit(train.feature(modality)[row])[None])[0]

    for p, q in pairs.T.tolist():
        x_t = {row: unit(classes.text[train.labels[row]]) for row in (p, q)}
        t = {row: nets.text(x_t[row]) for row in (p, q)}
        decoded = nets.decoder(t[p][None])[0]
        add("rec text", float(((decoded - x_t[p]).double() ** 2).mean()))
        for modality, (by_text, by_clip, triplet) in {
            "audio": ("ta", "at", "cta"),
            "video": ("tv", "vt", "ctv"),
        }.items():
            z = {row: embed(modality, row) for row in (p, q)}
            for i, (one, other) in enumerate([(p, q), (q, p)][: 1 + method.symmetric]):
                if z[one] is not None and z[other] is not None:
                    add(f"{by_text} {i}", hinge(distance(z[one], t[one]), distance(z[other], t[one])))
                if z[one] is not None:
                    add(f"{by_clip} {i}", hinge(distance(t[one], z[one]), distance(t[other], z[one])))
            if z[p] is not None:
                back = nets.decoder(z[p][None])[0]
                add(f"rec {modality}", float(((back - x_t[p]).double() ** 2).mean()))
                if z[q] is not None:
                    add(triplet, hinge(distance(decoded, back), distance(decoded, nets.decoder(z[q][None])[0])))
    total: dict[str, float] = {}
    for name, values in parts.items():
        term = name.split()[0]
        total[term] = total.get(term, 0.0) + sum(values) / len(values)
    return total


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("settings", [{}, {"distance": "mse", "symmetric": False}, {"margin": 0.2}])
def test_every_term_equals_the_equations(missing, settings):
    method, tensors, pairs, train, classes = prepared(missing, **settings)
    with torch.no_grad():
        found = method.loss(tensors, pairs, None)
        expected = slow_loss(method, pairs, train, classes)
    assert set(found) == set(expected) == set(ALL_TERMS)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, abs=2e-5), name


def test_joint_attention_weighs_each_tuple_and_keeps_the_scale():
    method, tensors, pairs, *_ = prepared(attention="joint")
    method.networks_.attention.linear.weight.data.zero_()
    method.networks_.attention.linear.bias.data.zero_()  # alpha = 1/2 everywhere: the loss without attention
    plain = replace(method, attention="none")
    plain.networks_ = method.networks_
    with torch.no_grad():
        even, without = method.loss(tensors, pairs, None), plain.loss(tensors, pairs, None)
    for name, value in without.items():
        assert torch.allclose(value, even[name], atol=1e-6)
    assert "attention" in even
    method.networks_.attention.linear.bias.data.fill_(100.0)  # alpha = 1: video counts double, audio not at all
    with torch.no_grad():
        video = method.loss(tensors, pairs, None)
    assert video["ta"] == video["at"] == 0
    assert torch.allclose(video["tv"], 2 * without["tv"], atol=1e-5)
    assert torch.allclose(video["cta"], without["cta"], atol=1e-6)  # the decoder's terms are not weighted


def test_presets():
    official, paper = build("avgzslnet", "official"), build("avgzslnet", "paper")
    assert (official.distance, official.symmetric, official.terms) == ("euclidean", True, ALL_TERMS)
    assert (paper.distance, paper.symmetric) == ("mse", False)
    assert replace(paper, distance="euclidean", symmetric=True).settings() == official.settings()
    assert build("avgzslnet", "paper", {"margin": 2}).margin == 2


def test_a_preset_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("lr: 0.05\nterms: [ta, tv]\n")
    method = build("avgzslnet", file, {"epochs": 3})
    assert (method.lr, method.terms, method.epochs) == (0.05, ("ta", "tv"), 3)
