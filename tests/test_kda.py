"""KDA: its networks by PyTorch's own layers, both losses clip by clip, its sizes by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import layer_norm, multi_head_attention_forward, normalize

from avgzsl.learning.train_set import load_train_set
from avgzsl.learning.training import Job
from avgzsl.methods import build, dimensions, method_class
from avgzsl.methods.kda import KDA, Networks
from avgzsl.testing.scores import all_scores
from tests.worlds import world


def prepared(**settings):
    """A KDA with fresh weights and no dropout, its train set, and rows of clips."""
    train, classes = world(clips=6).training()
    method = build("kda", settings={"width": 12, **settings})
    assert isinstance(method, KDA)
    method.networks_ = method.build(dimensions(train, classes), torch.Generator().manual_seed(0))
    method.networks_.attend.dropout = 0.0
    method.networks_.map.data.mul_(5000)
    tensors = load_train_set(train, classes, method.normalise, torch.device("cpu"))
    return method, tensors, torch.randint(len(train), (30,), generator=torch.Generator().manual_seed(1))


def block(net, x):
    for layer in net.layers:
        x = nn.functional.batch_norm(layer.linear(x), None, None, layer.norm.weight, layer.norm.bias, True).relu()
    return x


def slow(method, data, rows):
    """Where the clips are mapped to; the attention by PyTorch's own, whose heads are as wide as its vectors allow."""
    nets, att = method.networks_, method.networks_.attend
    audio, video = (block(nets.encode[m], data.feature[m][rows]) for m in ("audio", "video"))
    x = torch.stack([audio + att.positions[0], video + att.positions[1]])
    normed = layer_norm(x, (12,), att.before_attention.weight, att.before_attention.bias)
    q, k, v = att.queries_keys_values(normed).chunk(3, -1)
    same = torch.eye(300)
    mixed, _ = multi_head_attention_forward(
        q, k, v, 300, 3, torch.cat([same] * 3), torch.zeros(900), None, None, False, 0.0,
        same, torch.zeros(300), training=False,
    )  # fmt: skip
    x = x + att.out(mixed)
    hidden = nn.functional.gelu(
        att.first(layer_norm(x, (12,), att.before_perceptron.weight, att.before_perceptron.bias))
    )
    x = x + att.second(hidden)
    joint = torch.cat([block(nets.project["video"], video + x[1]), block(nets.project["audio"], audio + x[0])], 1)
    return normalize(joint) @ nets.map.T


@pytest.mark.parametrize("loss_by", ["code", "paper"])
def test_both_losses_clip_by_clip(loss_by):
    method, data, rows = prepared(loss_by=loss_by)
    mapped, labels = slow(method, data, rows).detach(), data.labels[rows].tolist()
    found = method.loss(data, rows, torch.Generator())
    text = data.text
    if loss_by == "code":
        expected = {
            "mse": 5 * sum(((u - text[y]) ** 2).mean() for u, y in zip(mapped, labels, strict=True)) / len(rows)
        }
    else:
        method.networks_.margin_scale.data.fill_(1.5)
        found = method.loss(data, rows, torch.Generator())
        entropy, gap = 0.0, 0.0
        for u, y in zip(mapped, labels, strict=True):
            scores = [math.exp(u @ t) for t in text]
            logits = [
                score / sum(scores) + 1.5 * float(torch.cosine_similarity(text[y], text[c], 0)) - (c == y)
                for c, score in enumerate(scores)
            ]
            entropy += math.log(sum(map(math.exp, logits))) - logits[y]
            means = (u.mean() - text[y].mean()) ** 2
            gap += (means + (u.std(correction=0) - text[y].std(correction=0)) ** 2) ** 2
        expected = {"entropy": torch.tensor(entropy / len(rows)), "distribution": gap / len(rows)}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_it_has_as_many_weights_as_its_sizes_say():
    """VGGish 128, C3D 4096, CLIP 512."""
    networks = Networks({"audio": 128, "video": 4096, "text": 512}, KDA(), torch.Generator().manual_seed(0))

    def layer(n_in, n_out):
        return n_in * n_out + n_out + 2 * n_out

    encoders = layer(128, 512) + layer(512, 512) + layer(4096, 1024) + layer(1024, 512)
    attention = 2 * 512 + 512 * 900 + 300 * 512 + 512 + 512 * 64 + 64 + 64 * 512 + 512 + 4 * 512
    expected = encoders + attention + 4 * layer(512, 512) + 512 * 1024
    assert sum(weight.numel() for weight in networks.parameters()) == expected
    assert 0 <= float(networks.map.detach().min()) < float(networks.map.detach().max()) <= 2e-4


def test_it_learns_unseen_classes_and_says_what_was_chosen_on_test():
    data = world()
    method = build("kda", settings={"batch_size": 64, "steps": 4, "epochs": 25}).fit(*data.training(), Job())
    test = data.split("test")
    unseen = ~data.classes.seen[test.labels]
    (scores,) = all_scores(method, test, data.classes).values()
    predicted = scores[unseen].masked_fill(data.classes.seen, -torch.inf).argmax(1)
    assert (predicted == test.labels[unseen]).float().mean() > 0.5
    assert "penalty" in method_class("kda").chosen_on_test
    made = build("kda")
    assert (made.lr, made.momentum, made.batch_size, made.steps, made.epochs, made.plateau, made.weight_decay) == (
        1e-3, 0.5, 2048, 50, 50, 4, 0.0)  # fmt: skip
