"""f-VAEGAN: its losses by loops and finite differences, its sizes and steps by hand, and runs of it end to end."""

import math

import pytest
import torch
from torch import nn

from avgzsl.archive.indexing import index
from avgzsl.errors import ConfigError
from avgzsl.experiments.calibration import read_recognition
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.learning.train_set import load_train_set
from avgzsl.learning.training import Job
from avgzsl.methods import build, dimensions
from avgzsl.methods._vaegan import Critic, Networks, Sizes, divergence, gradient_penalty, reconstruction
from avgzsl.methods.f_vaegan import FVAEGAN
from avgzsl.recognition.recognise import predict
from tests import clip_runs
from tests.small_set import write_set
from tests.worlds import world

SMALL = {"latent": 4, "hidden": 8, "batch_size": 16, "epochs": 3, "synthetic": 20, "classifier_epochs": 2}


def g(seed=0):
    return torch.Generator().manual_seed(seed)


def fitted(data=None, job=None, **settings):
    method = build("f-vaegan", settings={**SMALL, **settings})
    assert isinstance(method, FVAEGAN)
    return method.fit(*(data or world()).training(), job or Job())


def test_the_gradient_penalty_by_finite_differences():
    critic = Critic(5, 7, g()).double()
    real, fake = (torch.randn(6, 5, generator=g(seed)).double() for seed in (1, 2))
    first, second = critic.first.weight.detach(), critic.second.weight[0].tolist()
    share, expected, step = torch.rand(6, 1, generator=g(3)), 0.0, 1e-6
    for row in range(6):
        place = share[row] * real[row] + (1 - share[row]) * fake[row]

        def at(x):
            hidden = (first @ x + critic.first.bias.detach()).tolist()
            return sum(w * (h if h > 0 else 0.2 * h) for w, h in zip(second, hidden, strict=True))

        slope = [(at(place + step * axis) - at(place - step * axis)) / (2 * step) for axis in torch.eye(5).double()]
        expected += (math.sqrt(sum(part**2 for part in slope)) - 1) ** 2 / 6
    # a critic gives float32
    found = gradient_penalty(critic, real, fake, g(3))
    assert found.item() == pytest.approx(expected, rel=1e-4)
    found.backward()
    assert float(critic.first.weight.grad.abs().sum()) > 0


def test_batches_are_drawn_as_in_the_port_and_the_preset_keeps_its_own():
    method = build("f-vaegan")
    assert (method.class_prior, method.replacement, method.batch_size) == ("uniform", True, 64)
    labels = torch.tensor([0] * 200 + [1] * 2)
    drawn = method.sampler(labels, 2).epoch(g())[0]
    assert len(drawn) == 64 and 20 <= int((labels[drawn] == 1).sum()) <= 44, "though one clip in a hundred is of it"
    preset = build("f-vaegan", "realset")
    assert (preset.class_prior, preset.replacement) == ("empirical", False)


def test_reconstruction_and_divergence_are_sums_over_clips_and_numbers():
    made, x = torch.rand(4, 3, generator=g(1)), torch.rand(4, 3, generator=g(2)) - 0.3
    mean, log_variance = (torch.randn(4, 2, generator=g(seed)) for seed in (3, 4))
    entropy = square = kl = 0.0
    for i in range(4):
        for p, target in zip(made[i].tolist(), x[i].tolist(), strict=True):
            t = max(target, 0.0)
            entropy -= t * math.log(p) + (1 - t) * math.log(1 - p)
            square += (p - target) ** 2 / 2
        for m, v in zip(mean[i].tolist(), log_variance[i].tolist(), strict=True):
            kl += (math.exp(v) + m * m - 1 - v) / 2
    assert float(x.min()) < 0
    assert reconstruction(made, x, sigmoid=True).item() == pytest.approx(entropy, rel=1e-5)
    assert reconstruction(made, x, sigmoid=False).item() == pytest.approx(square, rel=1e-5)
    assert divergence(mean, log_variance).item() == pytest.approx(kl, rel=1e-5)


