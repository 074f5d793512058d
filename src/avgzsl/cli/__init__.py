"""The command line: one file a command, each a few lines over the library call of the same name."""

import sys

import typer

from avgzsl.cli import benchmark, demo, evaluate, generate, inspect, listing, reproduce, train, tune, two_stage
from avgzsl.errors import AvgzslError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("demo")(demo.demo)
app.command("generate")(generate.generate)
app.command("inspect")(inspect.inspect)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("two-stage")(two_stage.two_stage)
app.command("tune")(tune.tune)
app.command("benchmark")(benchmark.benchmark)
app.command("reproduce")(reproduce.reproduce)
app.command("methods")(listing.methods)
app.command("layouts")(listing.layouts)


@app.callback()
def about() -> None:
    """Audio-visual generalized zero-shot learning: train, evaluate and compare on features of audio and video."""


def main() -> None:
    """Run a command; what a user can mend is printed as one error, without a traceback."""
    try:
        app()
    except AvgzslError as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; `avgzsl train … --resume` goes on with an unfinished training", file=sys.stderr)
        sys.exit(130)
