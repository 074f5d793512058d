"""The loop: schedule, precision, early stopping, checkpoints."""

import json
import random
from dataclasses import replace
from itertools import count

import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.errors import ConfigError, RunError
from avgzsl.learning.checkpoint import read_checkpoint
from avgzsl.learning.training import Job, Schedule, Stage, learning_rate, plateaus, train
from avgzsl.learning.turns import Turn
from avgzsl.methods import Method, build, method_class
from avgzsl.support.device import pick_device
from avgzsl.support.progress import Step
from tests.worlds import world

QUICK = {"epochs": 12, "batch_size": 64, "lr": 0.1, "milestones": (8,), "attention_epochs": 3}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world()


def avgzslnet(**settings) -> Method:
    return build("avgzslnet", settings={**QUICK, **settings})


def equal(x: Method, y: Method) -> bool:
    a, b = x.state(), y.state()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_the_official_schedule():
    schedule = Schedule()
    assert (schedule.optimiser, schedule.lr, schedule.momentum, schedule.weight_decay) == ("sgd", 0.3, 0.9, 0)
    assert (schedule.batch_size, schedule.epochs) == (4096, 200)
    rates = [learning_rate(schedule, epoch) for epoch in (0, 74, 75, 124, 125, 174, 175, 199)]
    assert rates == pytest.approx([0.3, 0.3, 0.03, 0.03, 0.003, 0.003, 0.0003, 0.0003])


@pytest.mark.parametrize(
    ("key", "least", "most", "beyond"),
    [
        ("lr", 1e-9, 1e9, (0, -0.1, float("inf"), float("nan"))),
        ("momentum", 0, 0.99, (-0.1, 1)),
        ("weight_decay", 0, 1e9, (-0.1, float("inf"))),
        ("batch_size", 1, 10**9, (0, -1, 0.5)),
        ("epochs", 1, 10**9, (0, -1, 0.5)),
        ("decay", 1e-9, 1, (0, 1.1)),
        ("patience", 0, 10**9, (-1,)),
        ("optimiser", "sgd", "adam", ("adagrad",)),
        ("class_prior", "uniform", "empirical", ("none",)),
        ("precision", "float32", "bf16", ("float16",)),
    ],
)
def test_settings_have_bounds_and_a_meaning(key, least, most, beyond):
    for value in (least, most):
        assert getattr(Schedule(**{key: value}), key) == value
    for value in beyond:
        with pytest.raises(ValueError, match=key):
            Schedule(**{key: value})
    assert Schedule.__pydantic_fields__[key].description
    with pytest.raises(ValueError, match="Unexpected keyword"):
        Schedule(**{key: least, "speed": 1})


def test_the_other_defaults():
    schedule = Schedule()
    assert (schedule.milestones, schedule.decay, schedule.patience) == ((75, 125, 175), 0.1, 0)
    assert (schedule.class_prior, schedule.precision, schedule.feature_type) == ("uniform", "float32", torch.float32)
    assert Schedule(precision="bf16").feature_type == torch.bfloat16
    job = Job()
    assert (job.seed, job.device, job.monitor_every, job.checkpoint_seconds) == (0, "auto", 10, 10.0)
    assert (job.monitor, job.progress, job.checkpoint, job.overwrite, job.history) == (None, None, None, False, [])


def test_sgd_is_torchs_multistep_schedule(data):
    """The same steps with torch's own optimiser and scheduler, stepped at the start of each epoch > 0."""
    job = Job()
    avgzslnet(attention="none").fit(*data.training(), job)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimiser, [8], 0.1)
    rates = []
    for epoch in range(12):
        if epoch > 0:
            optimiser.step()
            scheduler.step()
        rates.append(optimiser.param_groups[0]["lr"])
    assert [record["lr"] for record in job.history] == pytest.approx(rates)


