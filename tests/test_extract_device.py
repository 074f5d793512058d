"""Extraction on a device, which a stand-in plays: decoding, laying out and embedding overlap, and rows are the same."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, get_ident
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from avgzsl.errors import MediaError
from avgzsl.features import engines
from avgzsl.features.embedding import Task
from avgzsl.features.engines import BackboneSetup, local
from avgzsl.media import workers
from avgzsl.media.needs import Decoded, SoundNeeds, Span
from tests.small_clips import write_clips

LONGEST = 60.0  # seconds until a wait that would not end is given up
SETUP = BackboneSetup({"audio": "stand-in"}, device="cuda", workers=1)  # nothing of it is asked for


@dataclass(eq=False)
class StandIn:
    """A backbone whose row is the mean of a clip; `meet` is called with the first sample of a batch."""

    meet: object = None
    threads: set = field(default_factory=set)
    spec, modality, dimension, needs, weights = "stand-in", "audio", 1, SoundNeeds(8000), ()

    def embed(self, clips):
        self.threads.add(get_ident())
        if self.meet is not None:
            self.meet(float(clips[0][0]))
        return torch.tensor([[float(clip.mean())] for clip in clips])


def batches(number: int, size: int = 2) -> list[list[Task]]:
    """Clips named by their number."""
    return [[Task(Path(str(size * batch + i)), Span()) for i in range(size)] for batch in range(number)]


@pytest.fixture
def decoders(monkeypatch):
    """In the place of processes: a clip is its number, as one sample; `decode` is called with it."""
    fake = SimpleNamespace(decode=lambda number: None, stopped=0, ahead=0)

    class Decoders:
        def __init__(self, workers):
            pass

        def map(self, requests, ahead=None):
            for request in requests:
                fake.ahead = max(fake.ahead, int(request.path.name))
                try:
                    fake.decode(int(request.path.name))
                except MediaError as problem:
                    yield problem
                else:
                    yield Decoded(waveform=np.array([float(request.path.name)], np.float32))

        def stop(self):
            fake.stopped += 1

    monkeypatch.setattr(workers, "Decoders", Decoders)
    return fake


def values(outcomes) -> list:
    return [None if one.audio is None else float(one.audio[0]) for batch in outcomes for one in batch]


def test_decoding_laying_out_and_embedding_go_on_at_once(decoders, monkeypatch):
    """Each waits, at a batch of its own, until both others are at theirs: one after the other they never meet."""
    meeting = Barrier(3)
    original = local.page_locked

    def locked(clip, backbones):
        if clip.waveform[0] == 2:  # of the batch behind the one that is embedded
            meeting.wait(LONGEST)
        return original(clip, backbones)

    monkeypatch.setattr(local, "page_locked", locked)
    decoders.decode = lambda number: meeting.wait(LONGEST) if number == 4 else None
    backbone = StandIn(lambda first: meeting.wait(LONGEST) if first == 0 else None)
    assert values(local.run(batches(6), SETUP, {"audio": backbone})) == list(range(12))
    assert not meeting.broken and len(backbone.threads) == 1 and decoders.stopped == 1


def test_a_clip_that_cannot_be_decoded_costs_itself(decoders):
    def decode(number: int) -> None:
        if number in (0, 5):
            raise MediaError(f"{number}: is damaged")

    decoders.decode = decode
    outcomes = list(local.run(batches(3), SETUP, {"audio": StandIn()}))
    assert values(outcomes) == [None, 1, 2, 3, 4, None]
    assert outcomes[0][0].error == "0: is damaged"


def test_what_goes_wrong_with_the_device_ends_the_extraction(decoders):
    def meet(first: float) -> None:
        if first == 4:
            raise RuntimeError("the device is gone")

    run = local.run(batches(50), SETUP, {"audio": StandIn(meet)})
    assert values([next(run), next(run)]) == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="the device is gone"):
        next(run)
    assert decoders.stopped == 1 and decoders.ahead < 40


def test_few_batches_are_decoded_ahead(decoders):
    run = local.run(batches(50), SETUP, {"audio": StandIn()})
    next(run)
    assert decoders.ahead < 2 * 4
    run.close()
    assert decoders.stopped == 1


def test_a_device_and_processors_give_the_same_outcomes(tmp_path):
    root = write_clips(tmp_path / "clips", count=3)
    files = sorted(root.glob("*/*"))
    tasks = [[Task(file, Span(), True) for file in files[start : start + 2]] for start in range(0, len(files), 2)]
    specs = {"audio": "descriptors", "video": "descriptors"}
    backbones = engines.load_backbones(BackboneSetup(specs, device="cpu"))
    one = list(local.run(tasks, BackboneSetup(specs, device="cpu", workers=2), backbones))
    other = list(local.run(tasks, BackboneSetup(specs, device="cuda", workers=2), backbones))
    assert [len(batch) for batch in one] == [len(batch) for batch in other] == [len(batch) for batch in tasks]
    for ours, theirs in zip((o for batch in one for o in batch), (o for batch in other for o in batch), strict=True):
        assert ours.audio.tobytes() == theirs.audio.tobytes() and ours.video.tobytes() == theirs.video.tobytes()
        assert (ours.info, ours.error, ours.sha256) == (theirs.info, theirs.error, theirs.sha256)
