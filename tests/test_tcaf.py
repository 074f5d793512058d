"""TCaF: its sizes by hand, its transformer, crops and loss by loops, and a generated tree in two stages."""

from dataclasses import replace
from math import cos, pi, sin
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from avgzsl.data.clips import ClipSet, Dataset, Sequences
from avgzsl.experiments.two_stage import two_stage
from avgzsl.generators import generate
from avgzsl.learning.cross_attention import CrossAttention, open_pairs
from avgzsl.learning.nets import add_dropout, kept, relu_dropout
from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.methods._steps import Crop, Scaling
from avgzsl.methods.tcaf import TCaF
from avgzsl.testing.worlds import world
from avgzsl.types import MODALITIES
from tests.small_avca import vectors, write_avca

SMALL = {"hidden": 9, "width": 10, "place": 6, "depth": 2, "heads": 2, "per_head": 3, "inner": 7, "decoder_hidden": 8}
SMALL |= {"embedding": 5, "epochs": 1, "steps": 2, "batch_size": 12}
DRY = {name: 0.0 for name in TCaF.__dataclass_fields__ if name.endswith("_dropout")}


def ragged(seed: int = 0, longest: int = 6) -> Dataset:
    """The small world with sequences in place of vectors."""
    data, g = world(seed, seen=4, clips=5), Generator().manual_seed(seed)

    def spread(clips: ClipSet) -> ClipSet:
        steps: dict[str, Sequences] = {}
        for modality, seconds in (("audio", 0.96), ("video", 0.64)):
            rows = clips.feature(modality)
            lengths = torch.randint(1, longest + 1, (len(clips),), generator=g).tolist()
            each = [row + torch.randn(n, len(row), generator=g) for row, n in zip(rows, lengths, strict=True)]
            steps[modality] = Sequences.of(each, [(torch.arange(n) + 0.5) * seconds for n in lengths])
        means = {modality: own.means() for modality, own in steps.items()}
        return replace(clips, **means, sequences=steps)

    return replace(data, splits={name: spread(clips) for name, clips in data.splits.items()})


def prepared(**settings):
    """A TCaF without dropout whose weights are fresh, its training clips, and a batch of them."""
    train, classes = ragged().training()
    method = build("tcaf", settings={**SMALL, **DRY, **settings})
    assert isinstance(method, TCaF)
    setup = method.prepare(train, classes, Job())
    method.networks_ = setup.networks
    return method, setup.data, torch.tensor([3, 0, 7, 7, 11, 2])


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def layer(n_in: int, n_out: int) -> int:
    """Weights and biases, and the two numbers of the normalisation."""
    return (n_in + 3) * n_out


@pytest.mark.parametrize(
    ("preset", "sizes", "hidden", "depth", "heads"),
    [
        ("ucf-cls", (128, 4096), 512, 6, 8 * 64),
        ("vggsound-cls", (128, 4096), 512, 8, 8 * 64),
        ("ucf-main", (512, 512), 256, 5, 8 * 64),
        ("activitynet-main", (512, 512), 128, 8, 3 * 128),
        ("vggsound-main", (512, 512), 128, 8, 6 * 128),
    ],
)
def test_the_published_networks_have_so_many_parameters(preset, sizes, hidden, depth, heads):
    method = build("tcaf", preset)
    with torch.device("meta"):
        networks = method.build({"audio": sizes[0], "video": sizes[1], "text": 300}, Generator())
    encoders = sum(layer(d, hidden) + layer(hidden, 300) for d in sizes)
    told = 2 * 64 + 64 + 65 * 64
    joined = 2 * (300 + 64 + 1) * 300
    attention = 600 + 3 * 300 * heads + (heads + 1) * 300 + 301 * 128 + 129 * 300
    ends = layer(300, 512) + layer(512, 64) + layer(64, 512) + layer(512, 300) + layer(300, 64) + layer(64, 300)
    assert count(networks) == encoders + told + joined + 300 + depth * attention + ends


def slow_attention(net: CrossAttention, x: Tensor, kinds: list[str]) -> Tensor:
    """One clip without its padding; one place, one head, one pair after another."""
    x = list(x)
    for one in net.layers:
        normed = [one.norm(row) for row in x]
        seen = []
        for i, kind in enumerate(kinds):
            heads = []
            for h in range(one.heads):
                size = one.queries.out_features // one.heads
                part = slice(h * size, (h + 1) * size)
                keys, values = one.keys_values.weight.chunk(2)
                query = one.queries.weight[part] @ normed[i]
                open_to = [j for j, other in enumerate(kinds) if "token" in (kind, other) or kind != other]
                weight = torch.stack([query @ (keys[part] @ normed[j]) / size**0.5 for j in open_to]).softmax(0)
                heads.append(sum(w * (values[part] @ normed[j]) for w, j in zip(weight, open_to, strict=True)))
            seen.append(one.out(torch.cat(heads)))
        x = [row + more for row, more in zip(x, seen, strict=True)]
        x = [row + one.second(nn.functional.gelu(one.first(one.norm(row)))) for row in x]
    return x[0]


