"""What Sphinx asks while it builds the documents: parts made from the code, docstrings as they are written here."""

import re
from typing import Any

from docutils import nodes

import avgzsl
from tools.reference.commands import commands
from tools.reference.environment import environment
from tools.reference.http import answers, routes

PARTS = {
    "commands": commands,
    "environment": environment,
    "http-routes": routes,
    "http-answers": answers,
}
_OUTSIDE = re.compile(r"\]\((?:\.\./)+(CONTRIBUTING\.md|CHANGELOG\.md)")
_MARK = re.compile(r"^<!-- made: (\S+) -->$", re.M)


def setup(app: Any) -> None:
    """Connect what is below to the steps of the build."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-signature", _readable)
    app.connect("autodoc-process-docstring", _restructured)
    app.connect("missing-reference", _elsewhere)


def _fill(app: Any, page: str, source: list[str]) -> None:
    """In the place of each mark comes the part of that name; files above the documents have a page here."""
    made = _MARK.sub(lambda mark: PARTS[mark[1]](), source[0])
    source[0] = _OUTSIDE.sub(lambda link: f"](/{link[1].lower()}", made)


def _readable(app: Any, what: str, name: str, of: Any, options: Any, signature: str, returns: str) -> Any:
    """A dataclass says `<factory>` for a default that is made anew each time, which Sphinx cannot parse."""
    return signature and signature.replace("<factory>", "..."), returns


def _restructured(app: Any, what: str, name: str, of: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with code between single backticks, which Sphinx writes with double ones."""
    text = "\n".join(lines)
    pieces = re.split(r"(?<!`)(`[^`]+`)(?!`)", text)
    lines[:] = "".join(
        f"`{piece}`" if piece.startswith("`") and piece.endswith("`") else re.sub(r"([*|_])", r"\\\1", piece)
        for piece in pieces
    ).split("\n")


def _elsewhere(app: Any, env: Any, node: Any, content: nodes.Node) -> nodes.Node | None:
    """A type is documented under its name of `avgzsl`; any other is shown without a link."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    if name in avgzsl.__all__ and node["reftarget"] != f"avgzsl.{name}":
        python = env.get_domain("py")
        found = python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], f"avgzsl.{name}", node, content)
        if found is not None:
            return found
    return content
