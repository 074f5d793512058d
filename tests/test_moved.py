"""An import path that went says where its content is now."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from avgzsl.support.moved import moves


def parents(name):
    while name := name.rpartition(".")[0]:
        yield name


@pytest.mark.parametrize(("old", "new"), moves().items())
def test_an_old_path_names_the_new_one_which_is_there(old, new):
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(old)
    said = str(caught.value)
    package = next(name for name in (old, *parents(old)) if f"{name} is" in said)
    assert f"{old} is {new}" in said or new == moves()[package] + old.removeprefix(package)
    assert importlib.import_module(new)


def test_from_a_fresh_start_it_is_the_last_line_of_the_traceback():
    done = subprocess.run(
        [sys.executable, "-c", "from avgzsl.runs import load_run"], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: avgzsl.runs is avgzsl.experiments.run now; import that"
    )


def test_a_module_that_is_imported_from_the_package_is_answered_too():
    with pytest.raises(ModuleNotFoundError, match=r"avgzsl\.tuning is avgzsl\.experiments\.tuning now"):
        exec("from avgzsl import tuning")
    with pytest.raises(ImportError, match="cannot import name 'nowhere'"):
        exec("from avgzsl import nowhere")


def test_a_path_that_never_was_is_not_found_as_ever():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'avgzsl\.nowhere'"):
        importlib.import_module("avgzsl.nowhere")


def test_the_changelog_lists_what_moved():
    text = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()
    listed = text[text.index("#### What moved") :]
    missing = [old for old in moves() if f"`{old.removeprefix('avgzsl.')}`" not in listed]
    assert not missing
