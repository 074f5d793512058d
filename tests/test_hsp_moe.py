"""HSP-MoE, held against counts by hand, its losses written out in loops, and brute force in its two spaces."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from avgzsl import search
from avgzsl.archive.indexing import index
from avgzsl.archive.nearest import nearest
from avgzsl.data.clips import Dataset, TextPart
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import ConfigError
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.train_evaluate import train
from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.methods._sphere_losses import distribution, relation, uniformity
from avgzsl.methods.hsp_moe import HSPMoE
from avgzsl.testing.worlds import world
from tests.clipclap_loops import SMALL, Oracle, Rows, case, cross_entropy, dots, mean_square
from tests.index_world import brute_force, collection_of, here, random_embeddings
from tests.small_set import ORDER, write_set, write_vectors


def shared_world(seed: int = 0) -> Dataset:
    """Video of 3 numbers and audio of 5, and text of 8: so wide as both, and it is known which part is whose."""
    data = world(seed, seen=4, unseen=2, clips=6, sizes=(5, 3, 8))
    return replace(data, classes=replace(data.classes, parts=(TextPart(3, space="video"), TextPart(5, space="audio"))))


def unit(rows: Rows) -> Rows:
    lengths = [math.sqrt(sum(x * x for x in row)) or 1.0 for row in rows]
    return [[x / length for x in row] for row, length in zip(rows, lengths, strict=True)]


def softmax(row: list[float]) -> list[float]:
    total = sum(map(math.exp, row))
    return [math.exp(x) / total for x in row]


def distance(x: list[float], y: list[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


def linear(layer: nn.Linear, rows: Rows) -> Rows:
    return [[a + b for a, b in zip(row, layer.bias.tolist(), strict=True)] for row in dots(rows, layer.weight.tolist())]


def slow_experts(experts: nn.Module, video: Rows, audio: Rows) -> Rows:
    """The routing in loops, without dropout."""
    alone = (unit(linear(experts.of_video, video)), unit(linear(experts.of_audio, audio)))
    looks = [v + a for v, a in zip(*alone, strict=True)]
    for layer in experts.router[:2]:
        looks = [[max(0.0, x) for x in row] for row in linear(layer, looks)]
    share = [softmax(row) for row in linear(experts.router[2], looks)]
    mixed = [[0.0] * experts.of_video.out_features for _ in video]
    for k, rows in enumerate(([v + a for v, a in zip(video, audio, strict=True)], video, audio)):
        expert = experts.experts[k]
        hidden = []
        for row in linear(expert.first, rows):
            mean = sum(row) / len(row)
            deviation = math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + 1e-5)
            scaled = [(x - mean) / deviation for x in row]
            hidden.append([x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in scaled])
        for i, said in enumerate(unit(linear(expert.second, hidden))):
            mixed[i] = [m + share[i][k] * s for m, s in zip(mixed[i], said, strict=True)]
    return unit(mixed)


def slow_distribution(q: Rows, c: Rows, x: Rows, w: Rows, t: float) -> float:
    total = 0.0
    for teacher_scores, student_scores in zip(dots(x, w), dots(q, c), strict=True):
        teacher = softmax([s / t for s in teacher_scores])
        student = softmax([s / t for s in student_scores])
        total += sum(a * math.log(a / b) for a, b in zip(teacher, student, strict=True))
    return t * t * total / len(q)


def slow_relation(q: Rows, x: Rows) -> float:
    n = len(q)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    return sum((dots(q, q)[i][j] - dots(x, x)[i][j]) ** 2 for i, j in pairs) / len(pairs)


def slow_uniformity(q: Rows, y: list[int]) -> float:
    n = len(q)
    terms = [math.exp(-2 * distance(q[i], q[j]) ** 2) for i in range(n) for j in range(n) if y[i] != y[j]]
    return max(0.0, math.log(sum(terms) / len(terms)) + 8)


def test_the_experts_have_so_many_parameters() -> None:
    sizes = {"audio": 1024, "video": 512, "text": 1536}
    networks = build("hsp-moe").build(sizes, Generator().manual_seed(0))
    plain = build("clipclap").build(sizes, Generator().manual_seed(0))
    router = 513 * 64 + 1025 * 64 + (128 + 1) * 128 + (128 + 1) * 32 + (32 + 1) * 3
    experts = sum((width + 1) * 128 + 2 * 128 + (128 + 1) * 64 for width in (1536, 512, 1024))
    more = sum(p.numel() for p in networks.parameters()) - sum(p.numel() for p in plain.parameters())
    assert more == router + experts
    assert build("hsp-moe", settings={"mix": 0}).build(sizes, Generator().manual_seed(0)).experts is None


@pytest.mark.parametrize("seed", range(3))
def test_the_auxiliary_losses_are_those_of_loops(seed: int) -> None:
    g = Generator().manual_seed(seed)
    q, c, x, w = (normalize(torch.randn(n, d, generator=g)) for n, d in ((7, 3), (4, 3), (7, 5), (4, 5)))
    y = torch.tensor([0, 1, 1, 2, 3, 0, 0])
    ql, cl, xl, wl = (rows.tolist() for rows in (q, c, x, w))
    assert float(distribution(q, c, x, w, 2.0)) == pytest.approx(slow_distribution(ql, cl, xl, wl, 2.0), rel=1e-4)
    assert float(relation(q, x)) == pytest.approx(slow_relation(ql, xl), rel=1e-4)
    assert float(uniformity(q, y)) == pytest.approx(slow_uniformity(ql, y.tolist()), rel=1e-4)
    assert float(uniformity(q, torch.zeros(7, dtype=torch.long))) == 0, "no pair of other classes"


def test_the_teacher_does_not_learn() -> None:
    q, c, x, w = (normalize(torch.randn(3, 4, generator=Generator().manual_seed(i))) for i in range(4))
    for rows in (q, x):
        rows.requires_grad_()
    distribution(q, c, x, w, 2.0).backward()
    assert x.grad is None and q.grad is not None


def test_the_loss_is_that_of_loops() -> None:
    method, data, rows = case("hsp-moe", shared_world())
    method.shared_ = True
    y = data.labels[rows].tolist()
    video, audio = (data.feature[m][rows].tolist() for m in ("video", "audio"))
    x, text = [v + a for v, a in zip(video, audio, strict=True)], data.text.tolist()
    oracle = Oracle(method.networks_)
    theta_o = oracle.block("o_proj", oracle.block("o_enc", x))
    w = oracle.block("w_enc", [text[label] for label in y])
    classes = unit(oracle.block("w_proj", oracle.block("w_enc", text)))
    said = slow_experts(method.networks_.experts, video, audio)
    halves = zip(unit(theta_o), said, strict=True)
    q = unit([[0.5 * a + 0.5 * b for a, b in zip(*half, strict=True)] for half in halves])
    wanted = {
        "ce": cross_entropy([[s / 0.1 for s in row] for row in dots(q, classes)], y),
        "reg": mean_square(theta_o, oracle.block("w_proj", w)),
        "rec": mean_square(w, oracle.block("d_o", theta_o))
        + mean_square(w, oracle.block("d_w", oracle.block("w_proj", w))),
        "dp": 1e-3 * slow_distribution(q, classes, unit(x), unit(text), 2.0),
        "rp": 2e-4 * slow_relation(q, unit(x)),
        "hup": 2e-4 * slow_uniformity(q, y),
    }
    found = method.loss(data, rows, Generator())
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert float(found[name].detach()) == pytest.approx(value, rel=1e-3), name
    assert method.loss(data, rows, None).keys() == {"ce", "reg", "rec"}, "auxiliary losses are of training"


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.7, 1.0])
def test_distances_in_both_spaces_are_averaged_and_scaled_by_training_clips(weight: float) -> None:
    data = shared_world()
    train_clips, classes = data.training()
    method = build("hsp-moe", settings={**SMALL, "far_weight": weight}).fit(train_clips, classes, Job())
    assert isinstance(method, HSPMoE) and method.networks_ is not None

    def spaces(clips, text: Tensor) -> tuple[list[Rows], list[Rows]]:
        x = [normalize(clips.feature(m)) for m in ("video", "audio")]
        q = method.on_sphere(method.networks_, {"video": x[0], "audio": x[1]})
        c = normalize(method.theta_w(method.networks_, text), dim=1)
        pairs = ((q, c), (torch.tensor(unit(torch.cat(x, 1).tolist())), torch.tensor(unit(text.tolist()))))
        return [[[distance(z, t) for t in right.tolist()] for z in left.tolist()] for left, right in pairs]

    with torch.no_grad():
        learned, raw = spaces(train_clips, classes.text)
        ratio = np.mean(learned) / np.mean(raw)
        assert float(method.networks_.ratio) == pytest.approx(ratio, rel=1e-4)
        test = data.split("test")
        learned, raw = spaces(test, data.classes.text)
    wanted = -((1 - weight) * np.array(learned) + weight * ratio * np.array(raw))
    found = method.scores(test, data.classes.text)
    assert np.allclose(found.numpy(), wanted, atol=1e-5)
    few = test.take(torch.arange(3))
    assert torch.allclose(method.scores(few, data.classes.text), found[:3], atol=1e-6), "no other tested clip counts"


def test_validation_is_looked_at_with_the_ratio_of_that_moment() -> None:
    train_clips, classes = shared_world().training()
    method = build("hsp-moe", settings={**SMALL, "epochs": 3})
    assert isinstance(method, HSPMoE)
    seen: list[float] = []

    def monitor() -> dict[str, float]:
        seen.append(float(method.networks_.ratio))
        return {"val_HM": 1.0 / len(seen)}

    method.fit(train_clips, classes, Job(monitor=monitor, monitor_every=1))
    assert len(seen) == len(set(seen)) == 3 and 1.0 not in seen
    assert seen[-1] == float(method.networks_.ratio)
    stopped = build("hsp-moe", settings={**SMALL, "epochs": 3, "patience": 2})
    best = [0.0, 1.0, 0.5]
    seen.clear()
    method = stopped
    method.fit(train_clips, classes, Job(monitor=lambda: {**monitor(), "val_HM": best[len(seen) - 1]}, monitor_every=1))
    assert float(method.networks_.ratio) == seen[1], "of the epoch that was kept"


def test_without_a_shared_space_there_is_one_and_it_is_said_what_is_missing() -> None:
    train_clips, classes = world(seen=4, clips=6).training()
    with pytest.raises(ConfigError, match=r"video features have 24 numbers, audio 20, the text 8.*space=apart"):
        build("hsp-moe", settings={**SMALL, "space": "shared"}).fit(train_clips, classes, Job())
    apart = build("hsp-moe", settings=SMALL).fit(train_clips, classes, Job())
    assert apart.embed_clips(train_clips).joint.shape[1] == SMALL["embedding"]
    train_clips, classes = shared_world().training()
    for space, width in (("apart", 4), ("auto", 12), ("shared", 12)):
        method = build("hsp-moe", settings={**SMALL, "space": space}).fit(train_clips, classes, Job())
        assert method.embed_clips(train_clips).joint.shape[1] == width == method.embed_text(classes.text).joint.shape[1]
    swapped = replace(classes, parts=(TextPart(5, "video"), TextPart(3, "audio")))
    with pytest.raises(ConfigError, match="space=shared"):
        build("hsp-moe", settings={**SMALL, "space": "shared"}).fit(train_clips, swapped, Job())


def test_by_itself_it_takes_spaces_for_one_only_where_it_is_known_whose_each_part_is() -> None:
    """Of parts without a modality the halves may be crossed; who knows better says space=shared."""
    train_clips, classes = shared_world().training()
    for parts, shared in (
        ((TextPart(3, "video"), TextPart(5, "audio")), True),
        ((TextPart(5, "audio"), TextPart(3, "video")), True),
        ((TextPart(3, "audio"), TextPart(5, "video")), False),
        ((TextPart(3), TextPart(5)), False),
        ((TextPart(3, "video"), TextPart(5)), False),
        ((TextPart(8),), False),
    ):
        asked = replace(classes, parts=parts)
        method = build("hsp-moe", settings=SMALL).fit(train_clips, asked, Job())
        assert (method.embed_text(classes.text).joint.shape[1] == 12) == shared, parts
    assert build("hsp-moe", settings={**SMALL, "space": "shared"}).fit(train_clips, asked, Job()).shared_


def test_text_that_is_centred_is_no_longer_in_the_space_of_features() -> None:
    train_clips, classes = shared_world().training()
    for scale, width in (("raw", 12), ("unit", 12), ("centred", 4)):
        method = build("hsp-moe", settings={**SMALL, "text_scale": scale}).fit(train_clips, classes, Job())
        assert method.embed_text(classes.text).joint.shape[1] == width
    asked = {**SMALL, "text_scale": "centred", "space": "shared"}
    with pytest.raises(ConfigError, match=r"text_scale=centred moves it; set text_scale=raw, or space=apart"):
        build("hsp-moe", settings=asked).fit(train_clips, classes, Job())


@pytest.mark.parametrize("scale", ["raw", "centred"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_run_from_when_widths_alone_said_it_is_restored_as_it_was(
    shared: bool, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts without a modality, and centred text, were taken for one space with features of that width."""
    train_clips, classes = shared_world().training()
    settings = {**SMALL, "text_scale": scale, "space": "auto" if shared else "apart"}
    with monkeypatch.context() as before:
        before.setattr(HSPMoE, "shares", lambda self, sizes: shared)
        old = build("hsp-moe", settings=settings)
        old.fit(train_clips, replace(classes, parts=(TextPart(3), TextPart(5))), Job())
        wanted = old.scores(train_clips, classes.text)
    again = build("hsp-moe", settings=settings).restore(old.state(), {"audio": 5, "video": 3, "text": 8})
    assert again.embed_text(classes.text).joint.shape[1] == (12 if shared else 4)
    assert torch.equal(again.scores(train_clips, classes.text), wanted)


