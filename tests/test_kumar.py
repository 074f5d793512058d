"""The audio network: front end against slow loops and transformers' filters, layers, weights, long clips."""

from copy import deepcopy
from math import cos, log, log10, pi

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import conv2d

from avgzsl.backbones import Backbone, kumar
from avgzsl.backbones import _kumar_network as kumar_network
from avgzsl.backbones._mel import log_mel, mel_filters, slaney_hertz, slaney_mel
from avgzsl.backbones._pieces import pieces
from avgzsl.errors import DataError, WeightsError

CPU = torch.device("cpu")


def noise(samples, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    """Fresh weights, with batch statistics of noise, so that the signal is alive in every layer."""
    net, generator = kumar_network.fresh(5, torch.Generator().manual_seed(0)), torch.Generator().manual_seed(1)
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5, generator=generator)
            norm.bias.normal_(0.0, 0.3, generator=generator)
            norm.momentum = 1.0  # the statistics of the last batch
        features = net.train().features(kumar_network.spectrogram(noise(200_000))[None])
    assert (features > 0).float().mean() > 0.2 and features.std(2).mean() > 0.1
    return net.requires_grad_(False).eval()


def test_mel_scale():
    hertz = np.array([0.0, 200.0, 1000.0, 6400.0, 22050.0])
    expected = [0.0, 3.0, 15.0, 42.0, 15 + 27 * log(22.05) / log(6.4)]
    np.testing.assert_allclose(slaney_mel(hertz), expected, rtol=1e-12)
    np.testing.assert_allclose(slaney_hertz(slaney_mel(hertz)), hertz, rtol=1e-12)


