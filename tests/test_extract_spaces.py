"""Extraction through networks that the decoding processes feed: the rows, their precision, and older stores."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import backbones, cli, index, train
from avgzsl.archive.extraction import extract_media
from avgzsl.backbones import _transformers as shared
from avgzsl.errors import ConfigError, DataError, RunError
from avgzsl.features.encoder_record import EncoderRecord
from avgzsl.features.extract import extract
from avgzsl.media.decode import decode
from avgzsl.media.workers import Decoders, Request
from avgzsl.recognition.encoders import load_backbones
from avgzsl.types import EncoderChoice
from tests.small_clips import write_clip, write_clips, write_wav
from tests.small_weights import weights

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Seven clips: with picture and sound, without sound, without picture."""
    folder = write_clips(tmp_path_factory.mktemp("clips"), count=2)
    write_clip(folder / "bell" / "silent.mp4", 3, sound=False)
    write_wav(folder / "drum" / "heard.wav", seconds=1.7)
    return folder


def choice(**more) -> EncoderChoice:
    return EncoderChoice(audio=f"clap:{weights('clap')}", video=f"clip:{weights('clip')}", device="cpu", **more)


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    return extract(root, tmp_path_factory.mktemp("made") / "store", encoders=choice(), workers=1, batch=4)


def test_rows_are_those_of_a_direct_call_and_have_unit_length(root, made):
    assert len(made.store) == 8 and not made.failures
    nets = {m: backbones.load(getattr(choice(), m), m, device="cpu") for m in ("audio", "video")}
    for number, row in enumerate(made.store.clips.rows()):
        clip = decode(root / row["path"], frames=nets["video"].needs, sound=nets["audio"].needs)
        for modality, content in (("audio", clip.waveform), ("video", clip.frames)):
            given = made.store.feature(modality)[number]
            if content is None:
                assert not row[f"has_{modality}"] and not given.any()
            else:
                np.testing.assert_allclose(given, nets[modality].embed([content])[0], atol=1e-6)
                np.testing.assert_allclose(np.linalg.norm(given), 1, atol=1e-6)
    for modality in ("audio", "video"):
        record = made.store.record.encoders[modality]
        assert (record.unit, record.precision) == (True, "float32")


@pytest.mark.parametrize("how", [{"workers": 2, "batch": 4}, {"workers": 1, "batch": 1}])
def test_neither_workers_nor_batches_change_a_byte(root, made, tmp_path, how):
    extract(root, tmp_path / "store", encoders=choice(), **how)
    for name in ("audio.npy", "video.npy", "store.json"):
        assert (tmp_path / "store" / name).read_bytes() == (made.store.folder / name).read_bytes(), name


def test_ray_gives_the_same_bytes(root, made, tmp_path):
    ray = pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, logging_level="error")
    try:
        extract(root, tmp_path / "store", encoders=choice(), workers=1, batch=4, engine="ray")
    finally:
        ray.shutdown()
    for name in ("audio.npy", "video.npy", "store.json"):
        assert (tmp_path / "store" / name).read_bytes() == (made.store.folder / name).read_bytes(), name


def test_the_decoding_process_prepares_what_the_network_is_fed(root):
    net = backbones.load(choice().audio, "audio", device="cpu")
    with Decoders(1) as decoders:
        (decoded,) = decoders.map(
            [Request(root / "drum" / "heard.wav", sound=net.needs, prepare={"audio": net.prepare})]
        )
    assert decoded.waveform is None and decoded.inputs["audio"].shape == (2, 101, 16)
    assert decoded.inputs["audio"].dtype == np.float32
    needed = "import sys; from avgzsl.media import prepared; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", needed], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"  # nor what takes seconds and memory to load


def test_a_waveform_that_is_not_finite_is_refused():
    prepare = backbones.load(choice().audio, "audio", device="cpu").prepare
    with pytest.raises(DataError, match="not finite"):
        prepare(np.array([0.0, np.inf], dtype=np.float32))


