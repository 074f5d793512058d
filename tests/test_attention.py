"""The attention over the modalities, fitted afterwards and used: against its definitions, one clip after another."""

import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.learning.attention import AttentionSettings, both_present, joint_weights, video_weight
from avgzsl.learning.nets import Attention
from avgzsl.learning.train_set import load_train_set
from avgzsl.learning.training import Job
from avgzsl.methods import Method, build, dimensions
from tests.test_cjme import slow_attention, unit
from tests.worlds import world

METHODS = pytest.mark.parametrize("name", ["avgzslnet", "cjme"])
QUICK = {"epochs": 20, "batch_size": 64, "lr": 0.1, "milestones": (), "attention": "posthoc", "embedding": 16}


@pytest.fixture(scope="module")
def data() -> Dataset:
    """90 seen training clips: one batch of the post-hoc fit. Of some the sound says more, of others the picture."""
    return world(missing=0.3, clips=15, noise=1.0)


def complete(clips) -> list[int]:
    return [i for i in range(len(clips)) if clips.has_audio[i] and clips.has_video[i]]


def embedded(method: Method, train, classes):
    """Embeddings of single clips and of the classes by the finished networks."""
    nets = method.networks_
    z = {
        (modality, row): nets.project[modality](unit(train.feature(modality)[row])[None])[0]
        for row in complete(train)
        for modality in ("audio", "video")
    }
    return z, [nets.text(unit(t)) for t in classes.text]


@METHODS
@pytest.mark.parametrize("kind", ["mse", "bce"])
def test_the_posthoc_fit_is_adam_on_the_loss_of_the_finished_networks(name, kind, data):
    """One step from the weights that the seed gives: the loss on the history, then the first step of Adam."""
    train, classes = data.training()
    settings = {**QUICK, "attention_epochs": 1, "attention_lr": 0.01, "attention_loss": kind}
    job = Job(seed=3)
    method = build(name, settings=settings).fit(train, classes, job)
    learned = method.networks_.attention
    fresh = method.build(dimensions(train, classes), torch.Generator().manual_seed(3))
    z, text = embedded(method, train, classes)
    method.networks_.attention = fresh.attention
    alphas, penalty = slow_attention(method, complete(train), train, z, text)
    record = job.history[-1]
    assert (record["stage"], record["epoch"], record["lr"]) == ("attention", 1, 0.01)
    assert record["attention"] == pytest.approx(penalty.item(), abs=1e-5)
    assert len({round(alpha.item(), 2) for alpha in alphas}) > 10  # else this test could not tell
    weights = dict(fresh.attention.named_parameters())
    gradients = torch.autograd.grad(penalty, list(weights.values()))
    for (key, before), g in zip(weights.items(), gradients, strict=True):
        after = before.detach() - 0.01 * g / (g.abs() + 1e-8)
        sure = g.abs() > 1e-5  # the sign of a smaller one is rounding
        assert sure.any() and torch.allclose(dict(learned.named_parameters())[key][sure], after[sure], atol=1e-4), key


@METHODS
def test_the_posthoc_fit_favours_the_modality_that_is_the_more_certain(name, data):
    train, classes = data.training()
    method = build(name, settings={**QUICK, "attention_epochs": 200, "attention_lr": 0.01}).fit(train, classes)
    z, text = embedded(method, train, classes)
    found = method.embed_clips(train).video_weight
    by_target: dict[str, list[float]] = {"audio": [], "video": []}
    for row in complete(train):
        entropy = {}
        for modality in by_target:
            p = torch.softmax(torch.stack([z[modality, row] @ t for t in text]), 0)
            entropy[modality] = -(p * p.log()).sum().item()
        if abs(entropy["audio"] - entropy["video"]) > method.attention_threshold:
            by_target[min(entropy, key=entropy.__getitem__)].append(float(found[row]))
    assert min(map(len, by_target.values())) > 5
    audio, video = (sum(values) / len(values) for values in by_target.values())
    assert audio < 0.45 < 0.55 < video


@METHODS
@pytest.mark.parametrize("mode", ["soft", "hard"])
@pytest.mark.parametrize("attention", ["posthoc", "joint"])
def test_at_test_time_the_weight_is_that_of_video(name, mode, attention, data):
    """alpha by running statistics over [audio; video], Linear and sigmoid; scores (1 - alpha) a + alpha v."""
    settings = {**QUICK, "attention": attention, "attention_mode": mode, "attention_epochs": 40, "attention_lr": 0.03}
    method = build(name, settings=settings).fit(*data.training())
    test, classes = data.split("test"), data.classes
    full = test.where(test.has_audio & test.has_video)
    net = method.networks_.attention
    norm, alphas = net.norm, []
    for audio, video in zip(full.audio, full.video, strict=True):
        x = torch.cat([unit(audio), unit(video)])
        normed = (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        alphas.append(1 / (1 + torch.exp(-(net.linear.weight[0] @ normed + net.linear.bias[0]))))
    alpha = torch.stack(alphas).detach()
    alpha = (alpha > 0.5).float() if mode == "hard" else alpha
    assert alpha.std() > 0.05 and abs(float(alpha.mean()) - 0.5) < 0.45  # else this test could not tell
    assert torch.allclose(method.embed_clips(full).video_weight, alpha, atol=1e-5)
    audio, video = (method.scores(full, classes.text, m) for m in ("audio", "video"))
    fused = method.scores(full, classes.text, "both", "attention")
    assert torch.allclose(fused, (1 - alpha[:, None]) * audio + alpha[:, None] * video, atol=1e-5)
    lone = test.where(test.has_audio & ~test.has_video)
    assert torch.equal(
        method.scores(lone, classes.text, "both", "attention"), method.scores(lone, classes.text, "audio")
    )


def test_the_defaults_are_the_documented_ones():
    settings = AttentionSettings()
    assert (settings.attention, settings.attention_mode, settings.attention_loss) == ("posthoc", "soft", "mse")
    assert (settings.attention_threshold, settings.attention_epochs, settings.attention_lr) == (0.1, 20, 0.001)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("attention_threshold", -0.1), ("attention_threshold", float("inf")), ("attention_epochs", 0),
     ("attention_lr", 0.0), ("attention_lr", float("inf"))],
)  # fmt: skip
def test_settings_out_of_range_are_refused(key, wrong):
    assert AttentionSettings(attention_threshold=0).attention_threshold == 0
    assert AttentionSettings(attention_epochs=1).attention_epochs == 1
    with pytest.raises(ValueError, match=key):
        AttentionSettings(**{key: wrong})


