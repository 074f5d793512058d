"""One plug-in of each kind in somebody's installed package: suites and commands take it as they take their own."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from avgzsl import backbones
from avgzsl.archive import engines
from avgzsl.archive.engines import EnginePlugin
from avgzsl.data import layouts
from avgzsl.errors import ConfigError
from avgzsl.testing.plugin_check import check_plugin
from avgzsl.text import encoders
from tests.clip_runs import NAMES, UNSEEN, render
from tests.strangers import install

ROOT = Path(__file__).parents[1]
PARTS = Path(__file__).parent / "strangers_package"
MODULES = {module: (PARTS / f"{module}.py").read_text() for module in ("their_layout", "their_ears", "their_words")}
MODULES["their_engine"] = (PARTS / "their_engine.py").read_text()
(METHOD, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
ENTRY_POINTS = {
    "avgzsl.layouts": {"one-file": "their_layout"},
    "avgzsl.backbones": {"their-ears": "their_ears"},
    "avgzsl.text_encoders": {"their-words": "their_words"},
    "avgzsl.index_engines": {"their-engine": "their_engine"},
    "avgzsl.methods": {"prototype": "their_method:Prototype"},
}
# all in one process: each would import torch anew
COMMANDS = """
import sys
import numpy as np
from avgzsl.cli import app

def avgzsl(*arguments):
    print("$", *arguments)
    try:
        app(arguments, standalone_mode=False)
    except SystemExit as end:
        assert not end.code, end.code

avgzsl("layouts")
avgzsl("encoders")
avgzsl("engines")
avgzsl("methods")
avgzsl("inspect", "one file")
avgzsl("train", "one file", "--method", "prototype", "--out", "run of one file")
avgzsl("extract", "clips", "--manifest", "clips/manifest.csv", "--out", "store",
       "--audio", "their-ears", "--video", "descriptors", "--text", "their-words")
avgzsl("train", "store", "--method", "prototype", "--out", "run")
avgzsl("index", "run", "store", "--out", "index", "--engine", "their-engine")
avgzsl("search", "index", "red high", "--top", "3")
avgzsl("index-verify", "index")
avgzsl("pack", "run", "--out", "packed", "--with-weights")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with theirs, as it is after its installation."""
    modules = {**MODULES, "their_method": METHOD}
    return install(tmp_path_factory.mktemp("site"), "their-package", modules, ENTRY_POINTS)


def ran(command: list[str], site: Path, folder: Path) -> str:
    """What a command prints where their package is installed."""
    path = os.pathsep.join([str(site), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def write_clips(folder: Path) -> None:
    """A few clips a class, and a manifest that says which classes are seen."""
    folder.mkdir()
    lines = ["path,label,split,seen"]
    for name in NAMES:
        for split in ("train", "train", "val", "test") if name not in UNSEEN else ("val", "test"):
            path = render(folder / f"{len(lines)}.mp4", name)
            lines.append(f"{path.name},{name},{split},{'no' if name in UNSEEN else 'yes'}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


def test_the_commands_take_what_is_installed(site: Path, tmp_path: Path) -> None:
    write_clips(tmp_path / "clips")
    suites = importlib.import_module("tests.strangers_package.suites")
    (tmp_path / "one file").mkdir()
    suites.TestTheirLayout().write(tmp_path / "one file")
    said = " ".join(ran(["-c", COMMANDS], site, tmp_path).split())  # lines end where the window does
    for line in (
        "classes, text and seen [their-package]",
        "their-ears: the loudness in eight bands, no weights [their-package]",
        "their-words: counts of letters, no weights [their-package]",
        "their-engine: a file of numpy, read whole [their-package]",
        "prototype: Class means, mapped to the text by ridge regression. [their-package]",
        "one file: layout one-file",
    ):
        assert line in said, line
    assert list((tmp_path / "index" / "engine").glob("*.npz"))
    assert (tmp_path / "packed" / "config.json").is_file()


def test_the_suites_run_on_what_is_installed(site: Path, tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text((PARTS / "suites.py").read_text())
    options = ["-q", "-p", "no:cacheprovider", "-W", "error", "--basetemp", str(tmp_path / "files"), str(tmp_path)]
    assert re.search(r"\d+ passed", ran(["-m", "pytest", *options], site, tmp_path))


@pytest.mark.parametrize(
    ("plugins", "name"),
    [
        (layouts.PLUGINS, "avca"),
        (backbones.PLUGINS, "kumar"),
        (encoders.PLUGINS, "dict"),
        (engines.PLUGINS, "memory"),
    ],
    ids=["layout", "backbone", "text encoder", "engine"],
)
def test_a_name_that_is_taken_is_refused_and_both_places_named(plugins, name, tmp_path, monkeypatch):
    install(tmp_path, "copycat", {"copied": ""}, {plugins.group: {name: "copied"}})
    monkeypatch.syspath_prepend(tmp_path)
    places = rf"{plugins.package}\.{name} and copied of the package copycat"
    with pytest.raises(ConfigError, match=rf"{plugins.kind} '{name}' is there more than once: {places}"):
        plugins.load(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("SCANS = False\n", ""), "has no SCANS"),
        (("name: str, url: str | None) -> None", "name: str) -> None"), "drop takes folder, name; expected folder"),
        (('DESCRIPTION = "a', 'DESCRIPTION = "\\n'), None),
    ],
    ids=["lacks a part", "takes something else", "two lines"],
)
def test_what_does_not_keep_to_the_contract_fails(change, said, tmp_path, monkeypatch):
    module = f"engine_{abs(hash(change))}"
    source = MODULES["their_engine"].replace(*change)
    assert source != MODULES["their_engine"]
    install(tmp_path, "faulty", {module: source}, {"avgzsl.index_engines": {"faulty": module}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises((AssertionError, ConfigError), match=said):
        check_plugin(engines.PLUGINS, "faulty", EnginePlugin)
