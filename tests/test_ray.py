"""Extraction on a Ray cluster gives the bytes of extraction on this machine, whatever happens to workers and nodes."""

import re
import signal
import socket
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psutil
import pytest

from avgzsl.errors import AvgzslError, ConfigError, WeightsError
from avgzsl.features.embedding import Outcome, Task
from avgzsl.features.engines import BackboneSetup, _crew, _nodes, _pieces, _worker, load_backbones
from avgzsl.features.engines import ray as engine
from avgzsl.features.engines._pieces import Pieces
from avgzsl.features.extract import extract
from avgzsl.media.needs import Span
from avgzsl.support.weights import WeightFile
from avgzsl.types import EncoderChoice
from tests import ray_nodes
from tests.processes import PATIENCE, gone, started
from tests.ray_workers import Poisoned, Slow
from tests.small_clips import write_clips

ray = pytest.importorskip("ray", reason="the extra `cluster` is not installed")
BOTH = EncoderChoice(audio="descriptors", video="descriptors")
STORE = ("audio.npy", "video.npy", "clips.jsonl", "store.json")


def tasks(*names: str, folder: Path = Path("/clips")) -> list[Task]:
    return [Task(folder / name, Span()) for name in names]


def said(outcomes: list[Outcome]) -> list[str | None]:
    return [outcome.error for outcome in outcomes]


# the queue of batches


def test_outcomes_are_in_order_and_no_more_batches_are_taken_than_fit():
    taken = []
    pieces = Pieces((taken.append(name) or tasks(name) for name in "abcd"), ahead=2)
    first, second = pieces.take(), pieces.take()
    assert pieces.take() is None and taken == ["a", "b"]
    pieces.done(second, [Outcome(error="b")])
    assert list(pieces.in_order()) == [] and pieces.take() is None  # a is waited for, and nothing more is held
    pieces.done(first, [Outcome(error="a")])
    assert [said(batch) for batch in pieces.in_order()] == [["a"], ["b"]] and not pieces.finished
    for name in "cd":
        pieces.done(pieces.take(), [Outcome(error=name)])
    assert [said(batch) for batch in pieces.in_order()] == [["c"], ["d"]] and pieces.take() is None and pieces.finished


def test_what_is_lost_goes_out_first_then_clip_by_clip_and_one_clip_alone_is_given_up():
    pieces = Pieces(iter([tasks("good", "bad", "fine"), tasks("next")]), ahead=9)
    for losses in range(_pieces.LOSSES):
        piece = pieces.take()
        assert (piece.batch, len(piece.tasks), piece.losses) == (0, 3, losses)
        pieces.lost(piece, "SIGKILL")
        assert pieces.lost_wait
    lost = 0
    while pieces.lost_wait:
        (piece,) = [pieces.take()]
        if piece.tasks[0].file.name == "bad":
            lost += 1
            pieces.lost(piece, "SIGKILL")
        else:
            pieces.done(piece, [Outcome(error=piece.tasks[0].file.name)])
    assert lost == _pieces.LOSSES
    ((good, bad, fine),) = pieces.in_order()
    assert (good.error, fine.error) == ("good", "fine")
    assert bad.error.startswith("/clips/bad: 3 workers, one after the other, ended") and "SIGKILL" in bad.error


def test_a_worker_decodes_a_batch_while_it_embeds_another(monkeypatch):
    embeds, second = Event(), Event()

    class Fake:
        def map(self, requests):
            if [request.path.name for request in requests] == ["b"]:
                second.set()
            return []

    def embedded(decoded, backbones, keep):
        embeds.set()
        return [Outcome(error="overlapped" if second.wait(PATIENCE) else "waited")]

    monkeypatch.setattr(_worker, "embed_batch", embedded)
    worker = _worker.Worker(_worker.Job(BackboneSetup({"audio": "descriptors"}), {"audio": ()}, Path.cwd(), 1))
    worker.decoders.stop()
    worker.decoders = Fake()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(worker.embed, tasks("a"))
        assert embeds.wait(PATIENCE)
        assert said(worker.embed(tasks("b"))) == said(first.result()) == ["overlapped"]


# a cluster on this machine


@pytest.fixture(scope="module")
def cluster():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, of its defaults
        ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture
def sound() -> BackboneSetup:
    return BackboneSetup({"audio": "descriptors"}, workers=2)


