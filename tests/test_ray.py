"""Extraction on a Ray cluster gives the bytes of extraction on this machine."""

import warnings

import pytest

from avgzsl.errors import WeightsError
from avgzsl.features.engines import BackboneSetup, load_backbones
from avgzsl.features.engines import ray as engine
from avgzsl.features.extract import extract
from avgzsl.support.weights import WeightFile
from avgzsl.types import EncoderChoice
from tests.small_clips import write_clips

ray = pytest.importorskip("ray", reason="the extra `cluster` is not installed")


@pytest.fixture(scope="module")
def cluster():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, of its defaults
        ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, logging_level="error")
    yield
    ray.shutdown()


def test_two_workers_give_the_same_bytes_and_other_weights_are_refused(cluster, tmp_path):
    root = write_clips(tmp_path / "clips", count=4)
    (root / "bell" / "bad.mp4").write_text("no video")
    both = {"encoders": EncoderChoice(audio="descriptors", video="descriptors"), "batch": 3}
    local = extract(root, tmp_path / "local", **both, workers=1)
    spread = extract(root, tmp_path / "ray", **both, workers=2, engine="ray")
    assert spread.extracted == local.extracted == 12 and spread.failures == local.failures
    assert len(local.failures) == 1
    for name in ("audio.npy", "video.npy", "clips.parquet", "store.json", "failures.csv"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name

    setup = BackboneSetup({"audio": "descriptors"}, workers=1)
    other = load_backbones(setup)
    other["audio"].weights = (WeightFile("net.bin", "0" * 64),)
    with pytest.raises(WeightsError, match="other weights"):
        list(engine.run([[]], setup, other))
