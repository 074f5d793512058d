"""The loss of AVGZSLNet on a batch, by value and gradient, against eqs. 3-12 written out tuple by tuple."""

from dataclasses import replace

import pytest
import torch

from avgzsl.learning.train_set import load_train_set
from avgzsl.methods import build, dimensions
from avgzsl.methods.avgzslnet import ALL_TERMS, AVGZSLNet, Networks
from tests.test_cjme import slow_attention
from tests.worlds import world


def prepared(dtype_missing: float = 0.0, **settings):
    data = world(missing=dtype_missing, clips=6)
    train, classes = data.training()
    method = build("avgzslnet", settings={"dropout": 0.0, **settings})
    assert isinstance(method, AVGZSLNet)
    method.networks_ = Networks(dimensions(train, classes), method, torch.Generator().manual_seed(0))
    if method.networks_.attention is not None:  # weights of video from near 0 to near 1
        method.networks_.attention.linear.weight.data.mul_(8)
    tensors = load_train_set(train, classes, method.normalise, torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(len(train), (400, 2), generator=generator)
    pairs = rows[tensors.labels[rows[:, 0]] != tensors.labels[rows[:, 1]]][:40].T
    return method, tensors, pairs, train, classes


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm()


def slow_loss(method, pairs, train, classes) -> dict[str, torch.Tensor]:
    """One tuple after another, each network called on a single clip, from the raw features."""
    nets = method.networks_
    parts: dict[str, list[torch.Tensor]] = {}

    def distance(x, y):
        square = ((x - y) ** 2).sum()
        return square.sqrt() if method.distance == "euclidean" else square / len(x)

    def add(name, value):
        parts.setdefault(name, []).append(value)

    def hinge(near, far):
        return (near - far + method.margin).clamp(min=0)

    def rebuilt(back, x):
        return ((back - x) ** 2).sum() / len(x)

    z = {}
    for row in {int(row) for row in pairs.flatten()}:
        for modality in ("audio", "video"):
            if train.has(modality)[row]:
                z[modality, row] = nets.project[modality](unit(train.feature(modality)[row])[None])[0]
    text = [nets.text(unit(t)) for t in classes.text]
    alpha = {}
    if method.attention == "joint":  # batch statistics over all clips of the step that have both modalities
        complete = [row for row in pairs.flatten().tolist() if ("audio", row) in z and ("video", row) in z]
        alphas, penalty = slow_attention(method, complete, train, z, text)
        alpha = dict(zip(complete, alphas, strict=True))
        parts["attention"] = [penalty]
    for p, q in pairs.T.tolist():
        t = {row: text[train.labels[row]] for row in (p, q)}
        x_t = unit(classes.text[train.labels[p]])
        decoded = nets.decoder(t[p][None])[0]
        add("rec text", rebuilt(decoded, x_t))
        for modality, (by_text, by_clip, triplet) in {
            "audio": ("ta", "at", "cta"),
            "video": ("tv", "vt", "ctv"),
        }.items():
            there = {row: (modality, row) in z for row in (p, q)}
            for i, (one, other) in enumerate([(p, q), (q, p)][: 1 + method.symmetric]):
                share = 1.0
                if one in alpha:
                    share = 2 * alpha[one] if modality == "video" else 2 - 2 * alpha[one]
                if there[one] and there[other]:
                    near, far = (distance(z[modality, row], t[one]) for row in (one, other))
                    add(f"{by_text} {i}", share * hinge(near, far))
                if there[one]:
                    near, far = (distance(t[row], z[modality, one]) for row in (one, other))
                    add(f"{by_clip} {i}", share * hinge(near, far))
            if there[p]:
                back = nets.decoder(z[modality, p][None])[0]
                add(f"rec {modality}", rebuilt(back, x_t))
                if there[q]:
                    away = nets.decoder(z[modality, q][None])[0]
                    add(triplet, hinge(distance(decoded, back), distance(decoded, away)))
    total: dict[str, torch.Tensor] = {}
    for name, values in parts.items():
        term = name.split()[0]
        total[term] = total.get(term, 0.0) + sum(values) / len(values)
    return total


SETTINGS = [
    {},
    {"distance": "mse", "symmetric": False},
    {"margin": 0.2},
    {"attention": "joint", "attention_threshold": 0.001},  # fresh embeddings are all about as uncertain
    {"attention": "joint", "attention_loss": "bce", "symmetric": False},
]


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("settings", SETTINGS)
def test_every_term_and_its_gradient_equal_the_equations(missing, settings):
    method, tensors, pairs, train, classes = prepared(missing, **settings)
    weights = dict(method.networks_.named_parameters())
    found, expected = method.loss(tensors, pairs, None), slow_loss(method, pairs, train, classes)
    joint = {"attention"} if method.attention == "joint" else set()
    assert set(found) == set(expected) == {*ALL_TERMS, *joint}
    for term, value in expected.items():
        assert found[term].item() == pytest.approx(value.item(), abs=2e-5), term
        gradients = [
            torch.autograd.grad(loss, list(weights.values()), retain_graph=True, allow_unused=True)
            for loss in (found[term], value)
        ]
        for name, x, y in zip(weights, *gradients, strict=True):
            zero = torch.zeros_like(weights[name])
            assert torch.allclose(zero if x is None else x, zero if y is None else y, atol=2e-5), (term, name)


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
