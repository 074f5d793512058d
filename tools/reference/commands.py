"""The commands as their help says it: `avgzsl COMMAND --help`, at the width of a page."""

import io
from contextlib import redirect_stdout
from typing import Any

from typer.main import get_command

from avgzsl import cli

WIDTH = 88


def commands() -> str:
    """A heading a command, and its help."""
    group: Any = get_command(cli.app)
    return "\n\n".join(
        [f"## `avgzsl`\n\n{_help(group, 'avgzsl')}"]
        + [f"## `avgzsl {name}`\n\n{_help(command, f'avgzsl {name}')}" for name, command in group.commands.items()]
    )


def _help(command: Any, name: str) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        context = command.context_class(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
        printed.write(command.get_help(context))
    return f"```text\n{printed.getvalue().rstrip()}\n```"