def test_the_terms_of_both_turns_from_the_networks():
    train, classes = world(clips=6).training()
    method = build("f-vaegan", settings=SMALL)
    nets = method.networks_ = method.build(dimensions(train, classes), g())
    data, rows = load_train_set(train, classes, False, torch.device("cpu")), torch.tensor([3, 1, 8])
    x = nn.functional.normalize(torch.cat([train.audio[rows], train.video[rows]], 1))
    w = classes.text[train.labels[rows]]
    chance = g(5)
    fake = nets.maker(torch.randn(3, 4, generator=chance), w)
    found = method.loss(data, rows, g(5))
    assert {*found} == {"critic", "critic_penalty", "second_critic", "second_critic_penalty"}
    pairs = ((torch.cat([fake[i], w[i]])[None], torch.cat([x[i], w[i]])[None]) for i in range(3))
    gap = sum((nets.critic(made) - nets.critic(real)).item() for made, real in pairs) / 3
    assert found["critic"].item() == pytest.approx(gap, rel=1e-4)
    gap = (nets.second_critic(fake) - nets.second_critic(x)).mean().item()
    assert found["second_critic"].item() == pytest.approx(gap, rel=1e-4)
    penalty = 10 * gradient_penalty(lambda v: nets.critic(torch.cat([v, w], 1)), x, fake.detach(), chance)
    assert found["critic_penalty"].item() == pytest.approx(penalty.item(), rel=1e-4)

    chance = g(6)
    mean, log_variance = nets.encoder(x, w)
    again = nets.maker(mean + torch.randn(3, 4, generator=chance) * (log_variance / 2).exp(), w)
    noise = nets.maker(torch.randn(3, 4, generator=chance), w)
    word = sum(nets.critic(torch.cat([made, w], 1)).mean().item() for made in (again, noise))
    found = method.maker_loss(data, rows, g(6))
    assert found["adversarial"].item() == pytest.approx(-1e5 * word, rel=1e-4)
    assert found["reconstruction"].item() == pytest.approx(reconstruction(again, x, True).item(), rel=1e-5)
    assert found["divergence"].item() == pytest.approx(divergence(mean, log_variance).item(), rel=1e-5)


def test_it_has_as_many_weights_as_its_sizes_say():
    """SeLaVi: 512 and 512; word2vec: 300."""
    nets = Networks({"audio": 512, "video": 512, "text": 300}, Sizes(300, 512, "sigmoid"), g())

    def layer(n_in, n_out):
        return n_in * n_out + n_out

    encoder = layer(1324, 300) + 2 * layer(300, 300)
    generator = layer(600, 512) + layer(512, 1024)
    critics = layer(1324, 512) + layer(1024, 512) + 2 * layer(512, 1)
    assert sum(weight.numel() for weight in nets.parameters()) == encoder + generator + critics
    assert sum(weight.numel() for weight in nets.critics.parameters()) == critics
    assert sum(weight.numel() for weight in nets.makers.parameters()) == encoder + generator
    assert float(nets.critic.first.weight.detach().std()) == pytest.approx(0.02, rel=0.01)
    assert not nets.critic.first.bias.any() and not nets.second_critic.second.bias.any()
    made = nets.made(torch.randn(7, 300, generator=g()), g()).detach()
    assert made.shape == (7, 1024) and 0 < float(made.min()) < float(made.max()) < 1


@pytest.mark.parametrize(
    ("updates", "critics", "makers"),
    [("as-shipped", 3, 3), ("as-meant", 3 * 9, 3 * 2)],  # 144 clips are 9 batches of 16; 0 and 5 are the generator's
)
def test_how_often_each_turn_comes(updates, critics, makers, monkeypatch):
    counted = {"loss": 0, "maker_loss": 0}
    for name in counted:
        own = getattr(FVAEGAN, name)

        def counting(self, *given, name=name, own=own):
            counted[name] += 1
            return own(self, *given)

        monkeypatch.setattr(FVAEGAN, name, counting)
    job = Job()
    fitted(updates=updates, job=job)
    assert counted == {"loss": critics, "maker_loss": makers}
    assert len(job.history) == 3
    assert {"critic", "second_critic_penalty", "adversarial", "divergence"} <= job.history[0].keys()


class Broken(Exception):
    pass


@pytest.mark.parametrize("updates", ["as-shipped", "as-meant"])
def test_a_resumed_training_ends_with_the_same_bytes(updates, tmp_path):
    def stop_after_two(step):
        if step.done == 2:
            raise Broken

    whole_job = Job()
    whole = fitted(updates=updates, epochs=5, job=whole_job).state()
    job = Job(checkpoint=tmp_path / "c", checkpoint_seconds=0.0, progress=stop_after_two)
    with pytest.raises(Broken):
        fitted(updates=updates, epochs=5, job=job)
    again = Job(checkpoint=tmp_path / "c")
    state = fitted(updates=updates, epochs=5, job=again).state()
    assert [record["epoch"] for record in again.history] == [1, 2, 3, 4, 5]
    assert again.history == whole_job.history
    assert all(torch.equal(value, state[key]) for key, value in whole.items())


