"""CJME: its loss, tuple by tuple, with the attention's weight of each tuple; what it is trained and tested on."""

import math
from dataclasses import replace

import pytest
import torch

from avgzsl.errors import ConfigError, ModalityError
from avgzsl.experiments.gallery import gallery_of
from avgzsl.learning.attention import joint_weights
from avgzsl.learning.train_set import load_train_set
from avgzsl.learning.training import Job
from avgzsl.methods import build, dimensions
from avgzsl.methods.cjme import CJME
from tests.worlds import world

QUICK = {"epochs": 6, "batch_size": 64, "lr": 0.1, "milestones": (4,), "attention_epochs": 2}


def prepared(missing: float = 0.0, **settings):
    """A CJME with fresh weights, its train set, and 40 tuples."""
    data = world(missing=missing, clips=6)
    train, classes = data.training()
    method = build("cjme", settings={"dropout": 0.0, "embedding": 16, **settings})
    assert isinstance(method, CJME)
    method.networks_ = method.build(dimensions(train, classes), torch.Generator().manual_seed(0))
    if method.networks_.attention is not None:  # weights of video from near 0 to near 1
        method.networks_.attention.linear.weight.data.mul_(8)
    tensors = load_train_set(train, classes, method.normalise, torch.device("cpu"))
    rows = torch.randint(len(train), (400, 2), generator=torch.Generator().manual_seed(1))
    pairs = rows[tensors.labels[rows[:, 0]] != tensors.labels[rows[:, 1]]][:40].T
    return method, tensors, pairs, train, classes


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm()


def slow_attention(method, clips, train, z, text):
    """alpha of each clip by BatchNorm over these clips, Linear and sigmoid; its target by the entropies; L_attn."""
    net = method.networks_.attention
    x = [torch.cat([unit(train.audio[p]), unit(train.video[p])]) for p in clips]
    mean = sum(x) / len(x)
    variance = sum((one - mean) ** 2 for one in x) / len(x)
    alphas, penalties = [], []
    for p, one in zip(clips, x, strict=True):
        normed = (one - mean) / (variance + 1e-5).sqrt() * net.norm.weight + net.norm.bias
        alpha = 1 / (1 + torch.exp(-(net.linear.weight[0] @ normed + net.linear.bias[0])))
        entropy = {}
        for modality in ("audio", "video"):
            logits = [(z[modality, p] @ t).item() for t in text]
            total = math.log(sum(math.exp(logit) for logit in logits))
            entropy[modality] = -sum(math.exp(logit - total) * (logit - total) for logit in logits)
        target = 0.5
        if entropy["video"] > entropy["audio"] + method.attention_threshold:
            target = 0.0
        if entropy["audio"] > entropy["video"] + method.attention_threshold:
            target = 1.0
        alphas.append(alpha)
        cross = -target * alpha.log() - (1 - target) * (1 - alpha).log()
        penalties.append((alpha - target) ** 2 if method.attention_loss == "mse" else cross)
    return alphas, sum(penalties) / len(penalties)