def test_two_workers_give_the_same_bytes_and_other_weights_are_refused(cluster, tmp_path):
    root = write_clips(tmp_path / "clips", count=4)
    (root / "bell" / "bad.mp4").write_text("no video")
    local = extract(root, tmp_path / "local", encoders=BOTH, batch=3, workers=1)
    spread = extract(root, tmp_path / "ray", encoders=BOTH, batch=3, workers=2, engine="ray")
    assert spread.extracted == local.extracted == 12 and spread.failures == local.failures
    assert len(local.failures) == 1
    for name in (*STORE, "failures.csv"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name

    setup = BackboneSetup({"audio": "descriptors"}, workers=1)
    other = load_backbones(setup)
    other["audio"].weights = (WeightFile("net.bin", "0" * 64),)
    with pytest.raises(WeightsError, match=r"^node [\d.]+: .*other weights"):
        list(engine.run([[]], setup, other))


def test_a_clip_that_ends_its_workers_costs_itself_alone(cluster, sound, monkeypatch):
    monkeypatch.setattr(_crew, "Worker", Poisoned)
    monkeypatch.setattr(_pieces, "LOSSES", 2)  # one is not enough: what waits behind it is lost with it, once
    batches = [tasks("a", "b"), tasks("c", "poison", "d"), tasks("e")]
    first, (c, poison, d), last = map(said, engine.run(batches, sound, load_backbones(sound)))
    assert (first, c, d, last) == (["a", "b"], "c", "d", ["e"])
    assert poison.startswith("/clips/poison: ") and "leave it out" in poison


def test_work_goes_to_whoever_is_idle(cluster, sound, monkeypatch, tmp_path):
    monkeypatch.setattr(_crew, "Worker", Slow)
    names = ["slow", *"abcdefg"]
    outcomes = engine.run([tasks(name, folder=tmp_path) for name in names], sound, load_backbones(sound))
    assert [said(batch) for batch in outcomes] == [[name] for name in names]


def test_without_room_for_a_worker_it_ends_and_says_what_was_waited_for(cluster, monkeypatch):
    monkeypatch.setenv(_nodes.PATIENCE, "2")
    setup = BackboneSetup({"audio": "descriptors"}, device="cuda")
    backbones = load_backbones(BackboneSetup({"audio": "descriptors"}))
    with pytest.raises(
        AvgzslError, match=r"nothing has come .* for \d+ s: 1 of 1 workers wait for room .1 CPU and 1 GPU"
    ):
        list(engine.run([tasks("a")], setup, backbones))


@pytest.mark.parametrize("given", ["0", "-1", "soon", "inf", "nan"])
def test_patience_is_a_number_of_seconds(monkeypatch, given):
    monkeypatch.setenv(_nodes.PATIENCE, given)
    with pytest.raises(ConfigError, match=f"{_nodes.PATIENCE}={given}: expected seconds"):
        _nodes.patience()


def test_a_cluster_that_is_not_there_is_said_at_once(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and nobody listens
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(AvgzslError, match=r"could not be reached \(nothing answers at 127.*RAY_AUTH_TOKEN"):
            _nodes.check_reachable()
    for word in ("auto", "local"):
        monkeypatch.setenv("RAY_ADDRESS", word)
        _nodes.check_reachable()


INTERRUPTED = """
import sys
from avgzsl.cli.interruption import interruptible
from avgzsl.features.engines import _crew
from avgzsl.features.extract import extract
from avgzsl.types import EncoderChoice
from tests.ray_workers import Waiting

with interruptible():
    _crew.Worker = Waiting
    extract(
        *sys.argv[1:], encoders=EncoderChoice(video="descriptors"), batch=1, workers=1, engine="ray",
        progress=lambda step: print(step.done, flush=True),
    )
"""


@pytest.mark.races
def test_an_interruption_ends_every_process_and_the_same_command_goes_on(tmp_path):
    root = write_clips(tmp_path / "clips", count=2)
    (root / "flute" / "1.mp4").rename(root / "flute" / "last.mp4")
    command = [sys.executable, "-c", INTERRUPTED, root, tmp_path / "out"]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
    with started(command, env={"RAY_ADDRESS": "local"}, **pipes) as process:
        assert [process.stdout.readline() for _ in range(5)] == [f"{done}\n" for done in range(1, 6)]
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, text = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM and text.splitlines()[-1].startswith("terminated; "), text
    assert len(children) > 3
    for child in children:
        gone(child.pid)
    rest = extract(root, tmp_path / "out", encoders=EncoderChoice(video="descriptors"), batch=1)
    assert (rest.extracted, len(rest.store)) == (1, 6)


# two nodes


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    return write_clips(tmp_path_factory.mktemp("shared") / "clips", count=6)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    if reason := ray_nodes.why_not():
        pytest.skip(reason)
    with ray_nodes.two_nodes(write_clips(tmp_path_factory.mktemp("hidden"), count=1)) as made:
        yield made


def on_cluster(nodes, module: list[str], root: Path, out: Path) -> tuple[int, str]:
    """Exit code and stderr of an extraction that is started on the head."""
    what = ["--audio", "descriptors", "--video", "descriptors", "--batch", "1", "--engine", "ray"]
    command = nodes.inside(nodes.head, sys.executable, "-m", *module, "extract", root, "--out", out, *what)
    with started(command, env=nodes.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        _, text = process.communicate(timeout=PATIENCE)
    return process.returncode, text


def test_a_path_that_is_not_on_every_node_is_said_at_the_start(nodes, tmp_path):
    code, text = on_cluster(nodes, ["avgzsl"], nodes.hidden, tmp_path / "out")
    assert code == 1 and f"error: node {ray_nodes.OTHER} lacks {nodes.hidden}/bell/0.mp4: " in text, text
    assert ray_nodes.HEAD not in text and not (tmp_path / "out" / "store.json").exists()


def test_a_node_that_is_killed_loses_nothing(nodes, clips, tmp_path):
    extract(clips, tmp_path / "local", encoders=BOTH, batch=1)
    code, text = on_cluster(nodes, ["tests.ray_killer", nodes.other, clips.parent], clips, tmp_path / "ray")
    assert code == 0 and re.search(r"^killed with [12] batches$", text, re.M), text
    for name in STORE:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name
