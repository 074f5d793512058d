"""Extraction that keeps sequences: what is in them, that means do not change, and that it goes on. Media are real."""

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import backbones, cli
from avgzsl.backbones import Steps
from avgzsl.errors import RunError
from avgzsl.features import engines
from avgzsl.features.embedding import embed_batch
from avgzsl.features.extract import Extraction, extract
from avgzsl.media.decode import decode
from avgzsl.media.needs import Decoded, SoundNeeds, Span
from avgzsl.media.prepared import decode_prepared
from avgzsl.support.weights import WeightFile
from avgzsl.types import EncoderChoice
from tests.small_clips import write_clip, write_clips, write_wav
from tests.small_weights import weights

RATE, WINDOW = 8000, 800
TENTHS = EncoderChoice(audio="tenths")
MEANS = ("audio.npy", "clips.jsonl")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@dataclass(eq=False)
class Tenths:
    """A backbone whose steps are tenths of a second: mean square and first sample of each; it counts its clips."""

    clips: list[int]
    weights: tuple[WeightFile, ...] = ()
    spec, modality, dimension, needs = "tenths", "audio", 2, SoundNeeds(RATE)

    def embed(self, clips: Sequence[np.ndarray]) -> torch.Tensor:
        return torch.stack([steps.row for steps in self.embed_steps(clips, [len(clip) for clip in clips])])

    def embed_steps(self, clips: Sequence[np.ndarray], lengths: Sequence[int]) -> list[Steps]:
        self.clips.append(len(clips))
        made = []
        for clip in clips:
            parts = [clip[start : start + WINDOW] for start in range(0, len(clip), WINDOW)]
            vectors = torch.tensor([[float((part**2).mean()), float(part[0])] for part in parts])
            ends = [min((number + 1) * WINDOW, len(clip)) for number in range(len(parts))]
            made.append(Steps(vectors.mean(0), vectors, np.array([*zip(range(0, len(clip), WINDOW), ends)])))  # noqa: B905
        return made


