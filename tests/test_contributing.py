"""The example of a method in CONTRIBUTING.md is a method, and docs/methods.md is true of those there are."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

from avgzsl import methods as package
from avgzsl.errors import UnknownNameError
from avgzsl.methods import Method, build, method_class, methods
from tests import test_conformance
from tests.worlds import world

ROOT = Path(__file__).parents[1]
NAME = "prototype"
MODULE = f"avgzsl.methods.{NAME}"
# every check of the suite that takes the name of a method
CHECKS = [
    check
    for key, check in vars(test_conformance).items()
    if key.startswith("test_") and "name" in inspect.signature(check).parameters
]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The block, as a file where the registry looks for methods."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## A method\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.S)
    folder = tmp_path_factory.mktemp("methods")
    (folder / f"{NAME}.py").write_text(block)
    assert NAME not in methods()
    package.__path__.append(str(folder))
    importlib.invalidate_caches()
    yield NAME
    package.__path__.remove(str(folder))
    sys.modules.pop(MODULE, None)
    Method.registered.pop(MODULE, None)
    vars(package).pop(NAME, None)
    sys.path_importer_cache.pop(str(folder), None)


@pytest.fixture(scope="module")
def data():
    return world()


@pytest.fixture(scope="module")
def fitted(example, data):
    method = test_conformance.fit(example, data)
    return lambda name: method


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("test_"))
def test_the_example_keeps_the_contract(check, example, data, fitted):
    given = {"name": example, "data": data, "fitted": fitted, "factor": 1e30}
    check(**{key: given[key] for key in inspect.signature(check).parameters})


def test_the_example_is_found_by_listing(example):
    assert example in methods()
    assert method_class(example).__module__ == MODULE
    with pytest.raises(UnknownNameError, match=f"did you mean {example}"):
        build("prototyp")
    with pytest.raises(UnknownNameError, match=f"there are: .*{example}"):
        build("zzzzzz")


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
    there = [name for name in methods() if name != NAME]
    assert sorted(alone) == there
    for name in there:
        method = build(name)
        assert told[name] == {key: str(getattr(method, key)) for key, _, _ in method.settings()}, name