@pytest.mark.parametrize(("rate", "n_fft", "bands"), [(44100, 1024, 128), (16000, 512, 40)])
def test_filters_are_those_of_transformers(rate, n_fft, bands):
    from transformers.audio_utils import mel_filter_bank

    oracle = mel_filter_bank(n_fft // 2 + 1, bands, 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(mel_filters(rate, n_fft, bands).numpy(), oracle, rtol=1e-5, atol=1e-9)


def slow_log_mel(wave, rate, n_fft, hop, bands, top_db):
    """The definition, frame by frame and bin by bin, in double precision."""
    n, half = len(wave), n_fft // 2

    def sample(i):  # mirrored at both ends
        i = abs(i) % (2 * n - 2)
        return float(wave[min(i, 2 * n - 2 - i)])

    def hertz(mel):
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    top = 15 + 27 * log(rate / 2 / 1000) / log(6.4)
    edge = [hertz(top * i / (bands + 1)) for i in range(bands + 2)]
    out = np.zeros((1 + n // hop, bands))
    for t in range(len(out)):
        frame = [sample(t * hop - half + i) * (0.5 - 0.5 * cos(2 * pi * i / n_fft)) for i in range(n_fft)]
        power = np.abs(
            np.array([sum(frame * np.exp(-2j * pi * k * np.arange(n_fft) / n_fft)) for k in range(half + 1)])
        )
        for b in range(bands):
            low, mid, high = edge[b : b + 3]
            energy = 0.0
            for k in range(half + 1):
                f = k * rate / n_fft
                weight = max(0.0, min((f - low) / (mid - low), (high - f) / (high - mid))) * 2 / (high - low)
                energy += weight * power[k] ** 2
            out[t, b] = 10 * log10(max(energy, 1e-10))
    return np.maximum(out, out.max() - top_db)


@pytest.mark.parametrize("top_db", [80.0, 20.0])
def test_log_mel_is_its_definition(top_db):
    wave = noise(300) * np.linspace(0, 1, 300, dtype=np.float32) ** 4
    ours = log_mel(wave, mel_filters(8000, 64, 10), 32, top_db)
    np.testing.assert_allclose(ours.numpy(), slow_log_mel(wave, 8000, 64, 32, 10, top_db), atol=1e-3)


def test_spectrogram_is_that_of_transformers():
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    wave = noise(30_000)
    filters = mel_filter_bank(513, 128, 0.0, 22050.0, 44100, norm="slaney", mel_scale="slaney")
    oracle = spectrogram(
        wave, window_function(1024, "hann"), 1024, 512, power=2.0, mel_filters=filters, log_mel="dB", db_range=80.0
    )
    ours = kumar_network.spectrogram(wave)
    assert len(ours) == 128 and oracle.shape[1] == 59
    np.testing.assert_allclose(ours[:59].numpy(), oracle.T, atol=2e-3)
    assert (ours[59:] == 0).all()


def test_ten_seconds_are_862_frames_in_any_blocks(monkeypatch):
    wave = noise(441_000)
    whole = kumar_network.spectrogram(wave)
    assert whole.shape == (862, 128)
    monkeypatch.setattr("avgzsl.backbones._mel._BLOCK", 100)
    assert torch.equal(kumar_network.spectrogram(wave), whole)


@pytest.mark.parametrize("samples", [1, 2, 100, 513, 1024])
@pytest.mark.parametrize("loud", [0.0, 1.0])
def test_a_clip_of_any_length_or_silence_has_a_feature(network, samples, loud):
    row = kumar.Kumar(network, CPU, "kumar", ()).embed([loud * noise(samples)])
    assert row.shape == (1, 1024) and torch.isfinite(row).all()


def test_parameter_counts():
    with torch.device("meta"):
        net = kumar_network.KumarNet(527)
    counts = {name: sum(p.numel() for p in layer.parameters()) for name, layer in net.named_children()}
    assert sum(counts.values()) == 5_002_047
    assert sum(counts.values()) - counts["layer19"] == 4_461_872


def test_time_steps_and_shapes():
    with torch.device("meta"):
        net = kumar_network.KumarNet(527).eval()
        for frames, steps in ((128, 1), (191, 1), (192, 2), (862, 12)):
            features = net.features(torch.zeros(2, frames, 128))
            assert features.shape == (2, 1024, steps)
            assert net.logits(features).shape == (2, 527, steps)


def test_state_dict_keys_are_the_published_ones():
    expected = {f"layer19.0.{part}" for part in ("weight", "bias")}
    for layer in (1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 18):
        expected |= {f"layer{layer}.0.weight", f"layer{layer}.0.bias"}
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            expected.add(f"layer{layer}.1.{part}")
    assert set(kumar_network.fresh(3, torch.Generator()).state_dict()) == expected


def slow_layer18(state, x):
    """The table of the paper's layers, straight from the weights."""
    for layer in range(1, 19):
        if layer in (3, 6, 9, 12, 15, 17):
            t, m = (size // 2 * 2 for size in x.shape[2:])
            x = x[:, :, :t, :m].unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
            continue
        part = {key: state[f"layer{layer}.{key}"] for key in ("0.weight", "0.bias", "1.weight", "1.bias")}
        mean, var = state[f"layer{layer}.1.running_mean"], state[f"layer{layer}.1.running_var"]
        x = conv2d(x, part["0.weight"], part["0.bias"], padding=0 if layer == 18 else 1)
        x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
        x = (x * part["1.weight"][:, None, None] + part["1.bias"][:, None, None]).clamp(min=0)
    return x[..., 0]


def test_layers_are_those_of_the_table(network):
    mel = kumar_network.spectrogram(noise(80_000))[None]
    torch.testing.assert_close(
        network.features(mel), slow_layer18(network.state_dict(), mel[:, None]), rtol=1e-4, atol=1e-4
    )


def test_embed_averages_over_time_and_a_row_stands_alone(network):
    backbone = kumar.Kumar(network, CPU, "kumar", ())
    assert isinstance(backbone, Backbone)
    clips = [noise(n, n) for n in (200_000, 40_000, 200_000)]  # 5 steps, 1 step
    rows = backbone.embed(clips)
    assert rows.dtype == torch.float32 and rows.shape == (3, 1024) and backbone.embed([]).shape == (0, 1024)
    for clip, row in zip(clips, rows, strict=True):
        steps = slow_layer18(network.state_dict(), kumar_network.spectrogram(clip)[None, None])
        torch.testing.assert_close(row, steps[0].mean(1), rtol=1e-4, atol=1e-4)
        assert torch.equal(backbone.embed([clip])[0], row)


def test_a_stereo_waveform_is_refused(network):
    with pytest.raises(DataError, match="clip 0 of 1: float32 of 2 x 5000"):
        kumar.Kumar(network, CPU, "kumar", ()).embed([np.zeros((2, 5000), np.float32)])


def test_a_long_clip_in_pieces_is_the_whole(network, monkeypatch):
    monkeypatch.setattr(kumar, "_CORE", 192)
    clip = noise(512 * 1000)  # 1001 frames, 14 steps
    whole = network.features(kumar_network.spectrogram(clip)[None])[0].mean(1)
    torch.testing.assert_close(kumar.Kumar(network, CPU, "kumar", ()).embed([clip])[0], whole, rtol=1e-4, atol=1e-5)


def test_a_cut_changes_nothing_in_double_precision(network):
    """Too narrow a margin changes steps by little: single precision would not tell."""
    net = deepcopy(network).double()
    mel = kumar_network.spectrogram(noise(512 * 703)).double()  # 704 frames: no odd ones that would widen the margin
    parts = pieces(len(mel), kumar_network.STEP, 3 * kumar_network.STEP, kumar._MARGIN)
    joined = torch.cat([net.features(mel[None, i])[..., keep] for i, keep in parts], 2)
    torch.testing.assert_close(joined, net.features(mel[None]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("length", [1, 9, 64, 191, 192, 193, 400, 1000])
def test_pieces_keep_every_step_once(length):
    """A toy network: step s is the sum of the input from 8s - 8 to 8s + 24."""

    def steps(x):
        padded = np.concatenate([np.zeros(8), x, np.zeros(24)])
        return [padded[8 * s : 8 * s + 32].sum() for s in range(max(1, -(-len(x) // 8) - 1))]

    x = np.random.default_rng(0).normal(size=length)
    joined = [step for i, keep in pieces(length, 8, 64, 16) for step in steps(x[i])[keep]]
    np.testing.assert_allclose(joined, steps(x), rtol=1e-9)


@pytest.mark.parametrize("form", ["plain.safetensors", "plain.pt", "parallel.pkl"])
def test_loads_the_published_scheme(network, tmp_path, form):
    state = {key: value.clone() for key, value in network.state_dict().items()}
    if form.startswith("parallel"):  # DataParallel, and PyTorch from before it counted batches
        state = {f"module.{key}": value for key, value in state.items() if "num_batches" not in key}
    path = tmp_path / form
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    backbone = kumar.load("audio", form, CPU, tmp_path)
    assert (backbone.spec, backbone.modality, backbone.dimension) == (f"kumar:{form}", "audio", 1024)
    assert backbone.weights[0].name == form and len(backbone.weights[0].sha256) == 64
    assert backbone.needs.rate == 44_100
    clip = noise(60_000)
    assert torch.equal(backbone.embed([clip]), kumar.Kumar(network, CPU, "kumar", ()).embed([clip]))


def test_default_name_is_the_published_file(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "mx-h64-1024_0d3-1.17.pkl")
    assert kumar.load("audio", None, CPU, tmp_path).spec == "kumar"


def test_no_weights_is_an_error_that_says_where_to_get_them(tmp_path):
    with pytest.raises(WeightsError, match=r"mx-h64-1024_0d3-1\.17\.pkl.*looked.*weak_feature_extractor"):
        kumar.load("audio", None, CPU, tmp_path)


def broken(state, how):
    if how == "missing":
        del state["layer5.1.running_var"]
    elif how == "extra":
        state["layer20.0.weight"] = torch.zeros(1)
    elif how == "shape":
        state["layer2.0.weight"] = torch.zeros(16, 16, 5, 5)
    elif how == "finite":
        state["layer2.0.weight"][0, 0, 0, 0] = torch.nan
    else:
        del state["layer19.0.bias"]
    return state


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", r"missing: layer5\.1\.running_var"),
        ("extra", r"not of this network: layer20\.0\.weight"),
        ("shape", r"of another shape: layer2\.0\.weight"),
        ("finite", r"not finite: layer2\.0\.weight"),
        ("head", r"missing: layer19\.0\.bias"),
    ],
)
def test_weights_that_do_not_fit(network, tmp_path, how, says):
    state = {key: value.clone() for key, value in network.state_dict().items()}
    torch.save(broken(state, how), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=says):
        kumar.load("audio", "w.pt", CPU, tmp_path)


class Bomb:
    def __reduce__(self):
        return (print, ("a pickle ran code",))


@pytest.mark.parametrize("content", [b"", b"not weights at all", "bomb", "list"])
def test_files_that_are_no_weights(tmp_path, content, capsys):
    path = tmp_path / "w.pkl"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"bomb": Bomb()} if content == "bomb" else [torch.zeros(1)], path)
    with pytest.raises(WeightsError, match=r"w\.pkl"):
        kumar.load("audio", str(path), CPU, None)
    assert "ran code" not in capsys.readouterr().out


def test_fresh_weights_are_xavier_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    net = kumar_network.fresh(4, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    for layer, fan in (("layer1", (1 + 16) * 9), ("layer16", (256 + 512) * 9), ("layer19", 1024 + 4)):
        conv = net.get_submodule(f"{layer}.0")
        bound = (2 * 6 / fan) ** 0.5
        assert bound * 0.9 < float(conv.weight.detach().abs().max()) <= bound
        assert (conv.bias == 0).all()
    again = kumar_network.fresh(4, torch.Generator().manual_seed(0)).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in net.state_dict().items())
