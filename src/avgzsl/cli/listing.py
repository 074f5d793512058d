"""`avgzsl methods`, `layouts`, `encoders` and `engines`: what there is, in this package and in installed ones."""

import sys
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avgzsl.cli.options import Json

if TYPE_CHECKING:
    from avgzsl.methods import Method

_WIDTH = 80  # characters a line of a terminal


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
            for field, default, meaning in kind.settings() if name is not None else []:
                print("\n".join(_setting(field, default, meaning)))
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
    """A method in a few lines of 80 characters."""
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
    first = wrap(f"{about['name']}: {about['about']}{notes}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return first + [
        line
        for text in said
        for line in wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    ]


def _setting(field: str, default: object, meaning: str) -> list[str]:
    """A hyper-parameter with its default in a few lines of 80 characters; paragraphs of its meaning become one."""
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    text = f"{field}={shown}  {' '.join(meaning.split())}"
    return wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False)


def layouts() -> None:
    """List the layouts of data on disk that can be read."""
    from avgzsl.data.layouts import layouts as described

    for name, about in described().items():
        print(f"{name}: {about}")


def encoders() -> None:
    """List the encoders of sound, picture and class names, as --audio, --video and --text take them."""
    from avgzsl.backbones import backbones
    from avgzsl.text.encoders import encoders as text_encoders

    for title, described in (("--audio, --video", backbones()), ("--text", text_encoders())):
        print(title)
        for name, about in described.items():
            print(f"  {about if about.startswith(name) else f'{name}: {about}'}")


def engines() -> None:
    """List the engines of an index, as --engine takes them."""
    from avgzsl.archive.engines import default_engine
    from avgzsl.archive.engines import engines as described

    for name, about in described().items():
        print(f"{name}: {about}{' [default]' if name == default_engine() else ''}")