def test_raw_alone_is_a_line_that_needs_the_shared_space() -> None:
    settings = HSPMoE.variants["hsp-moe-raw-alone"]
    train_clips, classes = shared_world().training()
    method = build("hsp-moe", settings={**SMALL, **settings}).fit(train_clips, classes, Job())
    x = torch.cat([normalize(train_clips.feature(m), dim=1) for m in ("video", "audio")], 1)
    cosines = normalize(x, dim=1) @ normalize(classes.text, dim=1).T
    assert torch.equal(method.scores(train_clips, classes.text).argsort(1), cosines.argsort(1))
    with pytest.raises(ConfigError, match="space=apart"):
        build("hsp-moe", "realset", settings={**SMALL, **settings}).fit(*world(seen=4, clips=6).training(), Job())


@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_an_index_finds_what_brute_force_finds_by_the_sum_of_two_distances(engine: str, tmp_path: Path) -> None:
    mode = Mode("audio", "equal")
    clips = random_embeddings(2000, 12, seed=3)
    collection = collection_of(tmp_path, clips, "euclidean", engine, [mode])
    own = build("hsp-moe", settings={"embedding": 5})
    collection.run.method.near = own.near
    other = 0
    for seed in range(5):
        point = here(torch.randn(12, generator=Generator().manual_seed(seed)))
        positions, scores = brute_force(collection.run.method, clips, point, mode, 10)
        found = nearest(collection, point, 10, mode)
        assert [clip.id for clip in found.clips] == [f"clip-{i}" for i in positions]
        assert np.array_equal(found.scores, scores)
        joined = torch.cdist(clips.audio, point.audio)[:, 0].masked_fill(~clips.has_audio, torch.inf)
        other += set(joined.topk(10, largest=False).indices.tolist()) != set(positions.tolist())
    assert other, "one distance of both spaces end to end finds other clips"


def test_hits_of_a_run_are_those_of_its_scores(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data")
    rng = np.random.default_rng(5)
    write_vectors(data, {name: rng.standard_normal(10).astype(np.float32) for name in ORDER})
    run = train(data, "hsp-moe", out=tmp_path / "run", settings={**SMALL, "space": "shared"})
    assert run.method.networks_.ratio != 1
    dataset = open_dataset(data)
    for engine in ("memory", "lancedb"):
        folder = tmp_path / engine
        index(run.folder, data, folder, engine=engine, split="test")
        for c, name in enumerate(dataset.classes.names):
            hits = search(folder, name, top=25, retrieval="plain")
            best = run.method.scores(dataset.split("test"), dataset.classes.text)[:, c].sort(descending=True).values
            assert [hit.score for hit in hits] == pytest.approx(best.tolist(), abs=1e-5)
            assert [hit.distance for hit in hits] == pytest.approx((-best).tolist(), abs=1e-5)