def test_another_precision_is_recorded_and_not_mixed_in(root, made, tmp_path):
    half = extract(root, tmp_path / "half", encoders=choice(precision="bf16"), workers=1)
    record = json.loads((tmp_path / "half" / "store.json").read_text())
    assert record["encoders"]["audio"]["precision"] == record["encoders"]["video"]["precision"] == "bf16"
    assert "precision" not in json.loads((made.store.folder / "store.json").read_text())["encoders"]["audio"]
    assert not np.array_equal(half.store.video, made.store.video)
    np.testing.assert_allclose(half.store.video, made.store.video, atol=0.1)
    with pytest.raises(RunError, match=r"(?s)other backbones.*there: .*bf16, unit rows.*asked: .*24-d, unit rows"):
        extract(root, tmp_path / "half", encoders=choice(), workers=1)


def test_only_backbones_of_transformers_have_another_precision(root, tmp_path):
    with pytest.raises(ConfigError, match="descriptors: works in float32 alone, and bf16 was asked for"):
        extract(root, tmp_path / "store", encoders=EncoderChoice(audio="descriptors", precision="bf16"))
    told = CliRunner().invoke(
        cli.app, ["extract", str(root), "--out", str(tmp_path / "s"), "--audio", "descriptors", "--precision", "bf16"]
    )
    assert told.exit_code == 1 and "works in float32 alone" in str(told.exception)


def test_a_store_of_rows_of_any_length_goes_on_as_it_was(root, tmp_path):
    """As it was made before rows had unit length: not with unit rows, but for a run that knows the others."""
    older = replace(choice(), audio=None, unit=False)
    first = extract(root, tmp_path / "store", encoders=older, workers=1)
    assert first.store.record.encoders["video"] == EncoderRecord.model_validate(
        {"spec": older.video, "dimension": 24, "weights": first.store.record.encoders["video"].weights}
    )
    assert set(json.loads((tmp_path / "store" / "store.json").read_text())["encoders"]["video"]) == {
        *("spec", "dimension", "weights")
    }
    lengths = torch.from_numpy(np.array(first.store.video)).norm(dim=1)
    assert (lengths[lengths > 0] - 1).abs().min() > 0.01
    with pytest.raises(RunError, match="unit rows"):
        extract(root, tmp_path / "store", encoders=replace(older, unit=True), workers=1)
    assert extract(root, tmp_path / "store", encoders=older, workers=1).extracted == 0


def test_clips_are_embedded_together_on_a_gpu_alone():
    net = backbones.load(choice().video, "video", device="cpu")
    clips = [np.zeros((n, 32, 32, 3), np.uint8) for n in (8, 3)]
    assert list(net._groups(clips)) == [[0], [1]]
    there = replace(net, device=torch.device("meta"))
    assert [list(group) for group in there._groups([*clips, np.zeros((2, 5), np.float32)])] == [[0, 1], [2]]
    assert net.at_once == shared.PICTURES_AT_ONCE


@pytest.mark.parametrize("unit", [True, False])
def test_a_run_knows_how_long_its_rows_are(root, tmp_path, unit):
    """One of an older store goes on with rows of any length, for new clips too; one of a new store with unit rows."""
    lines = ["path,label,split,seen"]
    for label, split, seen in (("bell", "train", 1), ("drum", "train", 1), ("flute", "test", 0)):
        lines += [f"{label}/{number}.mp4,{label},{split if number else 'test'},{seen}" for number in range(2)]
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    encoders = replace(choice(unit=unit), audio=None, text="hashed-words:64")
    extract(root, tmp_path / "store", encoders=encoders, manifest=tmp_path / "clips.csv", workers=1)
    run = train(tmp_path / "store", "least-squares", out=tmp_path / "run")
    assert run.config.data.encoders["video"].unit is unit
    (net,) = load_backbones(run, ["video"], EncoderChoice(device="cpu")).values()
    length = float(net.embed([np.full((3, 32, 32, 3), 9, np.uint8)]).norm())
    assert (abs(length - 1) < 1e-5) is unit
    new = extract_media(run, root, tmp_path / "stores", encoders=EncoderChoice(device="cpu")).store
    assert new.record.encoders["video"].unit is unit
    if not unit:
        wide = replace(encoders, unit=True)
        later = extract(root, tmp_path / "later", encoders=wide, manifest=tmp_path / "clips.csv", workers=1)
        with pytest.raises(RunError, match=r"have unit length.*an older store, that have not; index the clips"):
            index(run, later.store.folder, tmp_path / "index")
