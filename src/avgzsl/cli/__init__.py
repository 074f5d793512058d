"""The command line: one file a command, each a few lines over the library call of the same name.

A command's function has a parameter an option, however many these are: each is given by its name.
"""

import io
import sys
from typing import Annotated

import typer

import avgzsl
from avgzsl.cli import (
    benchmark,
    cache,
    demo,
    describe,
    evaluate,
    export,
    extract,
    fetch,
    generate,
    index,
    index_evaluate,
    index_upkeep,
    inspect,
    listing,
    open,
    pack,
    predict,
    reproduce,
    search,
    serve,
    split,
    train,
    train_audio_net,
    tune,
    two_stage,
)
from avgzsl.cli.help import App
from avgzsl.cli.interruption import interruptible
from avgzsl.cli.options import Commands
from avgzsl.cli.quiet import quiet_libraries
from avgzsl.errors import AvgzslError

app = App(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("open")(open.open)
app.command("demo")(demo.demo)
app.command("generate")(generate.generate)
app.command("inspect")(inspect.inspect)
app.command("fetch")(fetch.fetch)
app.command("extract")(extract.extract)
app.command("split")(split.split)
app.command("export")(export.export)
app.command("describe")(describe.describe)
app.command("train-audio-net")(train_audio_net.train_audio_net)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("pack")(pack.pack)
app.command("index")(index.index)
app.command("index-add")(index.index_add)
app.command("index-remove")(index_upkeep.index_remove)
app.command("index-rebuild")(index_upkeep.index_rebuild)
app.command("index-info")(index_upkeep.index_info)
app.command("index-verify")(index_upkeep.index_verify)
app.command("index-move")(index_upkeep.index_move)
app.command("index-evaluate")(index_evaluate.index_evaluate)
app.command("search")(search.search)
app.command("serve")(serve.serve)
app.command("two-stage")(two_stage.two_stage)
app.command("tune")(tune.tune)
app.command("benchmark")(benchmark.benchmark)
app.command("reproduce")(reproduce.reproduce)
app.command("methods")(listing.methods)
app.command("layouts")(listing.layouts)
app.command("encoders")(listing.encoders)
app.command("engines")(listing.engines)
app.command("cache")(cache.cache)


def _show_version(asked: bool) -> bool:
    """What typer takes as the value of the option is what its callback gives back."""
    if asked:
        print(f"avgzsl {avgzsl.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Audio-visual generalized zero-shot learning: from clips and names to classes that training never saw."""


def main() -> None:
    """Run a command; what a user can mend is printed as one error, without a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that is no UTF-8, a terminal that knows ASCII alone
    quiet_libraries()
    with interruptible():
        try:
            app()
        except AvgzslError as problem:
            print(f"error: {problem}", file=sys.stderr)
            sys.exit(1)
        except UnicodeEncodeError as problem:
            print(
                f"error: {problem.object!a}: is no UTF-8, and cannot be written; rename what it names", file=sys.stderr
            )
            sys.exit(1)
