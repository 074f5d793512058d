"""The name of the code that figures hang on: what changes it, and what does not."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avgzsl import methods as package
from avgzsl.experiments.code_version import TRIAL, code_version, sources
from avgzsl.methods import methods

SRC = Path(__file__).parents[1] / "src"
PARTS = (
    "learning/losses", "learning/sampling", "scores/scoring", "scores/metrics", "experiments/protocol",
    "experiments/gallery", "experiments/pseudo_unseen", "experiments/numbers", "methods/_embeddings",
    "scores/energy", "scores/choosing",
    "learning/attention", "learning/training", "learning/nets", "scores/similarity", "data/clips",
    "learning/train_set", "experiments/trial", "methods/_base", "methods/_inputs", "methods/_settings",
    "methods/_projections", "methods/avgzslnet",
    "methods/__init__",
)  # fmt: skip
APART = (
    "server/limits", "cli/benchmark", "cli/tune", "cli/show", "reports/tables", "reports/html", "archive/fused",
    "showcase", "media/decode", "features/extract", "experiments/run", "experiments/calibration",
    "experiments/train_evaluate", "experiments/benchmark", "experiments/tuning", "experiments/code_version",
    "experiments/two_stage", "text/encoders/words", "data/layouts/avca", "methods/gcca", "methods/cjme", "__init__",
    "methods/_frozen", "backbones/_tagger",
)  # fmt: skip
CHILD = """
import json, sys
from pathlib import Path
import avgzsl
from avgzsl.experiments.code_version import code_version

root, found = Path(avgzsl.__file__).parent, {"": code_version("avgzslnet")}
assert str(root).startswith(sys.argv[1])
for name in sys.argv[2:]:
    file = root / f"{name}.py"
    before = file.read_bytes()
    file.write_bytes(before + b"\\nedited = True\\n")
    found[name] = code_version("avgzslnet")
    file.write_bytes(before)
found["again"] = code_version("avgzslnet")
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def versions(tmp_path_factory) -> dict[str, str]:
    """The version by which file of a copy of the package was edited, each alone."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(SRC / "avgzsl", copy / "avgzsl", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", CHILD, str(copy), *PARTS, *APART]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_an_edited_part_of_the_way_to_a_figure_is_another_version(versions):
    assert [name for name in PARTS if versions[name] == versions[""]] == []
    assert len({versions[name] for name in PARTS}) == len(PARTS)


def test_what_no_figure_hangs_on_changes_nothing(versions):
    assert [name for name in APART if versions[name] != versions[""]] == []
    assert versions["again"] == versions[""]


def test_methods_have_versions_of_their_own_wherever_the_code_lies(versions):
    assert len({code_version(name) for name in methods()}) == len(methods())
    assert versions[""] == code_version("avgzslnet")
    assert code_version("avgzslnet", "cjme") == code_version("cjme", "avgzslnet")
    assert code_version("avgzslnet", "cjme") != code_version("avgzslnet")


def test_every_module_that_a_method_loads_is_in_its_version():
    """What Python itself imports for them, in a process of its own, against the statements that were read."""
    script = f"import sys, avgzsl; before = {{*sys.modules}}; import {TRIAL}, avgzsl.methods.avgzslnet; "
    script += "print(*sys.modules.keys() - before)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(SRC)})  # fmt: skip
    loaded = {name for name in done.stdout.split() if name.startswith("avgzsl.")}
    assert loaded <= sources(TRIAL, "avgzsl.methods.avgzslnet").keys()


def test_a_method_from_outside_brings_its_own_file(tmp_path, monkeypatch):
    name = "outsider"
    text = (
        "from pydantic.dataclasses import dataclass\nfrom avgzsl.methods import SETTINGS\n"
        "from avgzsl.methods.conse import ConSE\n\n"
        "@dataclass(config=SETTINGS, kw_only=True, eq=False)\nclass Outsider(ConSE, name='outsider'): ...\n"
    )
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    try:
        first = code_version(name)
        assert sources(f"avgzsl.methods.{name}").keys() >= {f"avgzsl.methods.{name}", "avgzsl.methods.conse"}
        (tmp_path / f"{name}.py").write_text(text + "# another\n")
        assert code_version(name) != first
        (tmp_path / f"{name}.py").write_text(text)
        assert code_version(name) == first
    finally:
        del sys.modules[f"avgzsl.methods.{name}"]
        vars(package).pop(name, None)


def test_a_file_counts_by_its_content_wherever_it_lies(tmp_path):
    text = (
        "from pydantic.dataclasses import dataclass\nfrom avgzsl.methods import SETTINGS\n"
        "from avgzsl.methods.conse import ConSE\n\n"
        "@dataclass(config=SETTINGS, kw_only=True, eq=False)\nclass Outsider(ConSE, name='outsider'): ...\n"
    )
    versions = []
    for folder, content in (("a", text), ("b", text), ("c", text + "# another\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "outsider.py").write_text(content)
        versions.append(code_version(f"{tmp_path / folder / 'outsider.py'}:Outsider"))
    assert versions[0] == versions[1] != versions[2]
    assert versions[0] != code_version("conse")


def test_imports_are_followed_in_any_form(tmp_path, monkeypatch):
    """Relative, inside a function, of a package, with another name; a name in a module is not a module."""
    root = tmp_path / "plugged"
    files = {
        "__init__": "from .f import made", "a": "import plugged.b as b", "b": "def f():\n    from . import c",
        "c": "from .inner.d import value, Thing", "inner/__init__": "", "inner/d": "from ..e import *",
        "e": "import json, avgzsl.errors", "f": "never = 1",
    }  # fmt: skip
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{file}.py").write_text(text + "\nmade = value = Thing = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        found = sources("plugged.a")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "plugged"]:
            del sys.modules[name]
    assert found.keys() == {f"plugged.{name}" for name in ("a", "b", "c", "e", "inner", "inner.d")}
    assert found["plugged.inner.d"] == (root / "inner" / "d.py").read_bytes()
