"""What one does with a run: its calls are those of `avgzsl`, and give the same."""

import inspect
from pathlib import Path

import pytest
import torch

import avgzsl
from avgzsl import Run
from avgzsl.experiments.run import read_classes
from tests import clip_runs

CALLS = ("predict", "evaluate", "index", "push_to_hub")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def clips(folder) -> list[Path]:
    return list(clip_runs.clips(folder / "clips").values())


@pytest.fixture(scope="module")
def data(clips) -> avgzsl.Dataset:
    return clip_runs.dataset(dict(zip(clip_runs.NAMES, clips, strict=True)))


@pytest.fixture(scope="module")
def run(data, folder) -> Run:
    return clip_runs.train(data, folder / "run")


@pytest.mark.parametrize(("method", "call"), [*zip(CALLS, CALLS, strict=True), ("embed", "embed_clips")])
def test_a_call_of_a_run_takes_what_the_call_of_the_package_takes(method, call):
    own = inspect.signature(getattr(Run, method)).parameters
    front = inspect.signature(getattr(avgzsl, call)).parameters
    names = list(front)[1:]
    assert list(own)[1:] == names
    for name in names:
        assert own[name].default == front[name].default and own[name].kind == front[name].kind


def test_a_run_predicts(run, clips, folder):
    steps = []
    predictions = run.predict(clips[:2], clip_runs.NAMES, top=2, progress=steps.append)
    assert predictions == avgzsl.predict(folder / "run", clips[:2], clip_runs.NAMES, top=2)
    assert [len(result.top) for result in predictions] == [2, 2]
    assert [(step.task, step.done, step.total) for step in steps] == [("predict", 1, 2), ("predict", 2, 2)]
    assert clips[0].name in predictions._repr_html_()
    assert len(predictions.to_frame()) == 4


def test_a_run_embeds_clips_where_the_names_of_their_classes_are(run, clips, tmp_path):
    (tmp_path / "damaged.mp4").write_bytes(b"no clip")
    steps = []
    embedded = run.embed([*clips, tmp_path / "damaged.mp4"], progress=steps.append)
    n = len(clips)
    assert embedded.embeddings.audio.shape[0] == n + 1
    assert embedded.embeddings.has_audio.tolist() == embedded.embeddings.has_video.tolist() == [True] * n + [False]
    assert embedded.errors[:n] == (None,) * n and "damaged.mp4" in embedded.errors[n]
    assert (steps[-1].done, steps[-1].total, steps[-1].failed) == (n + 1, n + 1, 1)
    assert [row["error"] is None for row in embedded.rows()] == [True] * n + [False]
    text = run.method.embed_text(read_classes(run).text).audio
    distances = torch.cdist(embedded.embeddings.video[:n], text)
    seen = [i for i, name in enumerate(clip_runs.NAMES) if name not in clip_runs.UNSEEN]
    assert (distances.argmin(1) == torch.arange(n))[seen].float().mean() > 0.5


@pytest.mark.parametrize(("asked", "said"), [([], "no clip was given"), ("clip.mp4", "give a list of paths")])
def test_what_is_no_list_of_clips_is_refused(run, asked, said):
    with pytest.raises(avgzsl.ConfigError, match=said):
        run.embed(asked)


def test_a_run_evaluates_itself(run, data):
    evaluation = run.evaluate(data, modality="audio")
    assert evaluation.results == avgzsl.evaluate(run, data, modality="audio").results
    assert "HM" in evaluation._repr_html_()


def test_a_run_indexes_clips(run, clips, tmp_path):
    added = run.index(clips[0].parent, tmp_path / "index", engine="memory")
    assert added.added == len(clips)
    hits = avgzsl.search(tmp_path / "index", "red high", top=1)
    assert hits[0].path is not None and Path(hits[0].path).is_file()


def test_a_run_shows_itself(run):
    assert "avgzslnet" in run._repr_html_()
    assert run.rows()[0] | {"run": str(run.folder), "seen": 4, "unseen": 2} == run.rows()[0]


def test_a_run_does_not_change(run):
    with pytest.raises(AttributeError):
        run.folder = Path("elsewhere")
