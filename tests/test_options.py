"""Options that commands share, and flags that went."""

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.cli import options
from avgzsl.cli.options import Seed, with_options
from avgzsl.types import DataChoice, EncoderChoice

RUNNER = CliRunner()


@pytest.fixture
def app():
    heard = []
    made = typer.Typer(rich_markup_mode=None)

    @made.command()
    @with_options("device", audio="Of sounds alone.", seed="Of the world.")
    def listen(data: options.Data, *, seed: Seed = 3, encoders: EncoderChoice, choice: DataChoice) -> None:
        """What is said of the command."""
        heard.append((data, seed, encoders, choice))

    return made, heard


def test_a_choice_is_an_option_a_field(app, tmp_path):
    made, heard = app
    given = [
        "--audio",
        "descriptors",
        "--models",
        tmp_path,
        "--class-split",
        "s",
        "--drop-bad-rows",
        "--seed",
        "4",
        "--text",
        "own",
    ]
    ran = RUNNER.invoke(made, [str(tmp_path), *map(str, given)], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    encoders = EncoderChoice(audio="descriptors", text=("own",), models=tmp_path)
    choice = DataChoice(class_split="s", drop_bad_rows=True, text="own", models=tmp_path)
    assert heard == [(tmp_path, 4, encoders, choice)]  # what both choices have, both get


def test_what_is_not_given_is_the_default_of_the_choice(app):
    made, heard = app
    RUNNER.invoke(made, ["folder"], catch_exceptions=False)
    assert heard[0][1:] == (3, EncoderChoice(), DataChoice())


def test_help_has_the_words_of_the_command_and_leaves_out_what_it_does(app):
    said = RUNNER.invoke(app[0], ["--help"]).output
    assert "What is said of the command." in said
    assert "Of sounds alone." in said and "Of the world." in said and "dropout" not in said
    assert "--device" not in said and "--encoders" not in said and "--choice" not in said
    assert RUNNER.invoke(app[0], ["folder", "--device", "cpu"]).exit_code == 2
    assert "likewise" not in said.split("--audio")[1].split("--video")[0]


def test_another_command_keeps_the_usual_words(app):
    made = typer.Typer(rich_markup_mode=None)

    @made.command()
    @with_options()
    def listen(encoders: EncoderChoice, seed: Seed = 0) -> None: ...

    said = RUNNER.invoke(made, ["--help"]).output
    assert "if the run does not know its own" in " ".join(said.split()) and "dropout" in said and "--device" in said


@pytest.mark.parametrize(("command", "old"), options._RENAMED)
def test_a_flag_that_went_names_the_new_one_which_the_command_has(command, old):
    new = options._RENAMED[command, old]
    for given in ([old], [f"{old}=5"], ["x", "y", old, "z"]):
        ran = RUNNER.invoke(cli.app, [command, *given])
        assert ran.exit_code == 2
        assert ran.stderr == f"error: {old} is {new} now (avgzsl {command} --help)\n"
    parameters = get_command(cli.app).commands[command].params
    flags = {flag for parameter in parameters for flag in [*parameter.opts, *parameter.secondary_opts]}
    assert new in flags and old not in flags


def test_words_that_look_like_a_flag_are_words():
    ran = RUNNER.invoke(cli.app, ["search", "no-such-index", "--", "--not"])
    assert ran.exit_code == 1 and "--without" not in ran.output
