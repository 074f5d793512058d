"""ClipClap, held against counts by hand and its losses written out in loops."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator, nn

from avgzsl.data.clips import TextPart
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import ConfigError
from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.methods._clipclap import ClipClapMethod
from avgzsl.testing.worlds import world
from tests.clipclap_loops import SMALL, Oracle, case, cross_entropy, dots, mean_square
from tests.small_pickles import write_clipclap


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("input_", "sizes", "count"),
    [
        # a layer of a block: weights, biases, and two numbers an output of the normalisation
        ("concat", {"audio": 1024, "video": 512, "text": 1536}, 2 * (1536 + 3) * 512),
        ("audio", {"audio": 1024, "video": 512, "text": 1024}, 2 * (1024 + 3) * 512),
        ("video", {"audio": 1024, "video": 512, "text": 512}, 2 * (512 + 3) * 512),
    ],
)
def test_the_published_networks_have_so_many_parameters(input_: str, sizes: dict[str, int], count: int) -> None:
    networks = build("clipclap", settings={"input": input_}).build(sizes, Generator().manual_seed(0))
    o_proj = (512 + 3) * 512 + (512 + 3) * 64
    d_o = (64 + 3) * 512 + (512 + 3) * 512
    w_proj, d_w = (512 + 3) * 64, (64 + 3) * 512
    assert parameters(networks) == count + o_proj + d_o + w_proj + d_w


def test_the_loss_is_that_of_loops() -> None:
    method, data, rows = case("clipclap", world(seen=4, clips=6))
    labels = data.labels[rows].tolist()
    assert len(set(labels)) < len(labels), "a class that comes twice tells the batch's statistics from the classes'"
    x = [data.feature["video"][i].tolist() + data.feature["audio"][i].tolist() for i in rows.tolist()]
    oracle, text = Oracle(method.networks_), data.text.tolist()
    theta_o = oracle.block("o_proj", oracle.block("o_enc", x))
    w = oracle.block("w_enc", [text[y] for y in labels])
    theta_w = oracle.block("w_proj", w)
    of_classes = oracle.block("w_proj", oracle.block("w_enc", text))
    wanted = {
        "ce": cross_entropy(dots(theta_o, of_classes), labels),
        "reg": mean_square(theta_o, theta_w),
        "rec": mean_square(w, oracle.block("d_o", theta_o)) + mean_square(w, oracle.block("d_w", theta_w)),
    }
    found = method.loss(data, rows, Generator())
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert float(found[name].detach()) == pytest.approx(value, rel=1e-4), name


def test_the_target_of_the_reconstruction_learns_along_in_both_terms() -> None:
    method, data, rows = case("clipclap", world(seen=4, clips=6))
    weight = method.networks_.w_enc.layers[0].linear.weight
    found = torch.autograd.grad(method.loss(data, rows, Generator())["rec"], weight)[0]
    features = {m: data.feature[m][rows] for m in method.reads}
    p = method.through(features, data, data.labels[rows], Generator())
    for fixed in (p.w, p.w.detach()):
        wanted = torch.autograd.grad(
            (p.w - p.rho_o).square().mean() + (fixed - p.rho_w).square().mean(), weight, retain_graph=True
        )[0]
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-7) == (fixed is p.w)
    other = torch.autograd.grad((p.w.detach() - p.rho_o).square().mean() + (p.w - p.rho_w).square().mean(), weight)[0]
    assert not torch.allclose(found, other, rtol=1e-4, atol=1e-7)


def test_statistics_of_text_are_taken_twice_a_step_clips_first() -> None:
    """Momentum .1: after a step the mean is .9 (.1 of the batch's) + .1 of the classes'."""
    method, data, rows = case("clipclap", world(seen=4, clips=6))
    layer = method.networks_.w_enc.layers[0]
    of_batch, of_classes = (layer.linear(text).mean(0) for text in (data.text[data.labels[rows]], data.text))
    method.loss(data, rows, Generator())
    assert torch.allclose(layer.norm.running_mean, 0.9 * 0.1 * of_batch + 0.1 * of_classes, atol=1e-6)
    assert int(layer.norm.num_batches_tracked) == 2
    assert int(method.networks_.o_enc.layers[0].norm.num_batches_tracked) == 1


def test_defaults_are_those_published() -> None:
    method = build("clipclap")
    assert isinstance(method, ClipClapMethod)
    assert (method.optimiser, method.lr, method.weight_decay, method.plateau) == ("adam", 7e-5, 1e-5, 3)
    assert (method.batch_size, method.steps, method.epochs, method.replacement) == (64, 300, 20, True)
    for preset in ("vggsound", "activitynet"):
        other = build("clipclap", preset)
        assert (other.lr, other.epochs) == (1e-4, 15)


@pytest.mark.parametrize("input_", ["audio", "video"])
def test_one_modality_reads_its_own_features_and_text(input_: str) -> None:
    """Nothing of the other one's features, nor of its part of the text, changes anything."""
    data = world(seen=4, clips=6)
    train, classes = data.training()
    other = torch.randn(len(classes), 5, generator=Generator().manual_seed(2))
    blocks = {"video": classes.text, "audio": other}
    parts = (TextPart(8, "video"), TextPart(5, "audio"))
    classes = replace(classes, text=torch.cat([blocks["video"], blocks["audio"]], 1), parts=parts)
    method = build("clipclap", settings={**SMALL, "input": input_}).fit(train, classes, Job())
    assert method.modalities == (input_,)
    assert method.networks_.sizes == {
        input_: {"audio": 20, "video": 24}[input_],
        "text": {"audio": 5, "video": 8}[input_],
    }
    foreign = {"audio": slice(0, 8), "video": slice(8, 13)}[input_]
    text = classes.text.clone()
    text[:, foreign] = 9.0
    lacking = {"audio": "video", "video": "audio"}[input_]
    without = replace(train, **{lacking: None, f"has_{lacking}": torch.zeros(len(train), dtype=torch.bool)})
    again = build("clipclap", settings={**SMALL, "input": input_}).fit(without, replace(classes, text=text), Job())
    assert torch.equal(method.scores(train, classes.text, input_), again.scores(without, text, input_))
    twin = build("clipclap", settings={**SMALL, "input": input_})
    twin.restore(method.state(), {"audio": 20, "video": 24, "text": 13})
    assert torch.equal(method.scores(train, classes.text, input_), twin.scores(train, classes.text, input_))


@pytest.mark.parametrize(("input_", "text"), [("concat", 7), ("video", 3), ("audio", 4)])
def test_on_the_tree_of_its_authors_one_modality_reads_its_dict_of_text(
    input_: str, text: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLIP's for video, CLAP's for audio; methods with one text for both take the two as one, as before."""
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    train, classes = open_dataset(write_clipclap(tmp_path / "set")).training()
    method = build("clipclap", settings={**SMALL, "input": input_}).fit(train, classes, Job())
    assert method.networks_.w_enc.layers[0].linear.in_features == text
    columns = {"concat": slice(7), "video": slice(3), "audio": slice(3, 7)}[input_]
    assert torch.equal(method.read_text(classes.text), classes.text[:, columns])
    assert build("avca", settings={"epochs": 1, "steps": 1}).fit(train, classes, Job()).networks_.sizes["text"] == 7
    # a run from when the layout did not say so read both
    before = replace(classes, parts=tuple(replace(part, space=None) for part in classes.parts))
    old = build("clipclap", settings={**SMALL, "input": input_}).fit(train, before, Job())
    again = build("clipclap", settings={**SMALL, "input": input_})
    again.restore(old.state(), {"audio": 4, "video": 7, "text": 7})
    assert again.networks_.sizes["text"] == 7
    mode = "both" if input_ == "concat" else input_
    assert torch.equal(again.scores(train, classes.text, mode), old.scores(train, classes.text, mode))


def test_text_of_a_modality_that_is_missing_is_asked_for() -> None:
    train, classes = world(seen=4, clips=6).training()
    classes = replace(classes, parts=(TextPart(8, "video"),))
    with pytest.raises(ConfigError, match="--text audio="):
        build("clipclap", settings={**SMALL, "input": "audio"}).fit(train, classes, Job())


def test_raw_text_of_two_parts_is_that_of_the_file() -> None:
    train, classes = world(seen=4, clips=6).training()
    for parts in ((TextPart(3), TextPart(5)), (TextPart(3, "video"), TextPart(5, "audio"))):
        method = build("clipclap", settings=SMALL).fit(train, replace(classes, parts=parts), Job())
        assert torch.equal(method.read_text(classes.text), classes.text)
    swapped = build("clipclap", settings=SMALL)
    swapped.fit(train, replace(classes, parts=(TextPart(3, "audio"), TextPart(5, "video"))), Job())
    assert torch.equal(swapped.read_text(classes.text), classes.text.roll(-3, 1)), "video stands first"