@pytest.mark.parametrize(
    "settings", [{}, {"attention": "joint"}, {"optimiser": "adam", "lr": 0.003}, {"precision": "bf16"}]
)
def test_loss_falls_and_the_history_says_so(data, settings):
    job = Job()
    avgzslnet(**settings).fit(*data.training(), job)
    losses = [record["loss"] for record in job.history if record["stage"] == "networks"]
    assert losses[-1] < 0.7 * losses[0]
    terms = job.history[0].keys() - {"stage", "epoch", "lr", "loss"}
    assert terms - {"attention"} == {"rec", "cta", "ctv", "ta", "at", "tv", "vt"}
    assert losses[0] == pytest.approx(sum(job.history[0][term] for term in terms))


def test_posthoc_attention_changes_nothing_else(data):
    with_attention, without = avgzslnet().fit(*data.training()), avgzslnet(attention="none").fit(*data.training())
    assert all(torch.equal(value, with_attention.state()[key]) for key, value in without.state().items())
    test = data.split("test")
    equal_weights = with_attention.scores(test, data.classes.text)
    assert not torch.equal(equal_weights, with_attention.scores(test, data.classes.text, "both", "attention"))


def test_hard_attention_takes_one_modality(data):
    method = avgzslnet(attention_mode="hard").fit(*data.training())
    test = data.split("test")
    both = method.scores(test, data.classes.text, "both", "attention")
    audio, video = (method.scores(test, data.classes.text, m) for m in ("audio", "video"))
    picked_video = method.embed_clips(test).video_weight == 1
    assert torch.allclose(both, torch.where(picked_video[:, None], video, audio), atol=1e-6)


def test_terms_switch_off(data):
    job = Job()
    avgzslnet(terms=("ta", "tv", "rec"), attention="none").fit(*data.training(), job)
    assert {"ta", "tv", "rec"} == job.history[0].keys() - {"stage", "epoch", "lr", "loss"}
    full, less = (
        avgzslnet(terms=t, attention="none").fit(*data.training()) for t in (("ta", "tv"), ("ta", "tv", "cta"))
    )
    assert not equal(full, less)


def test_a_set_without_video_trains_audio_alone(data):
    deaf = replace(data, splits={name: replace(clips, video=None, has_video=torch.zeros(len(clips), dtype=torch.bool))
                                 for name, clips in data.splits.items()})  # fmt: skip
    method = avgzslnet().fit(*deaf.training())
    assert method.fusions == ("equal",)
    clips = deaf.split("test")
    assert torch.equal(method.scores(clips, data.classes.text), method.scores(clips, data.classes.text, "audio"))
    with pytest.raises(ConfigError, match="teach nothing"):
        avgzslnet(terms=("tv", "vt")).fit(*deaf.training())


def test_validation_changes_no_weight(data):
    seen: list[int] = []
    watched = Job(monitor=lambda: seen.append(1) or {"val_HM": float(len(seen))}, monitor_every=5)
    assert equal(avgzslnet().fit(*data.training(), watched), avgzslnet().fit(*data.training()))
    assert [r["epoch"] for r in watched.history if "val_HM" in r] == [5, 10, 12]


def test_early_stopping_keeps_the_best_weights(data):
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.2, 0.1])
    job = Job(monitor=lambda: {"val_HM": next(scores)}, monitor_every=1)
    stopped = avgzslnet(patience=2, attention="none").fit(*data.training(), job)
    assert len(job.history) == 4
    assert equal(stopped, avgzslnet(epochs=2, attention="none").fit(*data.training()))
    with pytest.raises(ConfigError, match="patience=2"):
        avgzslnet(patience=2).fit(*data.training())


def test_divergence_is_a_clear_error(data):
    with pytest.raises(ConfigError, match="no longer finite"):
        avgzslnet(lr=1e30, distance="mse").fit(*data.training())


def linear(losses, batches=1):
    """One weight, and the terms of each batch from it."""

    class Some(Steps):
        def epoch(self, generator):
            return list(range(batches))

    module = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(1))])
    return module, Some(), lambda batch: losses(module[0].sum(), batch)


