"""`avgzsl methods`, `layouts`, `encoders` and `engines`: what there is, in this package and in installed ones."""

import sys
from collections.abc import Mapping
from inspect import getdoc
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avgzsl.cli.options import Json

if TYPE_CHECKING:
    from avgzsl.methods import Method


def methods(
    name: Annotated[str | None, typer.Argument(help="One of them, with its hyper-parameters.")] = None,
    *,
    json: Json = False,
) -> None:
    """List the methods: what each is tested on, what to cite, where its formulas are, and what it cannot do."""
    from avgzsl.methods import PLUGINS

    loaded, broken = ({name: PLUGINS.load(name)}, {}) if name is not None else PLUGINS.load_all()
    about = [_about(kind) for kind in loaded.values()]
    if json:
        from json import dumps

        print(dumps(about, indent=2))
    else:
        for one, kind in zip(about, loaded.values(), strict=True):
            print("\n".join(_lines(one)))
            if name is not None:
                print("\n".join(_settings(kind)))
    for problem in broken.values():
        print(f"error: {problem}", file=sys.stderr)


def _about(kind: "type[Method]") -> dict[str, Any]:
    """What a method says of itself; a method of another package has its formulas there."""
    from avgzsl.methods import PLUGINS, build, citation_keys

    package = PLUGINS.package_of(kind.name)
    return {
        "name": kind.name,
        "about": (kind.__doc__ or "").partition("\n")[0],
        "marks": [mark for mark in ("default", "baseline", "control") if getattr(kind, mark)],
        "package": [*package],
        "tested_on": [*build(kind.name).modalities],
        "presets": [*kind.presets],
        "cite": citation_keys(kind.citation),
        "formulas": None if package else f"docs/methods.md#{kind.name}",
        "chosen_on_test": kind.chosen_on_test or None,
        "not_searchable": kind.searchable or None,
        "not_packable": kind.packable or None,
    }


def _lines(about: dict[str, Any]) -> list[str]:
    """A method in a few lines as wide as the terminal."""
    notes = "".join(f" [{note}]" for note in (*about["marks"], *about["package"]))
    said = [
        f"tested on {', '.join(about['tested_on'])}; presets: {', '.join(about['presets']) or 'none'}",
        f"cite: {', '.join(about['cite']) or 'nothing'}"
        + (f"; formulas: {about['formulas']}" if about["formulas"] else ""),
    ]
    if about["chosen_on_test"]:
        said.append(f"chosen on test by its authors: {about['chosen_on_test']}")
    if about["not_searchable"] or about["not_packable"]:
        said += [f"cannot be searched: {about['not_searchable']}"] if about["not_searchable"] else []
        said += [f"cannot be packed: {about['not_packable']}"] if about["not_packable"] else []
    else:
        said.append("can be searched with, and packed")
    return [
        *_paragraph(f"{about['name']}: {about['about']}{notes}"),
        *(line for text in said for line in _paragraph(text, 2)),
    ]


def _settings(kind: "type[Method]") -> list[str]:
    """What else a method says of itself, its hyper-parameters with their defaults, and how to give them."""
    more = (getdoc(kind) or "").partition("\n")[2].strip()
    lines = [line for text in more.split("\n\n") if text for line in _paragraph(" ".join(text.split()), 2)]
    for field, default, meaning in kind.settings():
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        lines += _paragraph(f"{field}={shown}  {' '.join(meaning.split())}", 4)
    return lines


def _paragraph(text: str, indent: int = 0) -> list[str]:
    """Lines as wide as the terminal, all but the first two further in."""
    from avgzsl.reports.terminal_table import terminal_width, wrapped

    blank = " " * indent
    return [f"{blank}{line}" for line in wrapped(text, terminal_width() - indent, "  ")]


def layouts() -> None:
    """List the layouts of data on disk that can be read."""
    from avgzsl.data.layouts import layouts as described

    _print(described())


def encoders() -> None:
    """List the encoders of sound, picture and class names, as --audio, --video and --text take them."""
    from avgzsl.backbones import backbones
    from avgzsl.text.encoders import encoders as text_encoders

    for title, described in (("--audio, --video", backbones()), ("--text", text_encoders())):
        print(title)
        _print(described, 2)


def engines() -> None:
    """List the engines of an index, as --engine takes them."""
    from avgzsl.archive.engines import default_engine
    from avgzsl.archive.engines import engines as described

    _print({name: f"{about}{' [default]' if name == default_engine() else ''}" for name, about in described().items()})


def _print(described: Mapping[str, str], indent: int = 0) -> None:
    """A name and what it is, each on lines of its own."""
    for name, about in described.items():
        named = about.startswith((f"{name} ", f"{name}:"))
        print("\n".join(_paragraph(about if named else f"{name}: {about}", indent)))