def test_the_transformer_is_that_of_loops_whatever_the_padding_holds():
    g = Generator().manual_seed(4)
    net = CrossAttention(8, 3, 2, 4, 6, 0.0, g)
    audio, video = torch.tensor([[1, 1, 1], [1, 0, 0]]).bool(), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]).bool()
    x = torch.randn(2, 8, 8, generator=g)
    found = net(x, open_pairs(audio, video))
    there = torch.cat([torch.ones(2, 1).bool(), audio, video], 1)
    kinds = ["token", *["audio"] * 3, *["video"] * 4]
    for clip in (0, 1):
        own = [kind for kind, here in zip(kinds, there[clip].tolist(), strict=True) if here]
        assert torch.allclose(found[clip], slow_attention(net, x[clip][there[clip]], own), atol=1e-5)


def block(net, x):
    for one in net.layers:
        x = x @ one.linear.weight.T + one.linear.bias
        x = ((x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt() * one.norm.weight + one.norm.bias).clamp(min=0)
    return x


def slow_loss(method, data, rows):
    """By loops over clips and steps; padding is put where the public code puts it, and goes through the encoders."""
    n = method.networks_
    clips = [{m: data.steps[m].clip(row) for m in MODALITIES} for row in rows.tolist()]
    placed = []
    for m in MODALITIES:
        longest = max(len(clip[m][0]) for clip in clips)
        inputs = []
        for clip in clips:
            steps = clip[m][0]
            scaled = steps / 255 if m == "audio" else steps / steps.square().sum(0).sqrt()
            inputs += [*scaled, *torch.zeros(longest - len(steps), steps.shape[1])]
        encoded = block(n.encode[m], torch.stack(inputs)).split(longest)
        told = []
        for clip, own in zip(clips, encoded, strict=True):
            for j in range(len(clip[m][0])):
                t = j * (0.96 if m == "audio" else 0.64)
                angles = [2 * pi * t * (a + b) for a, b in n.frequencies.T.double().tolist()]
                wave = torch.tensor([sin(a) for a in angles] + [cos(a) for a in angles])
                told.append(n.join[m](torch.cat([own[j], n.time(wave) + n.kind[m]])))
        placed.append(torch.stack(told).split([len(clip[m][0]) for clip in clips]))
    c = []
    for audio, video in zip(*placed, strict=True):
        kinds = ["token", *["audio"] * len(audio), *["video"] * len(video)]
        c.append(slow_attention(n.attend, torch.cat([n.token[None], audio, video]), kinds))
    theta_o, w = block(n.o_proj, torch.stack(c)), data.text[data.labels[rows]]
    theta_w, classes = block(n.w_proj, w), block(n.w_proj, data.text)
    right = [theta_o[i] @ classes[y] - (classes @ theta_o[i]).logsumexp(0) for i, y in enumerate(data.labels[rows])]
    rho_o, rho_w = block(n.d_o, theta_o), block(n.d_w, theta_w)
    return {
        "ce": -sum(right) / len(right),
        "reg": (theta_o - theta_w).square().mean(),
        "rec": (rho_o - w).square().mean() + (rho_w - w).square().mean(),
    }


def test_the_loss_is_that_of_loops():
    method, data, rows = prepared()
    found, expected = method.loss(data, rows, Generator()), slow_loss(method, data, rows)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-3), name


def test_the_time_of_a_step_is_its_number_at_test_and_seconds_in_training():
    method, data, rows = prepared()
    cpu = torch.device("cpu")
    for generator, times, seconds in ((None, "number", 1.0), (None, "seconds", 0.64), (Generator(), "number", 0.64)):
        method.test_times = times
        video = method.read(data.steps, rows, generator, cpu)["video"]
        expected = torch.arange(video.x.shape[1]) * seconds
        for there, time in zip(video.there, video.time, strict=True):
            assert torch.allclose(time[there], expected[there], atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"padding": "fixed"}, {"longest_test": 3}, {"normalise": True}])
def test_a_clip_in_a_ragged_batch_is_what_it_is_alone(settings):
    data = ragged()
    longer = {"steps": 30, "lr": 0.01}
    method = build("tcaf", settings={**SMALL, **longer, **settings}).fit(*data.training(), Job())
    test = data.split("test")
    whole = method.embed_clips(test).joint
    alone = torch.cat([method.embed_clips(test.take(torch.tensor([i]))).joint for i in range(len(test))])
    assert torch.allclose(whole, alone, atol=1e-5)
    assert whole.std(0).max() > 0.01
    vectors_alone = method.embed_clips(replace(test, sequences={})).joint
    assert not torch.allclose(whole, vectors_alone, atol=1e-2), "steps are read, not their mean"


