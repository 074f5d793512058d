"""AVGZSLNet's step with its gradients written out, against automatic differentiation of the plain loss."""

from dataclasses import replace

import pytest
import torch

from avgzsl.learning.nets import Projection
from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.methods._networks import Setup
from avgzsl.methods.avgzslnet import AVGZSLNet
from tests.worlds import world


def prepared(missing=0.0, dtype=torch.float32, **settings):
    """A method, what its fit starts from, tuples with repeated clips, and the written step, if it has one."""
    train, classes = world(missing=missing, clips=6).training()
    method = build("avgzslnet", settings={"attention": "none", **settings})
    setup = method.prepare(train, classes, Job())
    setup.networks.to(dtype)
    data = replace(
        setup.data,
        text=setup.data.text.to(dtype),
        feature={
            m: x.to(torch.bfloat16 if method.precision == "bf16" else dtype) for m, x in setup.data.feature.items()
        },
    )
    setup = replace(setup, data=data, generator=torch.Generator().manual_seed(7))
    method.networks_ = setup.networks
    rows = torch.randint(len(train), (400, 2), generator=torch.Generator().manual_seed(1))
    pairs = rows[data.labels[rows[:, 0]] != data.labels[rows[:, 1]]][:48].T
    return method, setup, pairs, method.written(setup)


def plain(method, setup: Setup, pairs):
    """Terms, and the gradient of their sum by every weight, by automatic differentiation."""
    terms = method.loss(setup.data, pairs, setup.generator)
    weights = dict(method.networks_.named_parameters())
    gradients = torch.autograd.grad(torch.stack(list(terms.values())).sum(), list(weights.values()))
    return terms, dict(zip(weights, gradients, strict=True))


def by_name(method, gradients):
    names = {id(weight): name for name, weight in method.networks_.named_parameters()}
    found = {names[id(weight)]: gradient for weight, gradient in gradients}
    assert len(found) == len(gradients)
    return found


def far(one: torch.Tensor, other: torch.Tensor) -> float:
    """The distance of two tensors over the length of the second."""
    return float((one - other).double().norm() / other.double().norm())


CASES = [
    {},
    {"symmetric": False},
    {"margin": 0.0},
    {"margin": 0.1, "symmetric": False, "dropout": 0.2},
    {"dropout": 0.0, "embedding": 20, "decoder_hidden": 40},
]


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_terms_and_gradients_are_those_of_the_plain_loss(settings):
    method, setup, pairs, written = prepared(**settings)
    assert len(pairs.unique()) < pairs.numel()  # clips come more than once
    state = setup.generator.get_state()
    terms, gradients = plain(method, setup, pairs)
    after = setup.generator.get_state()
    setup.generator.set_state(state)
    found, given = written(pairs)
    assert torch.equal(setup.generator.get_state(), after)  # the same draws, and as many
    assert list(found) == list(terms)
    for name, value in terms.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-5), name
    given = by_name(method, given)
    assert given.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert given[name].shape == gradient.shape and given[name].dtype == gradient.dtype
        assert far(given[name], gradient) < 1e-5, name
    whole = [torch.cat([part[name].flatten() for name in gradients]) for part in (given, gradients)]
    assert far(*whole) < 2e-6


@pytest.mark.parametrize("symmetric", [True, False])
def test_gradients_are_slopes_of_the_terms(symmetric):
    """In float64, by differences: each weight is moved along its gradient, and along a random direction."""
    method, _, pairs, written = prepared(dtype=torch.float64, dropout=0.0, symmetric=symmetric)
    _, gradients = written(pairs)
    generator = torch.Generator().manual_seed(3)

    def height() -> float:
        return float(sum(written(pairs)[0].values()))

    for name, gradient in by_name(method, gradients).items():
        weight = dict(method.networks_.named_parameters())[name]
        for way in (gradient, torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype)):
            step = 1e-6 * way / way.norm()
            before = weight.detach().clone()
            with torch.no_grad():
                weight.copy_(before + step)
                up = height()
                weight.copy_(before - step)
                down = height()
                weight.copy_(before)
            assert (up - down) / 2 == pytest.approx(float((gradient * step).sum()), rel=1e-4, abs=1e-12), name