def test_a_weight_of_one_half_is_video_when_hard():
    net = Attention(5, torch.Generator().manual_seed(0))
    net.linear.weight.data.zero_()
    net.linear.bias.data.zero_()
    audio, video = torch.zeros(2, 3), torch.zeros(2, 2)
    assert video_weight(net, audio, video, AttentionSettings(attention_mode="hard")).tolist() == [1, 1]
    net.linear.bias.data.fill_(-1e-3)
    assert video_weight(net, audio, video, AttentionSettings(attention_mode="hard")).tolist() == [0, 0]


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_step_with_fewer_than_two_complete_clips_is_not_weighted(left, data):
    """BatchNorm needs two clips; those that lack a modality have 1/2, and teach nothing."""
    train, classes = data.training()
    tensors = load_train_set(train, classes, True, torch.device("cpu"))
    whole = both_present(tensors)
    assert whole.tolist() == complete(train)
    lacking = torch.tensor([i for i in range(len(train)) if i not in set(whole.tolist())])
    rows = torch.cat([lacking[:3], whole[:left]])
    net = Attention(train.audio.shape[1] + train.video.shape[1], torch.Generator().manual_seed(0))
    z = torch.randn(2, len(rows), 4, generator=torch.Generator().manual_seed(1))
    settings = AttentionSettings(attention="joint")
    text = torch.randn(len(classes), 4, generator=torch.Generator().manual_seed(2))
    before = net.norm.running_mean.clone()
    alpha, penalty = joint_weights(net, (z[0], z[1]), text, rows, tensors, settings)
    assert alpha[:3].tolist() == [0.5] * 3
    if left < 2:
        assert alpha.tolist() == [0.5] * len(rows) and penalty.item() == 0
        assert torch.equal(net.norm.running_mean, before)
    else:
        assert (alpha[3:] != 0.5).all() and penalty.item() > 0
        assert not torch.equal(net.norm.running_mean, before)  # batch statistics are remembered


@pytest.mark.parametrize(("count", "batches"), [(257, 1), (258, 2)])
def test_batches_are_of_256_clips_and_one_clip_alone_has_no_statistics_of_its_own(count, batches):
    """A last batch of one clip uses those of before; how many batches were met, BatchNorm counts."""
    train, classes = world(seen=2, unseen=1, clips=129).training()
    job = Job()
    method = build("avgzslnet", settings={**QUICK, "epochs": 1, "attention_epochs": 3})
    method.fit(train.take(torch.arange(count)), classes, job)
    losses = [record["attention"] for record in job.history if record["stage"] == "attention"]
    assert len(losses) == 3 and all(0 <= loss <= 1 for loss in losses)
    assert method.networks_.attention.norm.num_batches_tracked == 3 * batches


def test_the_monitor_is_not_asked_during_the_posthoc_fit(data):
    asked: list[int] = []
    job = Job(monitor=lambda: asked.append(1) or {"val_HM": 0.5}, monitor_every=1)
    build("avgzslnet", settings={**QUICK, "attention_epochs": 3}).fit(*data.training(), job)
    assert len(asked) == QUICK["epochs"]


def test_a_posthoc_fit_that_was_cut_off_goes_on_with_the_finished_networks(data, tmp_path):
    """Its checkpoint holds all networks, so that the first stage need not be done again."""
    settings = {**QUICK, "epochs": 3, "attention_epochs": 4}
    expected = build("cjme", settings=settings).fit(*data.training()).state()
    heard: list[tuple[str, int]] = []

    def stop(step):
        heard.append((step.task, step.done))
        if heard == [("networks", 1), ("networks", 2), ("networks", 3), ("attention", 1), ("attention", 2)]:
            raise KeyboardInterrupt

    job = Job(progress=stop, checkpoint=tmp_path / "c", checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        build("cjme", settings=settings).fit(*data.training(), job)
    heard.append(("again", 0))
    again = (
        build("cjme", settings=settings).fit(*data.training(), Job(progress=stop, checkpoint=tmp_path / "c")).state()
    )
    assert heard[6:] == [("attention", 2), ("attention", 3), ("attention", 4)]
    assert again.keys() == expected.keys() and all(torch.equal(value, again[key]) for key, value in expected.items())