def one_epoch(losses, batches=1, job=None, **settings):
    module, sampler, loss = linear(losses, batches)
    schedule = Schedule(**{"epochs": 1, "milestones": (), **settings})
    train(Stage(0, "some", module, module, sampler, loss, schedule, torch.Generator()), job or Job())
    return module[0].item()


def test_what_diverged_is_named():
    """The terms that are not finite, or the weights where each term still was; and the rate that was too high."""
    with pytest.raises(ConfigError, match=r"no longer finite \(b, c\); lr=0\.25 is too high"):
        one_epoch(lambda w, batch: {"a": w, "b": w / 0, "c": w * torch.nan}, lr=0.25)
    with pytest.raises(ConfigError, match=r"no longer finite \(weights\)"):
        one_epoch(lambda w, batch: {"a": w * 1e30}, lr=1e30)


def test_the_history_has_the_mean_of_each_term_over_the_steps():
    job = Job()
    one_epoch(lambda w, batch: {"a": 0 * w + batch, "b": 0 * w + 1}, batches=4, job=job)
    record = {"stage": "some", "epoch": 1, "lr": 0.3, "loss": 2.5, "a": 1.5, "b": 1.0}
    assert job.history == [record]
    assert all(isinstance(job.history[0][key], float) for key in ("loss", "a", "b"))


def test_gradients_do_not_add_up_over_steps_and_terms_do():
    assert one_epoch(lambda w, batch: {"a": w, "b": 2 * w}, batches=3, lr=0.1, momentum=0.0) == pytest.approx(0.1)


def test_progress_hears_every_epoch_and_the_time_left(tmp_path, monkeypatch):
    """By a clock that goes on by one second at each look; after a resume by the pace of the epochs since then."""
    heard: list[Step] = []

    def listen(step):
        heard.append(step)
        if len(heard) == 2:
            raise Killed

    ticks = count()
    monkeypatch.setattr("avgzsl.learning.training.time.monotonic", lambda: float(next(ticks)))
    job = Job(progress=listen, checkpoint=tmp_path / "c", checkpoint_seconds=-1e9)
    with pytest.raises(Killed):
        one_epoch(lambda w, batch: {"a": w}, job=job, epochs=6)
    again = replace(job, checkpoint_seconds=1e9, history=[])
    one_epoch(lambda w, batch: {"a": w}, job=again, epochs=6)
    assert [(step.task, step.done, step.total) for step in heard] == [
        ("some", epoch, 6) for epoch in (1, 2, 2, 3, 4, 5, 6)
    ]
    first, second, *resumed = [step.left for step in heard]
    assert (first, second) == (5.0, 4 / 2 * 4)  # one look since the start, then two of the save and one more
    assert resumed == [
        pytest.approx(pace * left) for pace, left in ((1, 4), (3 / 2, 3), (5 / 3, 2), (7 / 4, 1), (2, 0))
    ]
    assert heard[-1].figures == {name: again.history[-1][name] for name in ("lr", "loss", "a")}


def test_early_stopping_takes_the_first_of_equals_and_looks_at_this_stage_alone():
    """Without a rise over `patience` looks it ends; the weights of the first best are kept."""
    for scores, epochs, kept in (
        ([0.5, 0.5, 0.5, 0.9], 3, 1),
        ([0.1, 0.2, 0.3, 0.3, 0.3, 0.9], 5, 3),
        ([0.3, 0.1, 0.4, 0.2, 0.4], 5, 3),
    ):
        left = iter(scores)
        job = Job(monitor=lambda left=left: {"val_HM": next(left)}, monitor_every=1)
        job.history.append({"stage": "other", "val_HM": 0.95})
        end = one_epoch(lambda w, batch: {"a": w}, job=job, epochs=9, patience=2, lr=0.125, momentum=0.0)
        assert len(job.history) == 1 + epochs
        assert end == 1 - 0.125 * kept


