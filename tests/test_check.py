"""What `make check` catches: a name that does not exist, in code as in a signature; and shapes are no such names."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """from jaxtyping import Float
from torch import Tensor


"""
GOOD = (
    HEAD
    + '''def double(rows: Float[Tensor, "n d"], one: Float[Tensor, " d"]) -> Float[Tensor, "n d"]:
    """Rows."""
    return rows + one
'''
)
BAD = {
    "in code": (HEAD + "def double(rows: Tensor) -> Tensor:\n    return rowz\n", "rowz"),
    "in an annotation": (HEAD + 'def double(rows: "Tensorr") -> None: ...\n', "Tensorr"),
    "in a shape that is none": (HEAD + 'def double(rows: Float[Tensor, "n d"]) -> Flot[Tensor, "n d"]: ...\n', "Flot"),
}


def said(*command, code):
    done = subprocess.run(
        [sys.executable, "-m", *command], input=code, cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def lint(code):
    return said("ruff", "check", "--no-cache", "--stdin-filename", "src/avgzsl/new.py", "-", code=code)


@pytest.mark.parametrize("place", BAD)
def test_a_name_that_does_not_exist_fails_the_linter(place):
    code, name = BAD[place]
    status, told = lint(code)
    assert status == 1 and "F821" in told and name in told


def test_shapes_pass_the_linter():
    assert lint(GOOD)[0] == 0


@pytest.mark.parametrize("place", ["in code", "in an annotation"])
def test_a_name_that_does_not_exist_fails_the_types(place, tmp_path):
    code, name = BAD[place]
    (tmp_path / "new.py").write_text(code)
    # without what it imports, which would take a minute
    how = ("--cache-dir", tmp_path / "cache", "--follow-imports", "skip", tmp_path / "new.py")
    status, told = said("mypy", *how, code="")
    assert status == 1 and "[name-defined]" in told and name in told
