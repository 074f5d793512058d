"""The help of the command line: commands and options in groups, examples, as wide as the terminal is."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from avgzsl.cli.examples import EXAMPLES

GROUPS = {  # commands, each in a few words
    "Start here": {
        "open": "search a folder of clips by words, in the browser",
        "demo": "the whole way on rendered clips, in three minutes",
    },
    "Clips and their features": {
        "extract": "features of clips, into a store",
        "split": "which classes of a store are unseen",
        "describe": "sentences for the classes",
        "inspect": "what a folder of features holds",
        "export": "features in the layout of AudioSetZSL",
        "generate": "made-up data with the counts of real data",
        "fetch": "weights of encoders, by name",
        "train-audio-net": "the audio network of the paper",
    },
    "Learn": {
        "train": "from features to a run, and what it is worth",
        "evaluate": "what a run is worth",
        "predict": "the classes of clips, seen in training or not",
        "tune": "hyper-parameters, chosen on validation",
        "two-stage": "the protocol of the AVCA benchmark",
        "pack": "a run as one folder to share",
    },
    "Compare": {
        "benchmark": "methods on class splits and seeds",
        "reproduce": "the paper's tables and figures",
    },
    "Archive": {
        "index": "clips into an index, with a run or without",
        "search": "words or a clip to the clips of an index",
        "serve": "the page and the API over an index",
        "index-add": "more clips into an index",
        "index-remove": "clips out of an index",
        "index-info": "what an index is and holds",
        "index-verify": "what is damaged, changed or gone",
        "index-move": "where its files lie now",
        "index-rebuild": "its engine made anew",
        "index-evaluate": "how well clips are found",
    },
    "What there is": {
        "methods": "methods and their hyper-parameters",
        "layouts": "layouts of data that can be read",
        "encoders": "encoders of sound, picture and names",
        "engines": "engines of an index",
        "cache": "what is kept on this machine, and how it goes",
    },
}
_MOST = 100  # characters a line
_BESIDE = 60  # … from which on words stand beside what they explain, and not below
_NAMES = 30  # characters of what stands on the left, at most
_WORD = r"(?:\"[^\"]*\"|\$\([^)]*\)|[^\s\"])+"  # of a shell
_PART = re.compile(rf"--?\w[^\s=]* (?!-){_WORD}|{_WORD}")  # an option with what follows, or a word

Rows = Iterable[tuple[str, str]]


class Command(TyperCommand):
    """A command whose help has its options in groups, variables of the environment where it reads any, and examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write all of it."""
        sections = _options(self, ctx)
        if self.name in ENVIRONMENT:
            sections.append(("Environment", ENVIRONMENT[self.name]()))
        examples = EXAMPLES.get(self.name or "", ())
        formatter.write(_head(self, ctx) + _sections(sections) + _examples(examples))


class Groups(TyperGroup):
    """The commands, whose help has them in groups."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write all of it."""
        told = {name for group in GROUPS.values() for name in group}
        more = {name: one.get_short_help_str(60) for name, one in self.commands.items() if name not in told}
        groups = GROUPS | ({"More": more} if more else {})
        sections: list[tuple[str, Rows]] = [(title, group.items()) for title, group in groups.items()]
        end = f"`{ctx.command_path} COMMAND --help` has the options of a command and examples."
        formatter.write(_head(self, ctx) + _sections([*sections, *_options(self, ctx)]) + "\n" + _text(end))


class App(typer.Typer):
    """The command line, whose commands are of this kind."""

    def command(self, name: str | None = None, **more: Any) -> Callable[[Any], Any]:
        """As of a Typer."""
        return super().command(name, cls=Command, **more)


def _serve_environment() -> Rows:
    from avgzsl.server.settings import variables

    return variables()


ENVIRONMENT: dict[str, Callable[[], Rows]] = {"serve": _serve_environment}


def _head(command: TyperCommand | TyperGroup, ctx: Any) -> str:
    """How the command is called, and what it does."""
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    paragraphs = (command.help or "").split("\n\n")
    return _text(f"Usage: {usage}", "    ") + "".join(f"\n{_text(' '.join(part.split()))}" for part in paragraphs)


def _options(command: TyperCommand | TyperGroup, ctx: Any) -> list[tuple[str, Rows]]:
    """Arguments, options, and the groups of options that have a title."""
    groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        if (record := parameter.get_help_record(ctx)) is not None:
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            groups.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
    return [(title, rows) for title, rows in groups.items() if rows]


def _sections(sections: Sequence[tuple[str, Rows]]) -> str:
    return "".join(f"\n{title}:\n{_listed([*rows])}" for title, rows in sections)


def _listed(rows: Sequence[tuple[str, str]]) -> str:
    """Names, each with its words beside it, or below where the terminal is narrow."""
    from avgzsl.reports.terminal_table import wrapped

    width, lines = _width(), list[str]()
    left = min(max(len(name) for name, _ in rows), _NAMES) + 4 if width >= _BESIDE else 6
    for name, words in rows:
        told = wrapped(" ".join(words.split()), width - left)
        if len(name) + 4 <= left:
            lines.append(f"  {name}".ljust(left) + told.pop(0))
        else:
            lines += [f"  {line}" for line in wrapped(name, width - 2, "  ")]
        lines += [" " * left + line for line in told]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _examples(examples: Sequence[str]) -> str:
    """Lines as one types them; a long one goes on in the next, as a shell takes it."""
    if not examples:
        return ""
    return "\nExamples:\n" + "".join(f"  {line}\n" for example in examples for line in _shell_lines(example))


def _shell_lines(example: str) -> list[str]:
    """The example in lines that a shell reads as one: an option stays with its value, quoted text is not broken."""
    room, lines = _width() - 4, [""]
    for part in _PART.findall(example):
        joined = f"{lines[-1]} {part}" if lines[-1] else part
        if len(joined) <= room or not lines[-1]:
            lines[-1] = joined
        else:
            lines[-1] += " \\"
            lines.append(f"    {part}")
    return lines


def _text(text: str, indent: str = "") -> str:
    from avgzsl.reports.terminal_table import wrapped

    return "".join(f"{line}\n" for line in wrapped(text, _width(), indent))


def _width() -> int:
    from avgzsl.reports.terminal_table import terminal_width

    return min(_MOST, terminal_width())