def test_early_stopping_counts_looks_not_epochs():
    """With a look every third epoch and at the last, the records between have no HM and play no part."""
    for scores, epochs, kept in (([0.3, 0.2, 0.9], 6, 3), ([0.3, 0.4, 0.4], 9, 6), ([0.1, 0.2, 0.3, 0.4], 10, 10)):
        left = iter(scores)
        job = Job(monitor=lambda left=left: {"val_HM": next(left)}, monitor_every=3)
        end = one_epoch(lambda w, batch: {"a": w}, job=job, epochs=10, patience=1, lr=0.125, momentum=0.0)
        assert len(job.history) == epochs
        assert end == 1 - 0.125 * kept


def test_checkpoints_are_written_at_most_so_often_and_at_the_end(tmp_path, monkeypatch):
    saved: list[tuple[int, bool]] = []
    monkeypatch.setattr(
        "avgzsl.learning.training.write_checkpoint", lambda path, one: saved.append((one.epoch, one.finished))
    )
    job = Job(checkpoint=tmp_path / "c", checkpoint_seconds=1e9)
    one_epoch(lambda w, batch: {"a": w}, job=job, epochs=4)
    assert saved == [(4, False), (4, True)]
    saved.clear()
    one_epoch(lambda w, batch: {"a": w}, job=replace(job, checkpoint_seconds=0.0, history=[]), epochs=3)
    assert saved == [(1, False), (2, False), (3, False), (3, True)]


def test_a_finished_stage_is_not_trained_again(tmp_path):
    """Its own checkpoint or that of a later stage restores the weights; one of an earlier stage does not count."""
    file = tmp_path / "c"
    job = Job(checkpoint=file)
    end = one_epoch(lambda w, batch: {"a": w}, job=job, epochs=2, lr=0.125, momentum=0.0)
    assert end == 0.75
    for stage, expected, epochs in ((0, 0.75, 0), (1, 0.5, 2)):
        module, sampler, loss = linear(lambda w, batch: {"a": 2 * w})
        again = Job(checkpoint=file)
        schedule = Schedule(epochs=2, milestones=(), lr=0.125, momentum=0.0)
        if stage == 1:
            module[0].data.fill_(1.0)
        train(Stage(stage, f"stage {stage}", module, module, sampler, loss, schedule, torch.Generator()), again)
        assert module[0].item() == expected
        assert len([r for r in again.history if r["stage"] == f"stage {stage}"]) == epochs
    module, sampler, loss = linear(lambda w, batch: {"a": w})
    later = Job(checkpoint=file)
    train(Stage(0, "some", module, module, sampler, loss, Schedule(epochs=5), torch.Generator()), later)
    assert module[0].item() == 0.5  # as the later stage left it


def test_turns_of_a_step_come_in_their_order_each_with_its_own_weights(tmp_path):
    """Both losses have both weights; the second, in steps 0 and 2 of three, meets what the first made of its own."""
    ours, theirs = (torch.nn.ParameterList([torch.nn.Parameter(torch.ones(1))]) for _ in range(2))
    whole = torch.nn.ModuleList([ours, theirs])
    job, met = Job(checkpoint=tmp_path / "c", checkpoint_seconds=0.0), []

    class Three(Steps):
        def epoch(self, generator):
            return [0, 1, 2]

    def first(batch):
        return {"first": (2 * ours[0] + theirs[0]).sum()}

    def second(batch):
        met.append((batch, ours[0].item()))
        return {"second": (ours[0] - theirs[0]).sum()}

    schedule = Schedule(epochs=1, milestones=(), lr=0.125, momentum=0.0)
    further = (Turn(theirs, second, every=2),)
    train(Stage(0, "some", whole, ours, Three(), first, schedule, torch.Generator(), further), job)
    assert (ours[0].item(), theirs[0].item()) == (1 - 3 * 0.25, 1 + 2 * 0.125)
    assert met == [(0, 0.75), (2, 0.25)]
    (record,) = job.history
    # terms before the first step of each turn: 3, 2.625, 2.125 and -0.25, -0.875
    assert record["first"] == pytest.approx((3 + 2.625 + 2.125) / 3) and record["second"] == (-0.25 - 0.875) / 2
    assert {"optimiser", "optimiser-1"} <= read_checkpoint(tmp_path / "c").tensors.keys()
    grown = Turn(theirs, lambda batch: {"b": 1e30 * theirs[0].sum()}, every=3)
    still = Stage(0, "else", whole, ours, Three(), lambda batch: {"a": 0 * ours[0].sum()}, schedule, torch.Generator())
    with pytest.raises(ConfigError, match=r"no longer finite \(weights\)"):
        train(replace(still, schedule=replace(schedule, lr=1e38), further=(grown,)), Job())