def slow_loss(method, pairs, train, classes) -> dict[str, torch.Tensor]:
    """One tuple after another, each network called on a single clip, from the raw features."""
    nets = method.networks_

    def distance(x, y, kind):
        square = ((x - y) ** 2).sum()
        return square.sqrt() if kind == "euclidean" else square / len(x)

    z = {}
    for row in {int(row) for row in pairs.flatten()}:
        for modality in ("audio", "video"):
            if train.has(modality)[row]:
                z[modality, row] = nets.project[modality](unit(train.feature(modality)[row])[None])[0]
    text = [nets.text(unit(t)) for t in classes.text]
    complete = [p for p in pairs[0].tolist() if ("audio", p) in z and ("video", p) in z]
    parts: dict[str, list[torch.Tensor]] = {}
    alpha = {}
    if method.attention == "joint":
        alphas, penalty = slow_attention(method, complete, train, z, text)
        alpha = dict(zip(complete, alphas, strict=True))
        parts["attention"] = [penalty]
    for p, q in pairs.T.tolist():
        t = text[train.labels[p]]
        if p in complete:
            agreement = distance(z["audio", p], z["video", p], method.avs_distance)
            parts.setdefault("avs", []).append(method.avs_weight * agreement)
        share = {"audio": 2 - 2 * alpha[p], "video": 2 * alpha[p]} if p in alpha else {"audio": 1.0, "video": 1.0}
        for modality, term, factor in (("audio", "ta", method.ta_weight), ("video", "tv", method.tv_weight)):
            if (modality, p) in z and (modality, q) in z:
                near, far = (distance(z[modality, row], t, method.distance) for row in (p, q))
                hinge = (near - far + method.margin).clamp(min=0)
                parts.setdefault(term, []).append(factor * share[modality] * hinge)
    return {term: sum(values) / len(values) for term, values in parts.items()}


SETTINGS = [
    {"attention": "none"},
    {"attention_threshold": 0.001},  # fresh embeddings are all about as uncertain
    {"distance": "mse", "avs_distance": "euclidean", "margin": 0.2},
    {"avs_weight": 3.0, "ta_weight": 0.5, "tv_weight": 2.0, "attention_loss": "bce"},
]


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("settings", SETTINGS)
def test_every_term_and_its_gradient_equal_the_equations(missing, settings):
    method, tensors, pairs, train, classes = prepared(missing, **settings)
    weights = dict(method.networks_.named_parameters())
    found, expected = method.loss(tensors, pairs, None), slow_loss(method, pairs, train, classes)
    terms = {"avs", "ta", "tv"} | ({"attention"} if method.attention == "joint" else set())
    assert found.keys() == expected.keys() == terms
    for term, value in expected.items():
        assert found[term].item() == pytest.approx(value.item(), abs=2e-5), term
        gradients = [
            torch.autograd.grad(loss, list(weights.values()), retain_graph=True, allow_unused=True)
            for loss in (found[term], value)
        ]
        for name, x, y in zip(weights, *gradients, strict=True):
            zero = torch.zeros_like(weights[name])
            assert torch.allclose(zero if x is None else x, zero if y is None else y, atol=2e-5), (term, name)


def test_attention_weighs_tuples_not_their_means():
    """The port's broadcast gives (1 - mean alpha) · mean L_TA, which must be told apart from what is meant."""
    method, tensors, pairs, *_ = prepared()
    plain = replace(method, attention="none")
    plain.networks_ = method.networks_
    with torch.no_grad():
        found = method.loss(tensors, pairs, None)
        means = plain.loss(tensors, pairs, None)
        z = method.embed_pairs(tensors, pairs, None)
        text = method.networks_.text(tensors.text)
        inputs = (z["audio"][0], z["video"][0]), text, pairs[0], tensors, method
        alpha, _ = joint_weights(method.networks_.attention, *inputs)
        t = text[tensors.labels[pairs[0]]]
        each = {m: ((z[m][0] - t).norm(dim=1) - (z[m][1] - t).norm(dim=1) + 1).relu() for m in z}
    assert alpha.std() > 0.2
    for term, modality, weight in (("ta", "audio", 2 - 2 * alpha), ("tv", "video", 2 * alpha)):
        shortcut = weight.mean() * means[term]
        assert abs(float(found[term] - shortcut)) > 3e-3  # else this test could not tell
        assert float(found[term]) == pytest.approx(float((weight * each[modality]).mean()), abs=1e-5)


def test_attention_of_one_half_is_the_loss_without_attention():
    method, tensors, pairs, *_ = prepared(missing=0.5)
    method.networks_.attention.linear.weight.data.zero_()
    method.networks_.attention.linear.bias.data.zero_()
    plain = replace(method, attention="none")
    plain.networks_ = method.networks_
    with torch.no_grad():
        even, without = method.loss(tensors, pairs, None), plain.loss(tensors, pairs, None)
    for term, value in without.items():
        assert torch.allclose(value, even[term], atol=1e-6), term


