"""AVCA: its whole loss by plain functions and loops, its sizes by hand, its attention by PyTorch's own."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity, gelu, layer_norm, scaled_dot_product_attention

from avgzsl.learning.losses import relation
from avgzsl.learning.train_set import load_train_set
from avgzsl.learning.training import Job
from avgzsl.learning.two_tokens import TwoTokens
from avgzsl.methods import build, dimensions
from avgzsl.methods.avca import AVCA, Networks
from tests.worlds import world

SMALL = {"width": 10, "hidden": 12, "embedding": 6}
DRY = {"encoder_dropout": 0.0, "projection_dropout": 0.0, "decoder_dropout": 0.0}


def prepared(**settings):
    """An AVCA with fresh weights, its train set, and 40 tuples."""
    train, classes = world(clips=6).training()
    method = build("avca", settings={**SMALL, **DRY, **settings})
    assert isinstance(method, AVCA)
    method.networks_ = method.build(dimensions(train, classes), torch.Generator().manual_seed(0))
    tensors = load_train_set(train, classes, method.normalise, torch.device("cpu"))
    rows = torch.randint(len(train), (400, 2), generator=torch.Generator().manual_seed(1))
    pairs = rows[tensors.labels[rows[:, 0]] != tensors.labels[rows[:, 1]]][:40].T
    return method, tensors, pairs


def block(net, x):
    """Linear, normalisation by the batch, ReLU, as often as the block has layers."""
    for layer in net.layers:
        x = x @ layer.linear.weight.T + layer.linear.bias
        x = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt() * layer.norm.weight + layer.norm.bias
        x = x.clamp(min=0)
    return x


def attended(net, audio, video):
    """One clip after another, one head after another."""
    rows = []
    for a, v in zip(audio, video, strict=True):
        x = [a + net.positions[0], v + net.positions[1]]
        normed = [layer_norm(t, t.shape, net.before_attention.weight, net.before_attention.bias) for t in x]
        read = [net.queries_keys_values.weight @ t for t in normed]
        for i in (0, 1):
            heads = []
            for h in range(3):
                query, *rest = (read[i][300 * part + 100 * h :][:100] for part in range(3))
                keys, values = ([r[300 * part + 100 * h :][:100] for r in read] for part in (1, 2))
                assert torch.equal(rest[0], keys[i])
                weight = torch.stack([query @ key / 10 for key in keys]).exp()
                heads.append((weight[0] * values[0] + weight[1] * values[1]) / weight.sum())
            x[i] = x[i] + net.out.weight @ torch.cat(heads) + net.out.bias
        for i in (0, 1):
            t = layer_norm(x[i], x[i].shape, net.before_perceptron.weight, net.before_perceptron.bias)
            x[i] = x[i] + net.second(gelu(net.first(t)))
        rows.append((a + x[0], v + x[1]))
    return torch.stack([row[0] for row in rows]), torch.stack([row[1] for row in rows])


def t(anchor, near, far):
    """TripletMarginLoss of the published code."""
    return nn.TripletMarginLoss(margin=1.0)(anchor, near, far)


def slow_loss(method, data, pairs):
    """The equations of the code, written out one by one."""
    n, mse = method.networks_, nn.MSELoss()
    phi, theta, rho = {}, {}, {}
    for side, rows in zip("pq", pairs, strict=True):
        for m in ("audio", "video"):
            phi[m, side] = block(n.encode[m], data.feature[m][rows])
        seen = attended(n.attend, phi["audio", side], phi["video", side])
        for m, x in zip(("audio", "video"), seen, strict=True):
            theta[m, side] = block(n.project[m], x)
            rho[m, side] = block(n.decode, theta[m, side])
        theta["w", side] = block(n.text, data.text[data.labels[rows]])
    w, rho_w = data.text[data.labels[pairs[0]]], block(n.decode, theta["w", "p"])
    a, v = (theta["audio", "p"], theta["audio", "q"]), (theta["video", "p"], theta["video", "q"])
    z, z_q = theta["w", "p"], theta["w", "q"]
    rec_a, rec_v = block(n.recover["audio"], a[0]), block(n.recover["video"], v[0])
    terms = {
        "rec": mse(w, rho["video", "p"]) + mse(w, rho["audio", "p"]) + mse(w, rho_w),
        "ct": t(rho_w, rho["audio", "p"], rho["audio", "q"]) + t(rho_w, rho["video", "p"], rho["video", "q"]),
        "w": t(z, a[0], a[1]) + t(a[0], z, z_q) + t(z, v[0], v[1]) + t(v[0], z, z_q),
        "t": t(a[0], z, a[1]) + t(v[0], z, v[1]) + t(z, a[0], z_q) + t(z, v[0], z_q),
        "reg": mse(rec_v, phi["video", "p"]) + mse(rec_a, phi["audio", "p"]) + mse(v[0], z) + mse(a[0], z),
    }
    if method.alignment == "relation":
        total = 0.0
        for side in "pq":
            x, y = phi["video", side], phi["audio", side]
            gaps = [
                (cosine_similarity(x[i], x[j], 0) - cosine_similarity(y[i], y[j], 0)) ** 2
                for i in range(len(x))
                for j in range(len(x))
            ]
            total += sum(gaps) / len(gaps)
        terms["alignment"] = 1e-3 * total
    return terms


@pytest.mark.parametrize("alignment", ["none", "relation"])
def test_the_loss_is_that_of_the_code(alignment):
    method, data, pairs = prepared(alignment=alignment)
    expected = slow_loss(method, data, pairs)
    found = method.loss(data, pairs, torch.Generator())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-5, abs=1e-7), name
    weights = list(method.networks_.parameters())
    ours, theirs = (torch.autograd.grad(sum(terms.values()), weights) for terms in (found, expected))
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=2e-5)


def test_it_has_as_many_weights_as_its_sizes_say():
    """UCF, SeLaVi: 512 numbers of sound and of picture, 300 of text."""
    networks = Networks({"audio": 512, "video": 512, "text": 300}, AVCA(), torch.Generator().manual_seed(0))

    def layer(n_in, n_out):
        return n_in * n_out + n_out + 2 * n_out

    encoder = layer(512, 512) + layer(512, 300)
    attention = 300 * 900 + 300 * 300 + 300 + 300 * 64 + 64 + 64 * 300 + 300 + 4 * 300
    projection = layer(300, 512) + layer(512, 64)
    expected = 2 * encoder + attention + 2 * projection + layer(300, 64) + 3 * layer(64, 300)
    assert sum(weight.numel() for weight in networks.parameters()) == expected == 1_692_508


def test_attention_is_pytorchs_own():
    net = TwoTokens(10, 0.0, torch.Generator().manual_seed(0))
    x = torch.randn(7, 2, 10, generator=torch.Generator().manual_seed(1))
    q, k, v = (part.view(7, 2, 3, 100).transpose(1, 2) for part in net.queries_keys_values(x).chunk(3, -1))
    expected = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(7, 2, 300)
    assert torch.allclose(net._mixed(x), expected, atol=1e-6)


def test_position_vectors_stay_as_they_were_drawn_unless_they_are_weights():
    data = world(clips=6)
    fitted = build("avca", settings={**SMALL, "steps": 3, "epochs": 2}).fit(*data.training(), Job(seed=4))
    fresh = fitted.build({"audio": 20, "video": 24, "text": 8}, torch.Generator().manual_seed(4))
    state = fitted.state()
    assert torch.equal(state["attend.positions"], fresh.attend.positions)
    assert not torch.equal(state["attend.out.weight"], fresh.attend.out.weight)
    trained = TwoTokens(10, 0.0, torch.Generator(), trained=True)
    assert "positions" in dict(trained.named_parameters())


def test_relation_sees_angles_alone():
    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(9, 4, generator=g), torch.rand(9, 5, generator=g)
    scale = torch.rand(9, 1, generator=g) * 5 + 0.1
    assert float(relation(scale * x, y)) == pytest.approx(float(relation(x, y)), rel=1e-5)
    assert float(relation(x, 3 * x)) == pytest.approx(0, abs=1e-12) and float(relation(x, y)) > 1e-3


def test_the_recovered_picture_counts_in_the_running_statistics():
    """The public code runs it through the picture's projection, for nothing but these."""
    seen = []
    for counted in (True, False):
        method, data, pairs = prepared(recovered_statistics=counted)
        method.loss(data, pairs, torch.Generator())
        norm = method.networks_.project["video"].layers[-1].norm
        seen.append((int(norm.num_batches_tracked), norm.running_mean.clone()))
    assert [count for count, _ in seen] == [3, 2]
    assert not torch.equal(seen[0][1], seen[1][1])


@pytest.mark.parametrize(("preset", "settings"), [
    (None, (0.2, 0.3, 0.5, 0.1, 256)),
    ("ucf-cls", (0.2, 0.3, 0.5, 0.99, 256)),
    ("activitynet", (0.2, 0.2, 0.1, 0.99, 256)),
    ("vggsound-main", (0.0, 0.0, 0.1, 0.1, 64)),
    ("vggsound-cls", (0.0, 0.0, 0.0, 0.99, 256)),
])  # fmt: skip
def test_presets_are_the_published_table(preset, settings):
    made = build("avca", preset)
    found = made.encoder_dropout, made.projection_dropout, made.decoder_dropout, made.norm_momentum, made.batch_size
    assert found == settings
    assert (made.steps, made.epochs, made.lr, made.weight_decay, made.plateau, made.replacement, made.normalise) == (
        500, 50, 1e-3, 1e-5, 3, True, False)  # fmt: skip
