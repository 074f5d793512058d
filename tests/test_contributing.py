"""The method in CONTRIBUTING.md works for a stranger: as a file, as an object, and as an installed package."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import avgzsl as front
from avgzsl.archive.collection import open_index
from avgzsl.archive.indexing import index
from avgzsl.archive.search import open_searcher
from avgzsl.cli import main
from avgzsl.errors import AvgzslError, ConfigError, RunError
from avgzsl.experiments.run import Run, load_run
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.generators import generate
from avgzsl.methods import build, find_method, method_class, methods
from avgzsl.testing import MethodSuite
from tests.strangers import install

ROOT = Path(__file__).parents[1]
(BLOCK, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
SUITE = """
from avgzsl.testing import MethodSuite
from somebodys_package import Prototype

class TestPrototype(MethodSuite):
    method = Prototype
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with nothing but the block as a file, and a small data set."""
    folder = tmp_path_factory.mktemp("anywhere")
    (folder / "prototype.py").write_text(BLOCK)
    generate("audioset-zsl", folder / "data", 0.002, audio_dim=12, video_dim=10, text_dim=8)
    return folder


@pytest.fixture(scope="module")
def chosen(place: Path) -> str:
    return f"{place / 'prototype.py'}:Prototype"


def avgzsl(*arguments: str, cwd: Path, path: Path | None = None, code: int = 0) -> str:
    """What a command prints, run as a stranger runs it: elsewhere, with another folder of packages if need be."""
    folders = [str(path)] if path is not None else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, str(ROOT / "src")])}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def command(*arguments: str, **how) -> str:
    return avgzsl("-m", "avgzsl", *arguments, **how)


def test_the_method_imports_public_names_alone():
    assert not re.search(r"avgzsl[\w.]*\._|import _", BLOCK)


def test_as_the_document_says_it_trains_from_anywhere_and_is_evaluated(place):
    choice = ["--method", "prototype.py:Prototype"]
    command("train", "data", *choice, "--out", "run", "ridge=0.3", cwd=place)
    config = json.loads((place / "run" / "config.json").read_text())
    assert config["method"] == "prototype" and config["settings"]["ridge"] == 0.3
    before = json.loads((place / "run" / "results.json").read_text())["results"]
    command("evaluate", "run", *choice, "--json", "again.json", cwd=place)
    assert json.loads((place / "again.json").read_text())["results"] == before
    said = command("evaluate", "run", cwd=place, code=1)
    assert "unknown method 'prototype'" in said and "--method FILE.py:Class" in said


class TestExample(MethodSuite):
    """The block, through the suite."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _from_file(cls, chosen: str) -> None:
        cls.method = chosen


@pytest.mark.parametrize("form", ["name", "class", "object"])
def test_in_python_the_file_the_class_or_an_object_is_enough(form, place, chosen, tmp_path):
    cls = find_method(chosen)
    choice = {"name": chosen, "class": cls, "object": cls(ridge=0.3)}[form]
    run = train(place / "data", choice, out=tmp_path / "run", settings={} if form == "object" else {"ridge": 0.3})
    assert run.method.ridge == 0.3 and run.method is not choice
    assert load_run(run.folder, choice).method.state().keys() == run.method.state().keys()
    assert evaluate(load_run(run.folder, cls)).results == evaluate(run).results
    with pytest.raises(RunError, match="is a run of the method 'prototype', and 'ale' was given"):
        load_run(run.folder, "ale")
    assert load_run(run, choice) is run
    with pytest.raises(RunError, match="is a run of the method 'prototype', and 'ale' was given"):
        load_run(run, "ale")


def test_a_training_of_a_file_goes_on(place, chosen, tmp_path):
    run = train(place / "data", chosen, out=tmp_path / "run")
    assert train(place / "data", chosen, out=tmp_path / "run", resume=True).config == run.config


def test_two_classes_of_a_file_are_both_there(tmp_path):
    file = tmp_path / "two.py"
    file.write_text(BLOCK + BLOCK.replace("Prototype", "Second").replace('name="prototype"', 'name="second"'))
    assert [find_method(f"{file}:{name}").name for name in ("Prototype", "Second")] == ["prototype", "second"]
    assert build(f"{file}:Prototype").name == "prototype"


def test_two_classes_of_one_name_in_a_file_are_refused(tmp_path):
    (tmp_path / "two.py").write_text(BLOCK + "\n\nclass Second(Prototype, name='prototype'): ...\n")
    with pytest.raises(ConfigError, match=r"two\.py:Prototype has the name 'prototype', as Second has beside it"):
        find_method(f"{tmp_path / 'two.py'}:Prototype")


