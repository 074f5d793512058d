"""AVGZSLNet and CJME as the AVCA benchmark has them, held against PyTorch's own layers and losses."""

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from avgzsl.errors import ConfigError
from avgzsl.learning.train_set import load_train_set
from avgzsl.learning.training import Job
from avgzsl.methods import build, dimensions
from avgzsl.testing.scores import all_scores
from tests.worlds import world

SMALL = {"hidden": 9, "text_hidden": 7, "embedding": 6, "dropout": 0.0}
TRIPLET = nn.TripletMarginLoss(margin=1.0)


def prepared(name, **settings):
    """The preset with small fresh networks, its train set, and 40 tuples."""
    train, classes = world(clips=6).training()
    method = build(name, "avca", {**SMALL, **settings})
    method.networks_ = method.build(dimensions(train, classes), torch.Generator().manual_seed(0))
    tensors = load_train_set(train, classes, method.normalise, torch.device("cpu"))
    rows = torch.randint(len(train), (400, 2), generator=torch.Generator().manual_seed(1))
    pairs = rows[tensors.labels[rows[:, 0]] != tensors.labels[rows[:, 1]]][:40].T
    return method, tensors, pairs


def theirs(net, relu=False):
    """Linear, BatchNorm, ReLU, Linear (and ReLU), with the weights of ours."""
    first, second = net.first.linear, net.second
    norm = nn.BatchNorm1d(first.out_features)
    last = [nn.ReLU()] if relu else []
    layers = nn.Sequential(nn.Linear(*first.weight.T.shape), norm, nn.ReLU(), nn.Linear(*second.weight.T.shape), *last)
    layers[0].load_state_dict(first.state_dict())
    layers[3].load_state_dict(second.state_dict())
    return layers


def embedded(method, data, pairs, relu=False):
    """Each network called for clips p and for clips q, as the public code does."""
    nets = method.networks_
    z = {}
    for m in ("audio", "video"):
        net = theirs(nets.project[m], relu)
        for side, rows in zip("pq", pairs, strict=True):
            z[m, side] = net(data.feature[m][rows])
    text = theirs(nets.text, relu)
    for side, rows in zip("pq", pairs, strict=True):
        z["text", side] = text(data.text[data.labels[rows]])
    return z, text


def test_avgzslnet_is_that_of_the_benchmark():
    method, data, pairs = prepared("avgzslnet", decoder_dropout=0.0)
    z, _ = embedded(method, data, pairs)
    decoder = theirs(method.networks_.decoder)
    back = {key: normalize(decoder(value)) for key, value in z.items()}
    t_p, t_q, word = z["text", "p"], z["text", "q"], data.text[data.labels[pairs[0]]]
    expected = {"rec": sum((back[m, "p"] - word).pow(2).sum(1).sqrt().mean() for m in ("text", "audio", "video"))}
    for m, (by_text, by_clip, decoded) in (("audio", ("ta", "at", "cta")), ("video", ("tv", "vt", "ctv"))):
        expected[by_text] = TRIPLET(t_p, z[m, "p"], z[m, "q"])
        expected[by_clip] = TRIPLET(z[m, "p"], t_p, t_q)
        expected[decoded] = TRIPLET(back["text", "p"], back[m, "p"], back[m, "q"])
    found = method.loss(data, pairs, torch.Generator())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-5), name


def test_cjme_is_that_of_the_benchmark():
    """The grid of tuples by tuples, as its code multiplies a column by a row."""
    method, data, pairs = prepared("cjme")
    method.networks_.attention.linear.weight.data.mul_(8)
    for net in (*method.networks_.project.values(), method.networks_.text):  # so that entropies differ
        net.second.weight.data.mul_(4)
    z, text = embedded(method, data, pairs, relu=True)
    a, v, t_p = z["audio", "p"], z["video", "p"], z["text", "p"]
    each = nn.TripletMarginLoss(margin=1.0, reduction="none")
    l_ta, l_tv = each(t_p, a, z["audio", "q"]), each(t_p, v, z["video", "q"])
    joined = torch.cat([data.feature[m][pairs[0]] for m in ("audio", "video")], 1)
    attention = method.networks_.attention
    norm = nn.BatchNorm1d(joined.shape[1])
    alpha = torch.sigmoid(attention.linear(norm(joined)))
    classes = text(data.text)
    gap = [torch.distributions.Categorical(logits=x @ classes.T).entropy() for x in (v, a)]
    gap = gap[0] - gap[1]
    target = torch.where(gap > 0.1, 0.0, torch.where(gap < -0.1, 1.0, 0.5))
    expected = ((1 - alpha) * l_ta + alpha * l_tv).mean() + nn.MSELoss()(a, v) + nn.MSELoss()(alpha[:, 0], target)
    found = method.loss(data, pairs, torch.Generator())
    assert alpha.std() > 0.05 and len(target.unique()) > 1
    assert sum(found.values()).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["avgzslnet", "cjme"])
def test_the_presets_train_and_come_back(name):
    data = world()
    few = {"hidden": 16, "steps": 4, "epochs": 12, "lr": 0.01, "dropout": 0.2}
    method = build(name, "avca", few).fit(*data.training(), Job(seed=1))
    twin = build(name, "avca", few).restore(method.state(), dimensions(data.split("train"), data.classes))
    ours, again = (all_scores(m, data.split("test"), data.classes) for m in (method, twin))
    assert ours.keys() == again.keys() and all(torch.equal(value, again[key]) for key, value in ours.items())
    assert (method.batch_size, method.replacement, method.plateau, method.text_scale) == (256, True, 3, "raw")
    if name == "cjme":
        weight = method.embed_clips(data.split("test")).video_weight
        assert set(weight.unique().tolist()) <= {0.0, 1.0}


def test_halves_of_a_plain_body_are_refused():
    sizes, generator = {"audio": 3, "video": 3, "text": 3}, torch.Generator()
    with pytest.raises(ConfigError, match="set body=batchnorm"):
        build("cjme", settings={"end_relu": True}).build(sizes, generator)
    with pytest.raises(ConfigError, match=r"decoder_dropout=0\.5"):
        build("avgzslnet", settings={"decoder_dropout": 0.5}).build(sizes, generator)
