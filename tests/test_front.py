"""The front door: every name of `avgzsl` is there, typed, and stays what it is until somebody says otherwise."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api as mypy

import avgzsl
from avgzsl.errors import AvgzslError, ConfigError
from tests import public_api

ROOT = Path(__file__).parents[1]
CALLS = [name for name in avgzsl.__all__ if name[0].islower()]


def test_no_name_is_shadowed_by_a_module():
    for module in pkgutil.walk_packages(avgzsl.__path__, "avgzsl."):
        if module.name != "avgzsl.__main__":
            importlib.import_module(module.name)
    for name in avgzsl.__all__:
        value = getattr(avgzsl, name)
        assert inspect.isfunction(value) if name in CALLS else inspect.isclass(value), name
        assert value.__name__ == name
        assert value.__doc__, name


def test_every_error_is_at_the_front_door():
    errors = [AvgzslError]
    for error in errors:
        errors += error.__subclasses__()
    public = {error.__name__ for error in errors if error.__module__ == "avgzsl.errors"}
    assert public <= set(avgzsl.__all__)


def test_the_public_interface_is_the_one_that_is_written_down():
    assert public_api.FILE.read_text() == public_api.public_api(), (
        "the public interface changed: if that was meant, run `python -m tests.public_api` and say so in CHANGELOG.md"
    )


def test_the_public_interface_sees_a_new_parameter():
    tree = public_api.ast.parse("def f(a, *, b: int = 1, c=None) -> str: ...").body[0]
    assert public_api.signature(tree) == "f(a, *, b: int=1, c=None) -> str"


@pytest.mark.parametrize("heavy", ["torch", "numpy", "pydantic", "rich", "avgzsl.methods"])
def test_importing_the_package_loads_nothing_heavy(heavy):
    code = f"import sys, avgzsl; avgzsl.__version__; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_name_that_is_not_there_is_told_with_near_ones():
    with pytest.raises(AttributeError, match="extrakt"):
        avgzsl.extrakt  # noqa: B018
    done = subprocess.run(
        [sys.executable, "-c", "import avgzsl; avgzsl.extrakt"], capture_output=True, text=True, check=False
    )
    assert "Did you mean: 'extract'" in done.stderr


def test_the_server_is_there_without_its_libraries_and_says_what_to_install(monkeypatch):
    code = (
        "import sys; sys.modules['uvicorn'] = None; import avgzsl; [getattr(avgzsl, name) for name in avgzsl.__all__]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match=r"avgzsl\[serve\]"):
        avgzsl.serve("nowhere")


SNIPPET = """
import avgzsl

run = avgzsl.train("data", out="run", seed=0)
reveal_type(run)
reveal_type(avgzsl.evaluate(run))
reveal_type(avgzsl.list_methods())
avgzsl.train("data", out="run", seed="zero")
avgzsl.extrakt
avgzsl.search("index", "bell", oops=3)
"""


def test_a_type_checker_sees_the_calls(tmp_path):
    (tmp_path / "snippet.py").write_text(SNIPPET)
    (tmp_path / "mypy.ini").write_text(f"""
[mypy]
strict = True
mypy_path = {ROOT / "src"}
follow_imports = silent

[mypy-torch.*,numpy.*,pandas.*,matplotlib.*,sklearn.*,scipy.*,fastapi.*,starlette.*,uvicorn.*,rich.*]
follow_imports = skip
""")
    output = mypy.run(
        ["--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path), str(tmp_path / "snippet.py")]
    )[0]
    assert 'Revealed type is "avgzsl.experiments.run.Run"' in output
    assert 'Revealed type is "avgzsl.experiments.train_evaluate.Evaluation"' in output
    assert 'Revealed type is "avgzsl.catalogue.Catalogue"' in output
    assert 'snippet.py:8: error: Argument "seed" to "train" has incompatible type "str"; expected "int"' in output
    assert 'snippet.py:9: error: Module has no attribute "extrakt"' in output
    assert 'snippet.py:10: error: Unexpected keyword argument "oops" for "search"' in output


@pytest.mark.parametrize("heavy", ["torch", "numpy", "pydantic", "rich"])
def test_the_version_is_told_without_anything_heavy(heavy):
    code = f"""
import sys
from avgzsl.cli import main
sys.argv = ["avgzsl", "--version"]
try:
    main()
finally:
    assert {heavy!r} not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"avgzsl {avgzsl.__version__}\n"


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "avgzsl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"avgzsl {avgzsl.__version__}\n"


def run_bare(**environment: str) -> str:
    """What `avgzsl` without arguments prints."""
    code = "import sys; sys.argv = ['avgzsl']; from avgzsl.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout


def complete(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    line = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    return run_bare(_AVGZSL_COMPLETE="complete_bash", **line).split()


def test_a_shell_completes_commands_and_options():
    assert "index-add" in complete("avgzsl", "index-") and "train" not in complete("avgzsl", "index-")
    assert "--class-split" in complete("avgzsl", "train", "--cl")


def test_bash_takes_the_completion():
    script = run_bare(_AVGZSL_COMPLETE="source_bash") + "\ncomplete -p avgzsl"
    shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "_avgzsl_completion avgzsl" in shown.stdout