def test_a_file_imports_what_lies_beside_it(tmp_path, monkeypatch):
    (tmp_path / "beside_the_method.py").write_text("RIDGE = 0.25\n")
    (tmp_path / "mine.py").write_text(f"{BLOCK}\nfrom beside_the_method import RIDGE\n")
    monkeypatch.delitem(sys.modules, "beside_the_method", raising=False)
    before = list(sys.path)
    assert find_method(f"{tmp_path / 'mine.py'}:Prototype").name == "prototype"
    assert sys.path == before


def test_the_last_colon_parts_file_and_class(tmp_path):
    folder = tmp_path / "odd:name.py:x"
    folder.mkdir()
    (folder / "prototype.py").write_text(BLOCK)
    assert find_method(f"{folder / 'prototype.py'}:Prototype").name == "prototype"


def test_a_file_that_changed_is_read_anew(tmp_path):
    file = tmp_path / "prototype.py"
    for default in ("0.1", "0.2"):
        file.write_text(BLOCK.replace("default=0.1", f"default={default}"))
        assert build(f"{file}:Prototype").ridge == float(default)


def test_a_taken_name_is_refused_and_both_places_named(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(BLOCK.replace('name="prototype"', 'name="eszsl"'))
    with pytest.raises(ConfigError, match=r"'eszsl' of .*mine\.py:Prototype is taken by avgzsl\.methods\.eszsl"):
        find_method(f"{file}:Prototype")
    assert method_class("eszsl").__module__ == "avgzsl.methods.eszsl"


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (BLOCK, "", "does not say which class"),
        (BLOCK, ":", "does not say which class"),
        (BLOCK, ":Nobody", "has no Nobody"),
        (BLOCK, ":torch", "no method; a method is a subclass"),
        (BLOCK, ":SingleFeature", "gives itself no name"),
        (
            BLOCK + "\nclass Other(Prototype): ...",
            ":Other",
            r"gives itself no name.*class Other\(Prototype, name='…'\)",
        ),
        (BLOCK + "\nclass Bare(Prototype, name='bare'): ...", ":Bare", "is no dataclass"),
        (BLOCK.replace("def learn", "def lern"), ":Prototype", "lacks learn"),
        ("import no_such_library", ":Prototype", "does not run .*no_such_library"),
        ("raise SystemExit(3)", ":Prototype", "does not run"),
        ("def", ":Prototype", "does not run .*SyntaxError"),
        (None, ":Prototype", "cannot be read"),
    ],
)
def test_what_is_no_method_is_told(content, name, said, tmp_path):
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=said):
        find_method(f"{file}{name}")


@pytest.mark.parametrize(
    "name",
    ["{file}:Evil", "{file}", "../evil.py:Evil", "evil.py:Evil", "evil:Evil", "evil", "os:system", "avgzsl.cli:main",
     "avgzsl.methods.ale", "ale:ALE", "../evil", "_base", "__init__", "", "."],
)  # fmt: skip
def test_a_run_never_leads_to_a_file(name, place, chosen, tmp_path, monkeypatch):
    run = train(place / "data", chosen, out=tmp_path / "run").folder
    marker, file = tmp_path / "marker", run / "evil.py"
    file.write_text(f"open({str(marker)!r}, 'w')\n{BLOCK.replace('Prototype', 'Evil')}")
    monkeypatch.chdir(run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "method": name.format(file=file)}))
    before = {*sys.modules}
    with pytest.raises(RunError, match="unknown method"):
        load_run(run)
    with pytest.raises(AvgzslError):
        load_run(run, chosen)
    assert not marker.exists()
    assert not [module for module in {*sys.modules} - before if "evil" in module]


def test_whatever_opens_the_run_of_a_file_takes_the_file_again(place, chosen, tmp_path, monkeypatch, capsys):
    run, archive = train(place / "data", chosen, out=tmp_path / "run"), str(tmp_path / "index")
    name, folder, data = run.config.data.unseen[0], str(run.folder), str(place / "data")
    commands = [
        ["pack", folder, "--out", str(tmp_path / "packed")],
        ["evaluate", str(tmp_path / "packed"), "--data", data],
        ["index", folder, data, "--out", archive, "--engine", "memory"],
        ["index", folder, data, "--out", archive],
        ["index-add", archive, data],
        ["index-info", archive],
        ["index-verify", archive],
        ["index-rebuild", archive],
        ["index-evaluate", archive],
        ["search", archive, name],
        ["index-remove", archive, "--purge"],
        ["predict", folder, "no-such-clip.mp4"],
    ]
    for words in commands:
        for method in ([], ["--method", chosen]):
            monkeypatch.setattr(sys, "argv", ["avgzsl", *words, *method])
            code = 0
            try:
                main()
            except SystemExit as end:
                code = end.code
            said = capsys.readouterr().err
            assert ("--method FILE.py:Class" in said) == (not method), (words, method, said)
            assert words[0] == "predict" or (code or 0) == (0 if method else 1), (words, method, said)