def numbered(lengths: list[int], width: int) -> Sequences:
    """Steps that say their clip and their number."""
    steps = [torch.tensor([[100.0 * clip + j] * width for j in range(n)]) for clip, n in enumerate(lengths)]
    return Sequences.of(steps, [torch.arange(n).float() for n in lengths])


def test_crops_follow_the_public_code():
    """60 steps of picture at 0.64 s, 37 of sound at 0.96 s, which begin where picture does, or as late as can be."""
    crop = Crop.of(60, 0.96, 0.64, fixed=True)
    assert (crop.video, crop.audio, Crop.of(300, 0.96, 0.64, True).audio) == (60, 37, 184)
    steps = {"audio": numbered([10, 66, 40], 2), "video": numbered([20, 100, 90], 2)}
    rows = torch.arange(3)
    middle = crop.read(steps, rows, None, torch.device("cpu"), seconds=True)
    assert [tuple(middle[m].x.shape) for m in MODALITIES] == [(3, 37, 2), (3, 60, 2)]
    assert middle["video"].x[:, 0, 0].tolist() == [0, 100 + (100 - 60) // 2, 200 + (90 - 60) // 2]
    assert middle["audio"].x[:, 0, 0].tolist() == [0, 100 + round(20 * 0.64 / 0.96), 200 + 40 - 37]
    assert middle["video"].there.sum(1).tolist() == [20, 60, 60]
    assert middle["video"].time[1].tolist() == list(range(60)), "seconds from the first step that is left"
    generator, starts = Generator().manual_seed(0), set()
    for _ in range(300):
        batch = crop(steps, rows, generator)
        first = (batch["video"].first - steps["video"].first).tolist()
        heard = (batch["audio"].first - steps["audio"].first).tolist()
        assert heard == [0, min(29, round(first[1] * 0.64 / 0.96)), min(3, round(first[2] * 0.64 / 0.96))]
        starts.add(first[1])
    assert starts == set(range(40)), "as in the public code, the last place is never drawn"


def test_scaling_is_over_time_and_leaves_padding():
    x = torch.tensor([[[3.0, 0.0], [4.0, -2.0], [0.0, 0.0]]])
    published, each = Scaling(255.0, True, False), Scaling(255.0, True, True)
    assert torch.allclose(published("video", x), torch.tensor([[[0.6, 0.0], [0.8, -1.0], [0.0, 0.0]]]))
    assert torch.allclose(published("audio", x), x / 255)
    assert torch.allclose(each("audio", x)[0], torch.tensor([[1.0, 0.0], [4 / 20**0.5, -2 / 20**0.5], [0.0, 0.0]]))
    assert torch.equal(Scaling(1.0, False, False)("video", x), x)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.8])
def test_dropout_keeps_the_mean_and_so_many(p):
    g = Generator().manual_seed(0)
    x = torch.randn(1000, 203, generator=g)
    mask = kept(x, p, g)
    assert ((mask == 0) | ((mask - 1 / (1 - p)).abs() < 1e-4)).all()
    assert (mask == 0).double().mean().item() == pytest.approx(p, abs=0.005)
    for shift in (1, 2, 3, 4, 203):  # neighbours that share a word of random bits, and rows
        both = ((mask.flatten()[shift:] == 0) & (mask.flatten()[:-shift] == 0)).double().mean().item()
        assert both == pytest.approx(p * p, abs=0.005), shift
    x.requires_grad_()
    out = relu_dropout(x, p, Generator().manual_seed(3))
    mask = kept(x, p, Generator().manual_seed(3))
    assert torch.allclose(out, x.relu() * mask)
    assert torch.allclose(torch.autograd.grad(out.sum(), x)[0], mask * (x > 0), atol=1e-4)
    assert torch.allclose(add_dropout(x, x, p, Generator().manual_seed(3)), x + x * mask)


def test_a_generated_tree_is_trained_in_two_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    lists = write_avca(tmp_path / "lists", ())
    (tmp_path / "w2v").mkdir()
    np.save(tmp_path / "w2v" / "word_embeddings_tiny_normed.npy", np.array(vectors(), dtype=object))
    sizes = {"audio_dim": 6, "video_dim": 8}
    tree = generate("tcaf", tmp_path / "tree", 1.0, 0, splits=lists, w2v=tmp_path / "w2v", **sizes)
    asked = {**SMALL, "padding": "fixed", "longest_training": 5, "longest_test": 8}
    evaluation = two_stage(tree, "tcaf", out=tmp_path / "run", settings=asked, penalty="avca-published")
    assert {row["modality"] for row in evaluation.rows()} == {"both"}
    assert (tmp_path / "run" / "stage-2" / "model.safetensors").is_file()