@pytest.fixture
def tenths(monkeypatch: pytest.MonkeyPatch) -> Tenths:
    """What `--audio` loads, whatever is asked for."""
    backbone = Tenths([])
    monkeypatch.setattr(engines, "load_backbone", lambda *_, **__: backbone)
    return backbone


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sounds of three lengths, and a picture without sound. No test changes them."""
    folder = tmp_path_factory.mktemp("clips")
    for number, seconds in enumerate((0.5, 0.25, 1.04)):
        write_wav(folder / f"{number}.wav", 300.0 + 100 * number, seconds)
    return folder


def run(root: Path, out: Path, **options: object) -> Extraction:
    return extract(root, out, encoders=TENTHS, workers=1, **{"keep_sequence": True, **options})  # type: ignore[arg-type]


def test_steps_and_times_are_those_of_a_direct_call(made: Path, tmp_path: Path, tenths: Tenths) -> None:
    store = run(made, tmp_path / "store").store
    flat, place = store.sequences["audio"], 0
    for row, path in enumerate(store.clips["path"]):
        wave = decode(made / path, sound=SoundNeeds(RATE)).waveform
        assert wave is not None
        for start in range(0, len(wave), WINDOW):
            part = wave[start : start + WINDOW]
            np.testing.assert_allclose(flat.steps[place], [(part**2).mean(), part[0]], rtol=1e-5, atol=1e-7)
            assert flat.times[place] == pytest.approx((start + len(part) / 2) / RATE)
            place += 1
        assert flat.length[row] == -(-len(wave) // WINDOW)
    assert place == len(flat.steps) == 5 + 3 + 11


def test_means_are_the_same_bytes_and_stores_of_means_have_no_file_more(
    made: Path, tmp_path: Path, tenths: Tenths
) -> None:
    run(made, tmp_path / "with")
    run(made, tmp_path / "without", keep_sequence=False)
    for name in MEANS:
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
    assert not list((tmp_path / "without").glob("*.steps.npy"))
    with sqlite3.connect(tmp_path / "without" / "journal.sqlite") as journal:
        tables = {name for (name,) in journal.execute("select name from sqlite_master where type = 'table'")}
    assert tables == {"about", "files", "clips"}


def test_it_goes_on_and_extracts_again_what_has_changed(made: Path, tmp_path: Path, tenths: Tenths) -> None:
    root = Path(shutil.copytree(made, tmp_path / "clips"))
    (tmp_path / "some.csv").write_text("path\n1.wav\n")
    first = run(root, tmp_path / "store", manifest=tmp_path / "some.csv", batch=2)
    assert first.extracted == 1 and first.store.record.steps == {"audio": 3}
    assert run(root, tmp_path / "store", batch=2).extracted == 2
    assert run(root, tmp_path / "store", batch=2).extracted == 0
    run(made, tmp_path / "at once", batch=2)
    for name in (*MEANS[:1], "audio.steps.npy", "audio.times.npy", "audio.lengths.npy"):
        assert (tmp_path / "store" / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()
    write_wav(root / "1.wav", 900.0, 0.7)
    again = run(root, tmp_path / "store", batch=2)
    assert again.extracted == 1 and again.store.sequences["audio"].length.tolist() == [5, 7, 11]
    (root / "2.wav").unlink()
    assert run(root, tmp_path / "store").store.record.steps == {"audio": 12}
    with sqlite3.connect(tmp_path / "store" / "journal.sqlite") as journal:
        assert journal.execute("select count(*) from steps").fetchone() == (2,)


def test_a_store_of_means_gets_its_steps_and_does_not_lose_them_again(
    made: Path, tmp_path: Path, tenths: Tenths
) -> None:
    run(made, tmp_path / "store", keep_sequence=False)
    grown = run(made, tmp_path / "store")
    assert grown.extracted == 3 and grown.store.record.steps == {"audio": 19}
    with pytest.raises(RunError, match=r"keeps the steps of its clips.* give --keep-sequence again"):
        run(made, tmp_path / "store", keep_sequence=False)
    assert run(made, tmp_path / "store").extracted == 0


def test_times_of_a_piece_count_from_its_begin(tmp_path: Path, tenths: Tenths) -> None:
    write_wav(tmp_path / "clips" / "long.wav", seconds=1.0)
    store = run(tmp_path / "clips", tmp_path / "store", window=0.5).store
    flat = store.sequences["audio"]
    assert flat.length.tolist() == [5, 5]
    assert flat.times.tolist() == pytest.approx([0.05, 0.15, 0.25, 0.35, 0.45] * 2)


def test_a_clip_without_sound_has_no_step_and_one_without_steps_has_its_vector(tmp_path: Path) -> None:
    """Descriptors give a vector a clip: it is one step, in the middle of what was seen or heard."""
    write_clip(tmp_path / "clips" / "silent.mp4", 3, 0.5, sound=False)
    write_clip(tmp_path / "clips" / "sounding.mp4", 4, 1.0)
    both = EncoderChoice(audio="descriptors", video="descriptors")
    store = extract(tmp_path / "clips", tmp_path / "store", encoders=both, workers=1, keep_sequence=True).store
    assert store.sequences["audio"].length.tolist() == [0, 1]
    assert store.sequences["video"].length.tolist() == [1, 1]
    np.testing.assert_array_equal(store.sequences["video"].steps, store.video)
    np.testing.assert_array_equal(store.sequences["audio"].steps, store.audio[1:])
    assert store.sequences["video"].times.tolist() == pytest.approx([0.25, 0.5], abs=0.1)
    assert store.sequences["audio"].times.tolist() == pytest.approx([0.5], abs=0.05)


def test_networks_fed_by_the_decoding_process_say_when_each_window_is(tmp_path: Path) -> None:
    """Of CLAP and CLIP: each window, or frame, through the network by itself, scaled as the row is."""
    root = write_clips(tmp_path / "clips", count=1)
    write_clip(root / "bell" / "long.mp4", 3, 2.0)
    encoders = EncoderChoice(audio=f"clap:{weights('clap')}", video=f"clip:{weights('clip')}", device="cpu")
    kept = extract(root, tmp_path / "kept", encoders=encoders, workers=1, keep_sequence=True).store
    plain = extract(root, tmp_path / "plain", encoders=encoders, workers=1).store
    nets = {m: backbones.load(getattr(encoders, m), m, device="cpu") for m in ("audio", "video")}
    for modality, net in nets.items():
        assert np.array_equal(kept.feature(modality), plain.feature(modality))
        flat = kept.sequences[modality]
        for row, path in enumerate(kept.clips["path"]):
            clip = decode(root / path, frames=nets["video"].needs, sound=nets["audio"].needs)
            content = clip.waveform if modality == "audio" else clip.frames
            inputs = net.prepare(content)
            own = slice(flat.first[row], flat.first[row] + flat.length[row])
            assert flat.length[row] == len(inputs)
            alone = torch.cat([net.rows(torch.from_numpy(inputs[i : i + 1])) for i in range(len(inputs))]).detach()
            expected = (alone / alone.mean(0).norm()).numpy()
            np.testing.assert_allclose(flat.steps[own], expected, rtol=1e-4, atol=1e-5)
            if modality == "video":
                np.testing.assert_allclose(flat.times[own], clip.times, atol=1e-6)
            else:
                size = min(net.prepare.size, len(content))
                starts = np.linspace(0, len(content) - size, len(inputs)).round()
                np.testing.assert_allclose(flat.times[own], (starts + size / 2) / net.needs.rate, atol=1e-6)


def test_times_of_a_span_count_from_its_begin(tmp_path: Path) -> None:
    file = write_clip(tmp_path / "x.mp4", 3, 2.0)
    net = backbones.load(f"clip:{weights('clip')}", "video", device="cpu")
    decoded = decode_prepared(file, Span(1.0, 2.0), net.needs, None, {"video": net.prepare})
    (outcome,) = embed_batch([decoded], {"video": net}, keep_sequence=True)
    count = len(outcome.sequences["video"])
    expected = [(number + 0.5) / count for number in range(count)]
    assert outcome.sequences["video"].times.tolist() == pytest.approx(expected, abs=0.1)


def test_a_step_that_is_not_finite_costs_its_clip() -> None:
    class Damaged(Tenths):
        def embed_steps(self, clips: Sequence[np.ndarray], lengths: Sequence[int]) -> list[Steps]:
            vectors = torch.tensor([[1.0, torch.inf], [1.0, 2.0]])
            return [Steps(vectors[1], vectors, np.array([[0, 1], [1, 2]])) for _ in clips]

    (outcome,) = embed_batch([Decoded(waveform=np.ones(4, np.float32))], {"audio": Damaged([])}, keep_sequence=True)
    assert outcome.error == "tenths: gave values that are not finite"


def test_the_command_keeps_sequences(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips", count=1)
    options = ["--audio", "descriptors", "--keep-sequence", "--workers", "1"]
    result = CliRunner().invoke(cli.app, ["extract", str(root), "--out", str(tmp_path / "store"), *options])
    assert result.exit_code == 0, result.output
    shown = CliRunner().invoke(cli.app, ["inspect", str(tmp_path / "store")])
    assert "audio: kept as sequences, 3 steps, 1 to 1 a clip" in " ".join(shown.output.split())