def test_in_python_what_was_opened_with_the_file_goes_wherever_the_folder_goes(place, chosen, tmp_path):
    run, folder = train(place / "data", chosen, out=tmp_path / "run").folder, tmp_path / "index"
    opened_run = front.load_run(run, method=chosen)
    front.index(opened_run, place / "data", folder, engine="memory")
    opened = front.open_index(folder, method=chosen)
    calls = {
        "pack": lambda run, _: front.pack(run, tmp_path / "packed"),
        "evaluate": lambda run, _: front.evaluate(run),
        "index_info": lambda _, index: front.index_info(index),
        "index_add": lambda _, index: front.index_add(index, place / "data"),
        "index_verify": lambda _, index: front.index_verify(index),
        "index_files": lambda _, index: front.index_files(index),
        "index_rebuild": lambda _, index: front.index_rebuild(index),
        "index_evaluate": lambda _, index: front.index_evaluate(index),
        "search": lambda _, index: front.search(index, opened_run.config.data.unseen[0]),
        "open_searcher": lambda _, index: front.open_searcher(index),
        "index_remove": lambda _, index: front.index_remove(index, purge=True),
    }
    for name, call in calls.items():
        with pytest.raises(RunError) as refused:
            call(run, folder)
        for way in ("load_run(FOLDER, method=…)", "open_index(FOLDER, method=…)"):
            assert way in str(refused.value), name
        call(opened_run, opened)
    with pytest.raises(RunError, match="is a run of the method 'prototype', and 'ale' was given"):
        front.open_index(opened, method="ale")


def test_a_search_by_a_clip_keeps_to_the_method_that_was_given(place, chosen, tmp_path):
    run = train(place / "data", chosen, out=tmp_path / "run")
    index(run, place / "data", tmp_path / "index", engine="memory")
    searcher = open_searcher(open_index(tmp_path / "index", method=chosen))
    with pytest.raises(AvgzslError) as refused:  # features from nowhere name no encoder
        searcher.clips  # noqa: B018
    assert "encoder" in str(refused.value) and "unknown method" not in str(refused.value)
    assert Run.from_pretrained(run.folder, method=chosen).method.ridge == run.method.ridge


def test_the_suites_need_pytest_alone(place):
    dev = ("hypothesis", "beartype", "psutil", "onnx", "PIL", "httpx", "playwright", "schemathesis", "cca_zoo", "mypy")
    code = f"import sys, avgzsl.testing; sys.exit(', '.join({{*{dev}}} & {{*sys.modules}}) or 0)"
    avgzsl("-c", code, cwd=place)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder of packages with somebody's, as it is after its installation."""
    entries = {"avgzsl.methods": {"prototype": "somebodys_package:Prototype", "broken": "nowhere_at_all:Broken"}}
    return install(tmp_path_factory.mktemp("site"), "somebodys-package", {"somebodys_package": BLOCK}, entries)


def test_an_installed_package_is_found_by_name(place, site, tmp_path):
    listed = command("methods", cwd=place, path=site)
    assert (
        "prototype: Class means, mapped to the text by ridge regression. [somebodys-package]"
        in " ".join(listed.split())
        and "method 'broken' (nowhere_at_all:Broken" in listed
    )
    command("train", "data", "--method", "prototype", "--out", str(tmp_path / "run"), cwd=place, path=site)
    command("evaluate", str(tmp_path / "run"), cwd=place, path=site)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["method"] == "prototype" and config["versions"]["somebodys-package"] == "1.0"
    with pytest.raises(RunError, match=r"came with the package 'somebodys-package 1\.0'; install that, if you trust"):
        load_run(tmp_path / "run")


def test_an_installed_package_runs_the_suite(site, tmp_path):
    (tmp_path / "test_mine.py").write_text(SUITE)
    said = avgzsl("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py", cwd=tmp_path, path=site)
    assert re.search(r"2\d passed|3\d passed", said), said
    broken = BLOCK.replace("(mean.T @", "torch.rand(1) * (mean.T @")
    other = install(tmp_path / "other", "somebodys-package", {"somebodys_package": broken}, {})
    said = avgzsl(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "seed", "test_mine.py", cwd=tmp_path, path=other, code=1
    )
    assert "test_same_seed_same_bytes" in said


def test_methods_and_defaults_in_the_documents_are_those_of_the_code():
    text = (ROOT / "docs" / "methods.md").read_text()
    told: dict[str, dict[str, str]] = {}
    alone = []
    for section in re.split(r"\n##+ ", text):
        names = re.findall(r"`([\w-]+)`", section.split("\n")[0])
        alone += names if len(names) == 1 else []
        for name in names:
            for key, value in re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.M):
                assert key not in told.setdefault(name, {}), f"{name}: {key} is told twice"
                told[name][key] = value
    assert sorted(alone) == methods()
    for name in methods():
        method = build(name)
        assert told[name] == {key: str(getattr(method, key)) for key, _, _ in method.settings()}, name