def test_without_avs_and_attention_it_is_avgzslnet_with_two_terms():
    data = world(missing=0.3)
    cjme = build("cjme", "equal-weights", {**QUICK, "avs_weight": 0}).fit(*data.training())
    settings = {**QUICK, "attention": "none", "terms": ("ta", "tv"), "symmetric": False}
    other = build("avgzslnet", settings=settings).fit(*data.training()).state()
    for name, value in cjme.state().items():
        assert torch.allclose(value, other[name], atol=1e-6), name


@pytest.mark.parametrize("attention", ["none", "posthoc", "joint"])
def test_loss_falls(attention):
    job = Job()
    build("cjme", settings={**QUICK, "attention": attention}).fit(*world().training(), job)
    losses = [record["loss"] for record in job.history if record["stage"] == "networks"]
    assert losses[-1] < 0.9 * losses[0]
    terms = job.history[0].keys() - {"stage", "epoch", "lr", "loss"}
    assert terms == {"avs", "ta", "tv"} | ({"attention"} if attention == "joint" else set())
    assert ("attention" in {record["stage"] for record in job.history}) == (attention == "posthoc")


def test_avs_draws_the_two_embeddings_of_a_clip_together():
    data = world()
    gaps = []
    for weight in (0.0, 10.0):
        z = build("cjme", settings={**QUICK, "avs_weight": weight}).fit(*data.training()).embed_clips(data.split("val"))
        gaps.append(float((z.audio - z.video).square().mean() / (z.audio.var(0).mean() + z.video.var(0).mean())))
    assert gaps[1] < 0.9 * gaps[0]


def test_one_run_serves_every_mode_and_equal_weights_has_no_attention():
    data = world()
    test = data.split("test")
    default = build("cjme", settings=QUICK).fit(*data.training())
    assert default.attention == "joint"
    modes = gallery_of(default, test, data.classes).modes
    assert list(map(str, modes)) == ["audio", "video", "both-equal", "both-attention"]
    equal, fused = (default.scores(test, data.classes.text, "both", fusion) for fusion in ("equal", "attention"))
    assert not torch.allclose(equal, fused, atol=1e-3)
    plain = build("cjme", "equal-weights", QUICK).fit(*data.training())
    with pytest.raises(ModalityError, match="no attention fusion"):
        plain.scores(test, data.classes.text, "both", "attention")


def test_posthoc_attention_leaves_the_networks_of_equal_weights():
    data = world()
    plain = build("cjme", "equal-weights", QUICK).fit(*data.training()).state()
    posthoc = build("cjme", settings={**QUICK, "attention": "posthoc"}).fit(*data.training()).state()
    joint = build("cjme", settings=QUICK).fit(*data.training()).state()
    assert all(torch.equal(value, posthoc[name]) for name, value in plain.items())
    assert posthoc.keys() - plain.keys() and not all(torch.equal(value, joint[name]) for name, value in plain.items())


def test_a_set_without_video_trains_audio_alone():
    train, classes = world().training()
    deaf = replace(train, video=None, has_video=torch.zeros(len(train), dtype=torch.bool))
    job = Job()
    method = build("cjme", settings=QUICK).fit(deaf, classes, job)
    assert job.history[0].keys() - {"stage", "epoch", "lr", "loss"} == {"ta"}
    assert method.fusions == ("equal",)
    assert torch.equal(method.scores(deaf, classes.text), method.scores(deaf, classes.text, "audio"))
    with pytest.raises(ConfigError, match=r"ta_weight=0.* leave no triplet"):
        build("cjme", settings={**QUICK, "ta_weight": 0}).fit(deaf, classes)
