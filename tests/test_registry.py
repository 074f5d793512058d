"""Plug-ins are found in the folder and in installed packages; an optional library that does not load says why."""

import importlib
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from avgzsl.errors import ConfigError, UnknownNameError
from avgzsl.support.registry import Plugins, keeps, require
from tests.strangers import install

GROUP = "house.rooms"


class Room(Protocol):
    """What a plug-in of these tests is asked for."""

    SIZE: int

    def enter(self) -> str: ...


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package `house` with three modules in its folder, one of them a helper, one of them broken."""
    room = "SIZE = 3\ndef enter(): return __name__\n"
    sources = {"__init__": "", "_tools": "raise RuntimeError", "big_kitchen": room, "ruin": "raise OSError('no roof')"}
    for name, source in sources.items():
        path = tmp_path / "own" / "house" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.syspath_prepend(tmp_path / "own")
    yield Plugins[Any]("house", "room", keeps(Room), GROUP)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("house", "stranger", "neighbour")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def put(monkeypatch, tmp_path, name, modules, entries):
    monkeypatch.syspath_prepend(install(tmp_path / name, name, modules, entries))


def test_the_folder_is_listed_and_nothing_imported(plugins):
    assert plugins.names() == ["big-kitchen", "ruin"]
    assert not [name for name in sys.modules if name.startswith("house.")]
    assert plugins.load("big-kitchen").enter() == "house.big_kitchen"
    assert "house.ruin" not in sys.modules


def test_a_broken_one_is_named_when_it_is_asked_for_and_costs_no_other(plugins):
    with pytest.raises(ConfigError, match=r"room 'ruin' \(house\.ruin\) does not load \(OSError: no roof\)"):
        plugins.load("ruin")
    loaded, broken = plugins.load_all()
    assert list(loaded) == ["big-kitchen"] and list(broken) == ["ruin"]


def test_an_unknown_name_is_answered_with_near_ones(plugins):
    with pytest.raises(UnknownNameError, match="unknown room 'kitchen'; did you mean big-kitchen"):
        plugins.load("kitchen")


@pytest.mark.parametrize("name", ["../own/house/ruin", "house.ruin", "big_kitchen", "os:system", "_tools", "", "."])
def test_no_path_or_import_is_a_name(plugins, name):
    with pytest.raises(UnknownNameError):
        plugins.load(name)
    assert "house.ruin" not in sys.modules and "house._tools" not in sys.modules


def test_an_installed_package_brings_modules_and_objects(plugins, tmp_path, monkeypatch):
    modules = {
        "stranger": "SIZE = 5\ndef enter(): return 'hall'\nclass Attic:\n    SIZE = 2\n    enter = lambda: 'attic'"
    }
    entries = {GROUP: {"hall": "stranger", "attic": "stranger:Attic"}, "others": {"cellar": "stranger"}}
    put(monkeypatch, tmp_path, "stranger", modules, entries)
    assert plugins.names() == ["attic", "big-kitchen", "hall", "ruin"]
    assert "stranger" not in sys.modules
    assert plugins.load("hall").enter() == "hall" and plugins.load("attic").enter() == "attic"
    assert plugins.places("attic") == ["stranger:Attic of the package stranger"]
    own_alone = Plugins[Any]("house", "room", keeps(Room))
    assert own_alone.names() == ["big-kitchen", "ruin"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("stranger:Nobody", "does not load .*has no attribute 'Nobody'"),
        ("no_such_module_here:X", "does not load .*No module named 'no_such_module_here'"),
        ("this is no place", "does not load"),
        ("stranger", "has no SIZE, enter; .*Room asks for it"),
        ("stranger_that_exits", r"does not load \(SystemExit: 3\)"),
    ],
)
def test_a_broken_entry_point_costs_no_other(plugins, tmp_path, monkeypatch, value, said):
    modules = {"stranger": "", "stranger_that_exits": "import sys; sys.exit(3)"}
    put(monkeypatch, tmp_path, "stranger", modules, {GROUP: {"hall": value}})
    with pytest.raises(ConfigError, match=rf"room 'hall' \({value} of the package stranger\).*{said}"):
        plugins.load("hall")
    assert plugins.load("big-kitchen") and list(plugins.load_all()[1]) == ["hall", "ruin"]


@pytest.mark.parametrize("record", ["[house.rooms]\nno equals sign here", "\0\1\2", "[unclosed"])
def test_a_package_with_a_damaged_record_costs_no_other(plugins, tmp_path, monkeypatch, record):
    put(monkeypatch, tmp_path, "neighbour", {}, record)
    put(monkeypatch, tmp_path, "stranger", {"stranger": "SIZE = 5\ndef enter(): ..."}, {GROUP: {"hall": "stranger"}})
    assert plugins.names() == ["big-kitchen", "hall", "ruin"]


def test_a_name_that_is_taken_is_refused_and_both_places_named(plugins, tmp_path, monkeypatch):
    good = "SIZE = 5\ndef enter(): ..."
    put(monkeypatch, tmp_path, "stranger", {"stranger": good}, {GROUP: {"big-kitchen": "stranger", "hall": "stranger"}})
    put(monkeypatch, tmp_path, "neighbour", {"neighbour": good}, {GROUP: {"hall": "neighbour"}})
    assert plugins.names() == ["big-kitchen", "hall", "ruin"]
    with pytest.raises(ConfigError, match=r"more than once: house\.big_kitchen and stranger of the package stranger"):
        plugins.load("big-kitchen")
    with pytest.raises(ConfigError, match="neighbour of the package neighbour and stranger of the package stranger"):
        plugins.load("hall")
    assert "stranger" not in sys.modules and "neighbour" not in sys.modules


def test_of_a_package_that_is_there_twice_the_first_on_the_path_counts(plugins, tmp_path, monkeypatch):
    good = "SIZE = 5\ndef enter(): ..."
    for folder in ("old", "new"):
        place = install(
            tmp_path / folder, "stranger", {"stranger": f"{good}\nAGE = {folder!r}"}, {GROUP: {"hall": "stranger"}}
        )
        monkeypatch.syspath_prepend(place)
    assert plugins.load("hall").AGE == "new"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"this needs optional_library, which is not installed; .*'avgzsl\[extra\]'"),
        (
            "import no_such_library_at_all",
            "needs optional_library, and that needs no_such_library_at_all",
        ),
        ("raise ImportError('libx.so: cannot open')", "is installed and does not load .*libx.so: cannot open"),
        ("raise OSError(28, 'No space left on device')", "is installed and does not load .*No space left"),
        ("import optional_library.inner", "and does not load|which is not installed"),
    ],
)
def test_the_cause_is_named(content, said, tmp_path: Path, monkeypatch):
    if content is not None:
        (tmp_path / "optional_library.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "optional_library", raising=False)
    with pytest.raises(ConfigError, match=said):
        require("optional_library", "extra")