@torch.no_grad()
def test_a_classifier_takes_real_clips_of_known_classes_and_made_ones_of_others():
    data = world()
    seen = data.classes.seen
    for kept, of_seen in ((5, 5), (0, 20)):
        with torch.enable_grad():
            method = fitted(kept=kept)
        _, labels = method._examples(method.networks_, method.kept_, data.classes.text, g())
        expected = torch.where(seen, of_seen, 20)
        assert torch.equal(torch.bincount(labels), expected)
        x, labels = method._examples(method.networks_, method.kept_, data.classes.text, g())
        assert torch.allclose(x.norm(dim=1), torch.ones(len(x)), atol=1e-5)
    with torch.enable_grad():
        method = fitted(kept=5)
    x, labels = method._examples(method.networks_, method.kept_, data.classes.text, g())
    train = data.split("train")
    first = int(seen.nonzero()[0])
    real = nn.functional.normalize(torch.cat([train.audio, train.video], 1))[train.labels == first]
    near = torch.cdist(x[labels == first], real).amin(1)
    assert float(near.max()) < 2e-3  # kept as float16


def test_names_are_told_apart_whatever_their_order_and_a_name_alone_is_a_list():
    data, method = world(), fitted()
    text = data.classes.text
    order = torch.randperm(len(text), generator=g(1))
    whole, turned = method.embed_text(text).joint, method.embed_text(text[order]).joint
    assert whole.shape == (len(text), 20 + 24 + 1)
    assert torch.equal(whole[order], turned)
    assert method.embed_text(text[:1]).joint.shape == (1, 45) and method.embed_text(text[:0]).joint.shape == (0, 45)
    twice = method.embed_text(torch.cat([text, text[:1]])).joint
    assert torch.equal(twice[0], twice[-1])


def test_its_settings_are_the_ports():
    made = build("f-vaegan")
    assert (made.batch_size, made.lr, made.momentum, made.epochs, made.synthetic) == (64, 1e-3, 0.5, 50, 1000)
    assert (made.updates, made.critic_steps, made.penalty, made.adversarial) == ("as-shipped", 5, 10, 1e5)
    assert (made.latent, made.hidden, made.classifier_epochs, made.classifier_lr) == (300, 512, 30, 1e-3)
    assert made.optimiser == "adam" and made.weight_decay == 0 and not made.milestones


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    data = write_set(tmp_path_factory.mktemp("data") / "set")
    return data, train(data, "f-vaegan", settings=SMALL, out=tmp_path_factory.mktemp("runs") / "run").folder


def test_a_run_is_evaluated_and_read_back(run):
    _, folder = run
    assert evaluate(folder).results == evaluate(folder).results
    assert load_run(folder).method.state()["kept.features"].dtype == torch.float16


def test_clips_are_recognised_among_any_names(tmp_path):
    files = clip_runs.clips(tmp_path / "clips")
    settings = {**SMALL, "updates": "as-meant", "output": "linear", "adversarial": 10.0, "lr": 0.01, "epochs": 30}
    settings |= {"classifier_lr": 0.01, "classifier_epochs": 20}
    run = clip_runs.train(clip_runs.dataset(files), tmp_path / "run", "f-vaegan", **settings)
    seen = [name for name in clip_runs.NAMES if name not in clip_runs.UNSEEN]
    results = predict(run.folder, [files[name] for name in seen], [*seen, "violet high"], calibrated=False)
    assert [result.top[0].label for result in results] == seen
    assert not read_recognition(run.folder).lines  # no search will ask for them


def test_an_index_refuses_it_with_the_reason(run, tmp_path):
    data, folder = run
    with pytest.raises(ConfigError, match="one list of names at a time"):
        index(folder, data, tmp_path / "index", split="val", engine="memory")


def test_kept_clips_that_do_not_fit_are_refused():
    data, method = world(), fitted()
    sizes = dimensions(data.split("train"), data.classes)
    state = method.state()
    for name, bad in (
        ("kept.features", state["kept.features"][:, 1:]),
        ("kept.labels", state["kept.labels"] + 100),
        ("kept.text", state["kept.text"][:, 1:]),
    ):
        with pytest.raises(ValueError, match="kept clips are not"):
            build("f-vaegan", settings=SMALL).restore({**state, name: bad}, sizes)
