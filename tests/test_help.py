"""The help of the command line: every command in a group, examples that parse, readable at any width."""

import shlex

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.cli.examples import EXAMPLES
from avgzsl.cli.help import GROUPS
from avgzsl.methods import parse_override
from avgzsl.reports.terminal_table import cells_of
from avgzsl.server.settings import PREFIX, Settings, variables

COMMANDS = get_command(cli.app).commands
LINES = [(command, line) for command, lines in EXAMPLES.items() for line in lines]


def told(*words: str, width: int = 80) -> str:
    ran = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": str(width)})
    assert ran.exit_code == 0
    return ran.stdout


def test_every_command_is_in_one_group_and_has_examples():
    grouped = [name for group in GROUPS.values() for name in group]
    assert sorted(grouped) == sorted(COMMANDS) == sorted(EXAMPLES)
    text = told()
    for title, group in GROUPS.items():
        part = text.split(f"\n{title}:\n")[1].split("\n\n")[0]
        assert [line.split()[0] for line in part.splitlines()] == list(group)


@pytest.mark.parametrize(("command", "line"), LINES)
def test_an_example_parses(command, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    words = words[next(place for place, word in enumerate(words) if word == "avgzsl") + 1 :]
    assert words[0] == command
    with COMMANDS[command].make_context(command, words[1:]) as context:
        dict(map(parse_override, context.params.get("settings") or context.params.get("fixed") or []))


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=lambda words: " ".join(words) or "all")
def test_help_reads_well_at_any_width(command, width):
    text = told(*command, width=width)
    shown = text.replace(" \\\n", "\n")
    for line in text.splitlines():
        assert cells_of(line) <= min(width, 100) or line.startswith("  AVGZSL_SERVE_TOKEN=$("), line

    for example in EXAMPLES.get(" ".join(command), ()):
        assert shlex.join(shlex.split(example)) in shlex.join(shlex.split(shown.split("Examples:")[1]))


def test_options_stand_in_groups():
    text = told("benchmark")
    assert "--layout" in text.split("How data are read:")[1].split("\n\n")[0]
    assert "--calibration" in text.split("Scores:")[1].split("\n\n")[0]
    assert "--out" in text.split("\nOptions:")[1].split("\n\n")[0]
    assert "--audio" in told("predict").split("Encoders:")[1].split("\n\n")[0]


def test_the_help_of_serve_has_every_variable_of_the_environment():
    part = told("serve").split("\nEnvironment:\n")[1].split("\nExamples:")[0]
    words = " ".join(part.split())
    assert [line.split()[0] for line in part.splitlines() if line.startswith("  A")] == [
        name for name, _ in variables()
    ]
    assert [f"{PREFIX}{name.upper()}" for name in Settings.model_fields] == [name for name, _ in variables()]
    for name, about in variables():
        assert not about.startswith("None") and f"{name} {' '.join(about.split())}" in words
    assert f"[default: {Settings.model_fields['port'].default}]" in words


def test_a_command_that_nobody_grouped_is_listed_still(monkeypatch):
    monkeypatch.setattr("avgzsl.cli.help.GROUPS", {"Learn": {"train": "a run"}})
    text = told()
    assert "More:\n  open" in text and text.count("  train  ") == 1