def test_one_modality_alone_and_its_terms():
    method, setup, pairs, _ = prepared(dropout=0.0)
    only = replace(setup.data, feature={"video": setup.data.feature["video"]}, complete={"video": True})
    setup = replace(setup, data=only)
    project = {"video": setup.networks.project["video"]}
    assert isinstance(project["video"], Projection)
    setup.networks.project = torch.nn.ModuleDict(project)
    terms, gradients = plain(method, setup, pairs)
    found, given = method.written(setup)(pairs)
    assert list(found) == list(terms) == ["rec", "tv", "vt", "ctv"]
    for name, gradient in gradients.items():
        assert far(by_name(method, given)[name], gradient) < 1e-5, name


@pytest.mark.parametrize("symmetric", [True, False])
def test_clips_that_stand_where_their_text_does_have_distance_0_and_no_slope(symmetric):
    """Zero weights of the last layers: every embedding is the bias, and that is the text's, too."""
    method, setup, pairs, written = prepared(dropout=0.0, symmetric=symmetric, margin=1.0)
    place = torch.linspace(-3, 5, method.embedding)
    with torch.no_grad():
        setup.networks.text.weight.zero_()
        setup.networks.text.bias.copy_(place)
        for net in setup.networks.project.values():
            net.second.weight.zero_()
            net.second.bias.copy_(place)
    terms, gradients = plain(method, setup, pairs)
    found, given = written(pairs)
    triplets = 2.0 if symmetric else 1.0
    assert {name: value.item() for name, value in found.items() if name != "rec"} == {
        name: triplets if name in ("ta", "at", "tv", "vt") else 1.0 for name in terms if name != "rec"
    }
    assert found["rec"].item() == pytest.approx(terms["rec"].item(), rel=1e-5)
    for name, gradient in by_name(method, given).items():
        assert bool(gradient.isfinite().all()), name
        assert torch.allclose(gradient, gradients[name], rtol=1e-4, atol=1e-6), name
    assert not by_name(method, given)["project.audio.second.weight"].equal(torch.zeros(()))  # rec still pulls


def test_in_bfloat16_it_is_as_near_to_float32_as_the_plain_loss_is():
    method, setup, pairs, written = prepared(precision="bf16", dropout=0.0)
    exact, _, _, exact_step = prepared(dropout=0.0)
    for name, value in exact.networks_.state_dict().items():
        assert torch.equal(value, method.networks_.state_dict()[name])
    wanted = by_name(exact, exact_step(pairs)[1])
    with torch.autocast("cpu", torch.bfloat16):
        terms, gradients = plain(method, setup, pairs)
    found, given = written(pairs)
    for name, value in found.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(terms[name].item(), rel=0.02), name
    given = by_name(method, given)
    assert {gradient.dtype for gradient in given.values()} == {torch.float32}
    whole, theirs, right = (torch.cat([part[name].flatten() for name in wanted]) for part in (given, gradients, wanted))
    assert far(whole, right) < max(0.01, 1.2 * far(theirs, right))


@pytest.mark.parametrize(
    "settings",
    [
        {"distance": "mse"},
        {"rec_distance": "euclidean"},
        {"terms": ("rec", "ta", "at")},
        {"attention": "joint"},
        {"decoded_unit": True},
        {"body": "batchnorm"},
        {"text_hidden": 8},
        {"missing": 0.3},
    ],
    ids=str,
)
def test_what_it_does_not_cover_keeps_the_plain_loss(settings):
    assert prepared(**settings)[3] is None


def test_a_method_with_another_loss_keeps_that():
    _, setup, _, written = prepared()

    class Mine(AVGZSLNet, name="mine"):
        def loss(self, data, pairs, generator):
            return {"mine": torch.zeros((), requires_grad=True)}

    assert written is not None and AVGZSLNet.written(Mine(attention="none"), setup) is None


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("dropout", [0.5, 0.2])
def test_nothing_in_it_hangs_on_a_value(precision, dropout):
    """On a device without values, to read one is an error, and so is a shape that hangs on one: a GPU never waits."""
    method, setup, pairs, _ = prepared(precision=precision, dropout=dropout)
    data = setup.data
    away = replace(
        data,
        feature={m: x.to("meta") for m, x in data.feature.items()},
        labels=data.labels.to("meta"),
        text=data.text.to("meta"),
        buffer={},
    )
    setup.networks.to("meta")
    written = method.written(replace(setup, data=away))
    terms, gradients = written(pairs.to("meta"))
    assert [gradient.shape for _, gradient in gradients] == [weight.shape for weight, _ in gradients]
    assert {value.device.type for value in terms.values()} == {"meta"}
