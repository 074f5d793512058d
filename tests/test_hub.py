"""Runs on a hub: what is uploaded is a packed run, and what comes back is taken as the work of a stranger."""

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from avgzsl import ConfigError, Run, RunError, from_pretrained, load_run, predict, push_to_hub
from avgzsl.packing import hub
from tests import clip_runs

COMMIT = "0123456789" * 4
NAME = "somebody/colours-and-pitches"


@dataclass
class FakeHub:
    """A hub in a folder; like the real one it gives the files that match, here also those of `unasked`."""

    folder: Path
    unasked: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refuses: str = ""

    def create_repo(self, repository, *, private, exist_ok):
        self.called("create_repo")
        assert exist_ok
        return f"https://hub.example/{repository}"

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        self.called("upload_folder")
        shutil.copytree(folder_path, self.folder / repo_id)

    def model_info(self, repository, *, revision):
        self.called(f"model_info {revision}")
        return SimpleNamespace(sha=COMMIT)

    def snapshot_download(self, repository, *, revision, allow_patterns, local_dir):
        from fnmatch import fnmatch

        self.called(f"snapshot_download {revision}")
        for path in (self.folder / repository).rglob("*"):
            name = path.relative_to(self.folder / repository)
            if path.is_file() and any(fnmatch(str(name), pattern) for pattern in allow_patterns):
                (Path(local_dir) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, Path(local_dir) / name)
        for name, text in self.unasked.items():
            (Path(local_dir) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(local_dir) / name).write_text(text)

    def called(self, call):
        self.calls.append(call)
        if self.refuses and call.startswith(self.refuses):
            raise RuntimeError("503 come back later\nmore lines")


@pytest.fixture
def fake(tmp_path, monkeypatch) -> FakeHub:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    made = FakeHub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=lambda: made))
    return made


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return clip_runs.render(tmp_path_factory.mktemp("clip") / "clip.mp4", "red high")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    data = clip_runs.dataset(clip_runs.clips(folder / "clips"))
    return load_run(clip_runs.train(data, folder / "run").folder)


def test_a_run_goes_to_the_hub_and_comes_back_as_it_was(run, clip, fake):
    assert run.push_to_hub(NAME) == f"https://hub.example/{NAME}"
    again = Run.from_pretrained(NAME)
    assert str(again.folder).endswith(f"runs/somebody--colours-and-pitches/{COMMIT}")
    assert predict(again, [clip])[0].answer == predict(run, [clip])[0].answer
    assert (again.folder / "README.md").is_file()


def test_what_was_fetched_is_not_fetched_again(run, fake):
    push_to_hub(run.folder, NAME)
    for _ in range(2):
        from_pretrained(NAME)
    assert fake.calls.count(f"snapshot_download {COMMIT}") == 1
    fake.calls.clear()
    from_pretrained(NAME, revision=COMMIT)
    assert fake.calls == []
    from_pretrained(NAME, revision="v1")
    assert fake.calls == ["model_info v1"]


def test_a_folder_is_a_run_without_any_hub(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert from_pretrained(run.folder).config == run.config
    with pytest.raises(ConfigError, match=r"is a folder and has no revision v1; leave it out"):
        from_pretrained(run.folder, revision="v1")
    with pytest.raises(ConfigError, match=r"avgzsl\[hub\]"):
        from_pretrained(NAME)
    with pytest.raises(ConfigError, match=r"avgzsl\[hub\]"):
        push_to_hub(run, NAME)


def test_only_files_of_a_packed_run_are_kept(run, fake):
    push_to_hub(run, NAME)
    allowed = {"weights/deep/more.csv": "1", "cards/a.yaml": "b"}
    strange = dict.fromkeys(["setup.py", "model.pkl", "deep/config.json", ".cache/x", "weights", "cards\\x"], "boo")
    fake.unasked = allowed | {name: text for name, text in strange.items() if name != "weights"}
    folder = from_pretrained(NAME).folder
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names >= {"config.json", "model.safetensors", "classes.safetensors", *allowed}
    assert names.isdisjoint(strange)
    assert not hub._may_be("weights")


@pytest.mark.parametrize("name", ["model.safetensors", "history.jsonl", "weights/secret", "elsewhere"])
def test_a_link_among_what_was_fetched_is_refused(run, fake, name, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("canary")
    push_to_hub(run, NAME)
    fetch = FakeHub.snapshot_download

    def with_link(self, *asked, local_dir, **options):
        fetch(self, *asked, local_dir=local_dir, **options)
        (Path(local_dir) / name).unlink(missing_ok=True)
        (Path(local_dir) / name).parent.mkdir(exist_ok=True)
        (Path(local_dir) / name).symlink_to(tmp_path / "secret")

    monkeypatch.setattr(FakeHub, "snapshot_download", with_link)
    with pytest.raises(RunError, match="is a link"):
        from_pretrained(NAME)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() or path.is_symlink()]


@pytest.mark.parametrize("call", ["model_info", "snapshot_download"])
def test_a_hub_that_gives_nothing_is_one_error_and_leaves_nothing_half(run, fake, call, tmp_path):
    push_to_hub(run, NAME)
    fake.refuses = call
    with pytest.raises(RunError, match=rf"{NAME}: the hub refused .*\(503 come back later\)"):
        from_pretrained(NAME)
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]
    fake.refuses = ""
    assert from_pretrained(NAME).config.method == run.config.method


@pytest.mark.parametrize("call", ["create_repo", "upload_folder"])
def test_a_hub_that_takes_nothing_is_one_error(run, fake, call):
    fake.refuses = call
    with pytest.raises(RunError, match=rf"{NAME}: the hub refused .*\(503 come back later\)"):
        push_to_hub(run, NAME)


@pytest.mark.parametrize("name", ["nothing-there", "a/b/c", "../x", "a/..", "/etc/none", "", "a/b c", "https://x/y"])
def test_a_name_that_is_none_is_refused_before_anybody_is_asked(fake, run, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name:
        with pytest.raises(ConfigError, match=r"expected OWNER/NAME"):
            from_pretrained(name)
    with pytest.raises(ConfigError, match=r"expected OWNER/NAME"):
        push_to_hub(run, name)
    assert fake.calls == []


def test_a_commit_that_is_none_makes_no_folder(run, fake, monkeypatch, tmp_path):
    monkeypatch.setattr(FakeHub, "model_info", lambda self, name, revision: SimpleNamespace(sha="../../planted"))
    with pytest.raises(RunError, match="expected 40 hexadecimal digits"):
        from_pretrained(NAME)
    assert not (tmp_path / "cache").exists()


def test_what_is_no_run_is_refused(fake):
    (fake.folder / NAME).mkdir(parents=True)
    (fake.folder / NAME / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(RunError, match="config"):
        from_pretrained(NAME)
