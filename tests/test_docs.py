"""The documents say what is there."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

import avgzsl
from avgzsl import cli
from avgzsl.methods import build, parse_override

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.S)
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.startswith("avgzsl ")]


def test_every_command_is_in_the_readme():
    group = get_command(cli.app)
    for name in group.commands:
        assert any(line.split()[1] == name for line in LINES) or name == "demo", name


@pytest.mark.parametrize("line", LINES)
def test_every_command_line_of_the_readme_parses(line):
    words = shlex.split(line)[1:]
    command = get_command(cli.app).commands[words[0]]
    with command.make_context(words[0], words[1:]) as context:
        settings = dict(map(parse_override, context.params.get("settings") or []))
        if words[0] == "train":
            build(context.params["method"], context.params["preset"], settings)


LISTINGS = {
    "methods": ("list_methods",),
    "layouts": ("list_layouts",),
    "encoders": ("list_backbones", "list_text_encoders"),
    "engines": ("list_engines",),
    "open": ("open_folder",),
}


def test_every_command_is_a_call_in_the_readmes_python():
    python = next(block for kind, block in BLOCKS if kind == "python")
    assert python.startswith("import avgzsl\n")
    calls = set(re.findall(r"\b(avgzsl|run)\.(\w+)\(", python))
    for command in get_command(cli.app).commands:
        for name in LISTINGS.get(command, [command.replace("-", "_")]):
            assert {("avgzsl", name), ("run", name)} & calls, command
    for owner, name in calls:
        assert callable(getattr(avgzsl if owner == "avgzsl" else avgzsl.Run, name))


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_every_benchmark_needs_what_is_installed_alone(path):
    importlib.import_module(f"benchmarks.{path.stem}")


def test_every_make_target_named_in_the_documents_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        name
        for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
        for name in re.findall(r"(?:^    |`|^)make (\w+)", file.read_text(), re.M)
    }
    assert named <= targets


def test_every_test_that_the_documents_name_exists():
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for path, name in re.findall(r"`(tests/\w+\.py)(?:::(\w+))?`", file.read_text()):
            assert (ROOT / path).is_file(), f"{file.name}: {path}"
            there = {
                node.name
                for node in ast.walk(ast.parse((ROOT / path).read_text()))
                if isinstance(node, ast.FunctionDef)
            }
            assert not name or name in there, f"{file.name}: {path}::{name}"


def test_links_lead_somewhere():
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_modules_in_the_architecture_are_the_modules_there_are():
    named = set(re.findall(r"`(\w+)/?`", (ROOT / "docs" / "architecture.md").read_text().split("## The contract")[0]))
    there = {path.stem for path in (ROOT / "src" / "avgzsl").iterdir() if not path.name.startswith("_")} - {
        "py",
        "errors",
        "types",
    }
    assert there <= named