def test_an_unknown_device_is_a_clear_error():
    with pytest.raises(ConfigError, match="expected auto, cpu, cuda"):
        pick_device("tpu9")


def test_clips_given_away_are_scaled_in_place_and_give_the_same_model(data):
    clips, classes = data.training()
    kept = avgzslnet().fit(clips, classes)
    given = clips.take(torch.arange(len(clips)))
    assert equal(avgzslnet().fit(given, classes, Job(overwrite=True)), kept)
    lengths = torch.linalg.vector_norm(given.audio, dim=1)
    assert torch.allclose(lengths, torch.ones(len(given)), atol=1e-6)
    assert not torch.equal(given.audio, clips.audio)


def slow_sgd(point: list[float], schedule: Schedule, gradient) -> list[float]:
    """v = momentum v + (g + decay p), p = p - rate v, by hand."""
    speed = [0.0] * len(point)
    for epoch in range(schedule.epochs):
        rate = schedule.lr * schedule.decay ** len([m for m in schedule.milestones if m <= epoch])
        for _ in range(2):
            g = [slope + schedule.weight_decay * x for slope, x in zip(gradient(point), point, strict=True)]
            speed = [schedule.momentum * v + one for v, one in zip(speed, g, strict=True)]
            point = [x - rate * v for x, v in zip(point, speed, strict=True)]
    return point


def slow_adam(point: list[float], schedule: Schedule, gradient) -> list[float]:
    """Kingma and Ba, algorithm 1, with the L2 penalty in the gradient."""
    m, v, step = [0.0] * len(point), [0.0] * len(point), 0
    for epoch in range(schedule.epochs):
        rate = schedule.lr * schedule.decay ** len([m for m in schedule.milestones if m <= epoch])
        for _ in range(2):
            step += 1
            g = [slope + schedule.weight_decay * x for slope, x in zip(gradient(point), point, strict=True)]
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
            v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
            move = [(a / (1 - 0.9**step)) / ((b / (1 - 0.999**step)) ** 0.5 + 1e-8) for a, b in zip(m, v, strict=True)]
            point = [x - rate * one for x, one in zip(point, move, strict=True)]
    return point


class Steps:
    """Two batches an epoch."""

    def epoch(self, generator):
        return [0, 1]

    def state(self):
        return {}

    def restore(self, state): ...


OPTIMISERS = [
    {"momentum": 0.0},
    {"momentum": 0.7},
    {"momentum": 0.7, "weight_decay": 0.5},
    {"momentum": 0.0, "weight_decay": 0.5, "milestones": (2, 4), "decay": 0.5},
    {"optimiser": "adam"},
    {"optimiser": "adam", "weight_decay": 0.5},
    {"optimiser": "adam", "weight_decay": 0.5, "milestones": (3,), "decay": 0.2},
]


@pytest.mark.parametrize("settings", OPTIMISERS, ids=str)
def test_the_optimiser_follows_its_formula(settings):
    """Of the loss sum a (p - b)², in float64, against the formula by hand: every setting has its part."""
    schedule = Schedule(**{"lr": 0.05, "epochs": 6, "milestones": (), **settings})
    slope, target, start = [0.5, 2.0, 1.0], [1.0, -2.0, 0.5], [0.3, 0.2, -4.0]
    module = torch.nn.ParameterList([torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))])

    def loss(batch):
        gap = module[0] - torch.tensor(target, dtype=torch.float64)
        return {"bowl": (torch.tensor(slope, dtype=torch.float64) * gap.square()).sum()}

    def gradient(point):
        return [2 * a * (x - b) for a, x, b in zip(slope, point, target, strict=True)]

    job = Job()
    train(Stage(0, "bowl", module, module, Steps(), loss, schedule, torch.Generator()), job)
    slow = slow_adam if schedule.optimiser == "adam" else slow_sgd
    assert module[0].tolist() == pytest.approx(slow(start, schedule, gradient), abs=1e-6)
    first = sum(a * (x - b) ** 2 for a, x, b in zip(slope, start, target, strict=True))
    assert [record["epoch"] for record in job.history] == [1, 2, 3, 4, 5, 6]
    assert job.history[0]["loss"] == job.history[0]["bowl"] < first


@pytest.mark.parametrize("key", ["momentum", "weight_decay"])
def test_a_method_hands_its_optimiser_on(data, key):
    """Every method that trains by steps, with another value of the setting, is another model."""
    for name in ("avgzslnet", "cjme", "audio-only", "concat", "devise", "ale"):
        quick = {**QUICK, "epochs": 2, "optimiser": "sgd"}
        cls = method_class(name)
        quick = {k: v for k, v in quick.items() if k in cls.__dataclass_fields__}
        models = [build(name, settings={**quick, key: value}).fit(*data.training()) for value in (0.0, 0.5)]
        assert not equal(*models), name


class Killed(Exception):
    pass


@pytest.mark.parametrize("settings", [{}, {"optimiser": "adam", "lr": 0.003}, {"attention": "joint"}])
@pytest.mark.parametrize("stop_after", [("networks", 5), ("networks", 12), ("attention", 2)])
def test_resumed_equals_never_stopped(data, tmp_path, settings, stop_after):
    whole = Job()
    expected = avgzslnet(**settings).fit(*data.training(), whole)
    if settings.get("attention") == "joint" and stop_after[0] == "attention":
        stop_after = ("networks", 7)

    def stop(step):
        if (step.task, step.done) == stop_after:
            raise Killed

    file = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        avgzslnet(**settings).fit(*data.training(), Job(progress=stop, checkpoint=file, checkpoint_seconds=0.0))
    assert 0 < read_checkpoint(file).epoch < 12 or stop_after[0] == "attention"
    again = Job(checkpoint=file, checkpoint_seconds=0.0)
    assert equal(avgzslnet(**settings).fit(*data.training(), again), expected)
    assert json.dumps(again.history) == json.dumps(whole.history)


def test_a_file_that_is_no_checkpoint_is_a_clear_error(tmp_path):
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(b"half a file")
    with pytest.raises(RunError, match="not a checkpoint"):
        read_checkpoint(file)


@pytest.mark.parametrize("patience", [1, 3])
def test_plateaus_are_those_of_pytorch(patience: int) -> None:
    draw = random.Random(patience)
    looks = [draw.choice([0.0, 0.3, 0.30001, 0.5]) for _ in range(60)]
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, "max", 0.5, patience)
    for n, look in enumerate(looks, 1):
        theirs.step(look)
        assert 0.5 ** plateaus(looks[:n], patience) == pytest.approx(optimiser.param_groups[0]["lr"], abs=1e-7)
    assert plateaus(looks, 0) == 0


def test_a_plateau_lowers_the_rate_of_the_epochs_after_it() -> None:
    schedule = Schedule(lr=1.0, decay=0.1, milestones=(), plateau=1)
    assert learning_rate(schedule, 3, [0.2, 0.2]) == 1.0
    assert learning_rate(schedule, 3, [0.2, 0.2, 0.2]) == pytest.approx(0.1)
